# SPDX-License-Identifier: Apache-2.0
"""What in the data does not fit the schema."""

from __future__ import annotations

from ..base.annotations import Input, Output, Parameter, output
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics, Schema
from ..base.component import Component


class ExampleValidator(Component):
    """Compares statistics of every split with a schema, and reports anomalies.

    See https://www.tensorflow.org/tfx/guide/exampleval.

    Args:
        statistics: Statistics of the data.
        schema: What the data should be.
        exclude_splits: Names of splits to leave out.
        environment: Schema environment to validate in, where the schema has environments
            (`TRAINING` and `SERVING`, say).
        fail_on_anomalies: Whether anomalies stop the run here, with each of them named.
            Those that TFDV calls warnings never do.
    """

    type_name = "tfx.components.example_validator.component.ExampleValidator"
    executor = "penstock.components.validate.validator_executor:ValidatorExecutor"
    preload = ("tensorflow_data_validation",)

    statistics: Input[ExampleStatistics]
    schema: Input[Schema]
    exclude_splits: Parameter[list[str]] = []
    environment: Parameter[str | None] = None
    fail_on_anomalies: Parameter[bool] = False
    anomalies: Output[ExampleAnomalies] = output()
