# SPDX-License-Identifier: Apache-2.0
"""What in the data does not fit the schema, or has changed."""

from __future__ import annotations

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics, Schema
from ..base.component import Component
from .anomaly_table import FailOn
from .comparators import Comparators
from .custom_validation import CustomValidationConfig


class ExampleValidator(Component):
    """Compares statistics of every split with a schema, and reports anomalies.

    With statistics of the span before, it also looks for drift; with those of serving data,
    for skew. The output holds `report.html`, in which the distributions with anomalies
    stand side by side. See https://www.tensorflow.org/tfx/guide/exampleval.

        previous = Resolver(
            strategy=PreviousSpanStrategy, statistics=Channel(ExampleStatistics)
        ).excluding(statistics_gen.outputs["statistics"])

    Args:
        statistics: Statistics of the data.
        schema: What the data should be.
        previous_statistics: Statistics of the span before: of the same splits.
        serving_statistics: Statistics of what the model is asked about: of the same
            splits, or of only one, which all are compared with.
        exclude_splits: Names of splits to leave out.
        environment: Schema environment to validate in, where the schema has environments
            (`TRAINING` and `SERVING`, say).
        fail_on_anomalies: The same as `fail_on="errors"`.
        fail_on: Which anomalies stop the run here, with each of them named: `never`,
            `errors` (all but those that TFDV calls warnings) or `any`.
        drift_comparators: How far distributions may be from those of the previous span.
            They take the place of the schema's. Where neither has any, and there is a
            previous span: 0.05 by infinity norm for categories, 0.1 by Jensen-Shannon
            divergence for numbers.
        skew_comparators: The same for serving data.
        label: Name of the label. It is checked that it is distributed alike in all splits,
            and as in the previous span.
        label_threshold: Largest difference between shares of a label that is no anomaly.
            Differences of less than three standard errors are none either.
        custom_validation_config: Conditions over statistics, as SQL expressions. Those that
            compare features use `previous_statistics`, and wait until there are some.
    """

    type_name = "tfx.components.example_validator.component.ExampleValidator"
    executor = "penstock.components.validate.validator_executor:ValidatorExecutor"
    preload = ("tensorflow_data_validation",)
    version = "2"

    statistics: Input[ExampleStatistics]
    schema: Input[Schema]
    previous_statistics: OptionalInput[ExampleStatistics] = None
    serving_statistics: OptionalInput[ExampleStatistics] = None
    exclude_splits: Parameter[list[str]] = []
    environment: Parameter[str | None] = None
    fail_on_anomalies: Parameter[bool] = False
    fail_on: Parameter[FailOn | None] = None
    drift_comparators: Parameter[Comparators | None] = None
    skew_comparators: Parameter[Comparators | None] = None
    label: Parameter[str | None] = None
    label_threshold: Parameter[float] = 0.05
    custom_validation_config: Parameter[CustomValidationConfig | None] = None
    anomalies: Output[ExampleAnomalies] = output()
