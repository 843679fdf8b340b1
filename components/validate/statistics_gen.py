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

    Records stream through one process, whose memory does not grow with their number. Beam
    takes over where `beam_pipeline_args` name a runner, and for the two options that only
    Beam can compute (`label_feature`, `use_sketch_based_topk_uniques=False`).

    Args:
        examples: The records.
        schema: Tells which numbers are categories, and which texts natural language.
        stats_options: What to compute.
        exclude_splits: Names of splits to leave out.
        sharded_stats_output: Whether to write each split's statistics also in several
            files, `FeatureStats.tfrecords-*-of-*`, which TFDV reads with
            `load_sharded_statistics`; `stats_options` says in how many.
    """

    type_name = "tfx.components.statistics_gen.component.StatisticsGen"
    executor = "penstock.components.validate.statistics_executor:StatisticsExecutor"
    preload = ("tensorflow_data_validation",)
    version = "2"

    examples: Input[Examples]
    schema: OptionalInput[Schema] = None
    stats_options: Parameter[StatsOptions | None] = None
    exclude_splits: Parameter[list[str]] = []
    sharded_stats_output: Parameter[bool] = False
    statistics: Output[ExampleStatistics] = output()
