# SPDX-License-Identifier: Apache-2.0
"""How far two data sets are apart."""

from __future__ import annotations

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics
from ..base.component import Component
from .anomaly_table import FailOn
from .custom_validation import CustomValidationConfig
from .distribution_config import DistributionValidatorConfig


class DistributionValidator(Component):
    """Compares the distributions of features between two sets of statistics.

    A feature that is to be compared and cannot be is an anomaly, too. The output's splits
    are pairs, such as `train_train`, in folders `SplitPair-…`, as TFX has it. Without
    `baseline_statistics` nothing is compared, and everything passes.
    See https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/components/DistributionValidator.

    Args:
        statistics: Statistics of the data.
        baseline_statistics: What they are compared with.
        config: What to compare, and how.
        include_split_pairs: Pairs of splits to compare: (split of `statistics`, split of
            `baseline_statistics`); by default those of equal names.
        custom_validation_config: Conditions over statistics, as SQL expressions.
        fail_on: Which anomalies stop the run here: `never`, `errors` or `any`.
    """

    type_name = "tfx.components.distribution_validator.component.DistributionValidator"
    executor = "penstock.components.validate.distribution_executor:DistributionExecutor"
    preload = ("tensorflow_data_validation",)

    statistics: Input[ExampleStatistics]
    baseline_statistics: OptionalInput[ExampleStatistics]
    config: Parameter[DistributionValidatorConfig]
    include_split_pairs: Parameter[list[tuple[str, str]] | None] = None
    custom_validation_config: Parameter[CustomValidationConfig | None] = None
    fail_on: Parameter[FailOn] = "never"
    anomalies: Output[ExampleAnomalies] = output()
