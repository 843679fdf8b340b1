# SPDX-License-Identifier: Apache-2.0
"""The Pusher: hands a blessed model to those who serve it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from ...utils.errors import ParameterError
from ...utils.names import check_model_name
from ..base.annotations import ComponentSpec, Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import (
    ApprovalRecord,
    InfraBlessing,
    Model,
    ModelBlessing,
    PushedModel,
)
from ..base.component import Component
from .push_destination import PushDestination

_VERSION = re.compile(r"v?\d{1,9}\.\d{1,9}\.\d{1,9}")


class Pusher(Component):
    """Pushes a model to where it is served, if every blessing it was given says so.

    A model that is not blessed is not pushed; that is a result, not an error: the run goes
    on, and `pushed_model` has the custom property `pushed` 0. See
    https://www.tensorflow.org/tfx/guide/pusher.

    What is pushed becomes a version of a registered model (`penstock models show`), in the
    same transaction that publishes the node's result.

    Args:
        model: The model to push.
        push_destination: Where to push to: see `PushDestination`. A folder or bucket gets one
            sub-folder for each version, named by the time of the push in seconds since 1970,
            always higher than every version before it. A push that would repeat the newest
            version adds none.
        model_name: Name under which the model is registered; by default the pipeline's, with
            the node's id where several nodes push.
        model_version: The semantic version of this model, above all before it. By default it
            follows from what changed.
        bump: `auto` for the rule (schema or signature: major; code, features or parameters:
            minor; data: patch), or the part that goes up whatever changed.
        stage: `production`: it takes the place of the version in production right away.
            `candidate`: it waits for `penstock models promote`; until then it lies where
            servers that watch the folder do not see it.
        model_blessing: The Evaluator's verdict. Without any blessing the model is pushed
            unproven, and the log says so.
        infra_blessing: The verdict on whether the model can be served.
        approval: Somebody's consent, from `Approval`: nothing is pushed before there is one.

    Outputs:
        pushed_model: What was pushed, with the custom properties `pushed`,
            `pushed_destination`, `pushed_version`, `model_name` and `model_version`.
    """

    type_name = "tfx.components.pusher.component.Pusher"
    executor = "penstock.components.push.pusher_executor:PusherExecutor"
    verify_cached = "penstock.components.push.cached_push:is_still_pushed"

    model: Input[Model]
    push_destination: Parameter[PushDestination]
    model_name: Parameter[str | None] = None
    model_version: Parameter[str | None] = None
    bump: Parameter[Literal["auto", "major", "minor", "patch"]] = "auto"
    stage: Parameter[Literal["production", "candidate"]] = "production"
    model_blessing: OptionalInput[ModelBlessing] = None
    infra_blessing: OptionalInput[InfraBlessing] = None
    approval: OptionalInput[ApprovalRecord] = None
    pushed_model: Output[PushedModel] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; names and versions are checked before anything runs."""
        super().bind(spec, args, kwargs)
        name = self.parameters.get("model_name")
        version = self.parameters.get("model_version")
        if isinstance(name, str):
            check_model_name(name)
        if isinstance(version, str) and not _VERSION.fullmatch(version):
            raise ParameterError(
                "model_version must have three numbers",
                node=self.id,
                expected="major.minor.patch, as 2.0.0",
                got=version,
            )
