# SPDX-License-Identifier: Apache-2.0
"""Statistics of examples."""

from __future__ import annotations

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import Examples, ExampleStatistics, Schema
from ..base.component import Component
from .stats_options import StatsOptions


class StatisticsGen(Component):
    """Computes statistics of every split of `examples`.

    They are TensorFlow Data Validation's: counts, missing values, moments, quantiles,
    histograms, most frequent values. See https://www.tensorflow.org/tfx/guide/statsgen.

    Args:
        examples: The records.
        schema: Tells which numbers are categories, and which texts natural language.
        stats_options: What to compute.
        exclude_splits: Names of splits to leave out.
    """

    type_name = "tfx.components.statistics_gen.component.StatisticsGen"
    executor = "penstock.components.validate.statistics_executor:StatisticsExecutor"
    preload = ("tensorflow_data_validation",)

    examples: Input[Examples]
    schema: OptionalInput[Schema] = None
    stats_options: Parameter[StatsOptions | None] = None
    exclude_splits: Parameter[list[str]] = []
    statistics: Output[ExampleStatistics] = output()
