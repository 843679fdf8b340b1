# SPDX-License-Identifier: Apache-2.0
"""The InfraValidator: proves that a model can be served before anybody relies on it."""

from __future__ import annotations

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import Examples, InfraBlessing, Model, Schema
from ..base.component import Component
from .infra_specs import OnRefusal, RequestSpec, ServingSpec, ValidationSpec


class InfraValidator(Component):
    """Serves a model in a real server, asks it, and blesses it where everything holds.

    A server is started with the candidate, in a process of its own, on loopback. Once it is
    ready, records of `examples` are sent to it, and what it answers is compared with what
    the model predicts in the process of this node. Times, memory and size are measured;
    each can have a limit. Without examples the model is only loaded. See
    https://www.tensorflow.org/tfx/guide/infra_validator.

    The figures are properties of the execution: `load_seconds`, `model_load_seconds`,
    `size_on_disk_bytes`, `memory_bytes`, `latency_p50_ms`, `latency_p99_ms`,
    `max_difference`, `compared_records`, `flavor`, `server`.

    Args:
        model: The candidate.
        serving_spec: Which server; KServe's Python server by default, or TensorFlow Serving
            in Docker or on Kubernetes.
        examples: Records to ask about, raw as they were ingested.
        schema: Types and values that requests are checked against too.
        request_spec: Which records, how many, and whether to write warm-up requests.
        validation_spec: Limits, each with its unit in its name.
        on_refusal: `error` ends the run with the reason. `not_blessed` goes on, as TFX does:
            the blessing says no, and a Pusher that has it as `infra_blessing` pushes nothing.

    Outputs:
        blessing: A file `INFRA_BLESSED` or `INFRA_NOT_BLESSED` and the custom property
            `blessed`. With `request_spec.make_warmup` the model with its warm-up requests
            lies in `stamped_model/`, and the custom property `has_model` is 1.
    """

    type_name = "tfx.components.infra_validator.component.InfraValidator"
    executor = "penstock.components.serve.infra_validator_executor:InfraValidatorExecutor"

    model: Input[Model]
    serving_spec: Parameter[ServingSpec] = ServingSpec()
    examples: OptionalInput[Examples] = None
    schema: OptionalInput[Schema] = None
    request_spec: Parameter[RequestSpec | None] = None
    validation_spec: Parameter[ValidationSpec | None] = None
    on_refusal: Parameter[OnRefusal] = "error"
    blessing: Output[InfraBlessing] = output()
