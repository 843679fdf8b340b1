# SPDX-License-Identifier: Apache-2.0
"""Does the work of `StatisticsGen` in one process, without Beam.

Records stream through TFDV's combiners batch by batch, so memory holds one batch and the
combiners' sketches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl

from ...utils.errors import ParameterError, nearest
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, ExampleStatistics, Schema
from ..base.executor import Task
from ..ingest.examples_reader import BATCH_ROWS, count_rows, iter_tfdv_batches, tfdv_schema
from .schema_text import read_schema
from .split_selection import remaining_splits
from .statistics_file import write_statistics
from .stats_options import StatsOptions

#: Samples are drawn with this seed, so that equal data has equal statistics.
_SAMPLE_SEED = 20150319


class StatisticsExecutor:
    """Reads `Examples`, writes `ExampleStatistics`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `statistics`.

        Raises:
            ParameterError: An option names a feature or split that is not there.
            DataError: The examples cannot be read.
        """
        examples = task.input("examples", Examples)
        options = task.parameter("stats_options", StatsOptions | None) or StatsOptions()
        excluded = task.parameter("exclude_splits", list[str])
        splits = remaining_splits(examples.splits, excluded, task.node_id)
        columns = _columns(options, tfdv_schema(examples).names, task.node_id)
        schema = task.optional_input("schema", Schema)
        tfdv_options = _tfdv_options(options, read_schema(schema) if schema else None)
        statistics = task.output("statistics", ExampleStatistics)
        statistics.splits = splits
        statistics.span = examples.span
        rows = {split: count_rows(examples, split) for split in splits}
        done = 0
        for split in splits:
            batch_rows = options.desired_batch_size or BATCH_ROWS
            batches = _reported(
                iter_tfdv_batches(examples, split, batch_rows, columns),
                task,
                done,
                sum(rows.values()),
            )
            if options.sample_rate is not None:
                batches = sample(batches, options.sample_rate)
            schema_of_empty = tfdv_schema(examples, columns)
            write_statistics(
                statistics, split, compute_statistics(batches, tfdv_options, schema_of_empty)
            )
            done += rows[split]
        return {f"rows_{split}": count for split, count in rows.items()}


def compute_statistics(
    batches: Iterable[pa.RecordBatch], options: tfdv.StatsOptions, schema: pa.Schema
) -> Any:
    """Statistics of list-typed batches, as a `DatasetFeatureStatisticsList`.

    Args:
        batches: The records.
        options: TFDV's options.
        schema: Schema of the batches, for the case that there are none.
    """
    generators = stats_impl.get_generators(options, in_memory=True)
    for generator in generators:
        generator.setup()
    partials = [generator.create_accumulator() for generator in generators]
    empty = True
    for batch in batches:
        partials = _add(generators, partials, batch)
        empty = False
    if empty:
        none = pa.RecordBatch.from_arrays(
            [pa.array([], field.type) for field in schema], schema=schema
        )
        partials = _add(generators, partials, none)
    return stats_impl.extract_statistics_output(partials, generators)


def _add(generators: list[Any], partials: list[Any], batch: pa.RecordBatch) -> list[Any]:
    return [
        generator.add_input(partial, batch)
        for generator, partial in zip(generators, partials, strict=True)
    ]


def sample(batches: Iterable[pa.RecordBatch], rate: float) -> Iterator[pa.RecordBatch]:
    """A share of the records, the same ones in every run and however they are batched."""
    generator = np.random.default_rng(_SAMPLE_SEED)
    for batch in batches:
        yield batch.filter(pa.array(generator.random(batch.num_rows) < rate))


def _reported(
    batches: Iterable[pa.RecordBatch], task: Task, done: int, total: int
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        done += batch.num_rows
        task.report_progress(done, total, "records")


def _columns(options: StatsOptions, names: list[str], node: str) -> list[str] | None:
    """Columns to read: the allowed ones, and those that hold weights."""
    overrides = options.per_feature_weight_override or {}
    weights = [name for name in [options.weight_feature, *overrides.values()] if name]
    for name in [*(options.feature_allowlist or []), *weights, *overrides]:
        if name not in names:
            raise ParameterError(
                f"stats_options names {name!r}, which is no feature of the examples",
                node=node,
                expected=", ".join(names),
                got=name,
                suggestion=nearest(name, names),
            )
    if options.feature_allowlist is None:
        return None
    return list(dict.fromkeys([*options.feature_allowlist, *weights]))


def _tfdv_options(options: StatsOptions, schema: Any) -> tfdv.StatsOptions:
    """TFDV's form of the options; sampling and selecting are done before TFDV."""
    given = options.model_dump(
        exclude={"sample_rate", "feature_allowlist", "per_feature_weight_override"}
    )
    overrides = options.per_feature_weight_override
    return tfdv.StatsOptions(
        schema=schema,
        per_feature_weight_override=None
        if overrides is None
        else {tfdv.FeaturePath([name]): weight for name, weight in overrides.items()},
        **given,
    )
