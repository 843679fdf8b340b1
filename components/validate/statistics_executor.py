# SPDX-License-Identifier: Apache-2.0
"""Does the work of `StatisticsGen`: in this process where it can, else on Beam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import tensorflow_data_validation as tfdv
from google.protobuf import json_format, text_format
from tensorflow_data_validation.utils import slicing_util
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.arrow import sql_util
from tfx_bsl.public.proto import slicing_spec_pb2

from ...utils.errors import ParameterError, nearest
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, ExampleStatistics, Schema
from ..base.executor import Task
from ..ingest.examples_reader import BATCH_ROWS, count_rows, iter_tfdv_batches, tfdv_schema
from .local_statistics import compute_statistics
from .rank_order import settle_ties
from .record_sample import sample
from .schema_text import read_schema
from .split_selection import remaining_splits
from .statistics_file import write_sharded_statistics, write_statistics
from .stats_options import StatsOptions

__all__ = ["StatisticsExecutor", "compute_statistics"]


@dataclass(frozen=True)
class _Work:
    """What to compute, in both engines' terms."""

    examples: Examples
    columns: list[str] | None
    batch_rows: int
    sample_rate: float | None
    options: tfdv.StatsOptions

    @property
    def schema(self) -> pa.Schema:
        return tfdv_schema(self.examples, self.columns)


class StatisticsExecutor:
    """Reads `Examples`, writes `ExampleStatistics`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `statistics`.

        Raises:
            ParameterError: An option names a feature or split that is not there, or a slicing
                query is not one.
            DataError: The examples cannot be read.
            ExecutionError: A Beam pipeline failed.
        """
        examples = task.input("examples", Examples)
        options = task.parameter("stats_options", StatsOptions | None) or StatsOptions()
        excluded = task.parameter("exclude_splits", list[str])
        splits = remaining_splits(examples.splits, excluded, task.node_id)
        schema = _schema(task, options)
        work = _Work(
            examples,
            _columns(options, tfdv_schema(examples).names, task.node_id),
            options.desired_batch_size or BATCH_ROWS,
            options.sample_rate,
            _tfdv_options(options, schema),
        )
        _check_queries(options.slice_queries, work.schema, task.node_id)
        statistics = task.output("statistics", ExampleStatistics)
        statistics.splits = splits
        statistics.span = examples.span
        rows = {split: count_rows(examples, split) for split in splits}
        engine = "beam" if _needs_beam(options, schema, task.beam_pipeline_args) else "local"
        computed = (_on_beam if engine == "beam" else _here)(work, statistics, rows, task)
        for split, found in computed:
            canonical = canonical_order(found, work.schema.names)
            settle_ties(canonical, options.num_top_values, options.num_rank_histogram_buckets)
            write_statistics(statistics, split, canonical)
            if task.parameter("sharded_stats_output", bool | None):
                parts = options.experimental_result_partitions
                write_sharded_statistics(statistics, split, canonical, parts)
        return {"engine": engine, **{f"rows_{split}": count for split, count in rows.items()}}


def canonical_order(statistics: Any, names: Sequence[str]) -> Any:
    """Statistics with the whole before its slices, and features in the order of `names`.

    Beam puts them in any order, and equal statistics must have equal bytes.
    """
    place = {name: index for index, name in enumerate(names)}
    ordered = type(statistics)()
    whole = ("", slicing_util.constants.DEFAULT_SLICE_KEY)
    for dataset in sorted(statistics.datasets, key=lambda d: (d.name not in whole, d.name)):
        added = ordered.datasets.add()
        added.CopyFrom(dataset)
        del added.features[:]
        added.features.extend(
            sorted(
                dataset.features,
                key=lambda f: (place.get(f.path.step[0], len(place)), list(f.path.step)),
            )
        )
    return ordered


def _here(
    work: _Work, statistics: ExampleStatistics, rows: Mapping[str, int], task: Task
) -> Iterator[tuple[str, Any]]:
    done = 0
    for split in statistics.splits:
        batches = _reported(
            iter_tfdv_batches(work.examples, split, work.batch_rows, work.columns),
            task,
            done,
            sum(rows.values()),
        )
        if work.sample_rate is not None:
            batches = sample(batches, work.sample_rate)
        yield split, compute_statistics(batches, work.options, work.schema)
        done += rows[split]


def _on_beam(
    work: _Work, statistics: ExampleStatistics, rows: Mapping[str, int], task: Task
) -> Iterable[tuple[str, Any]]:
    from .beam_statistics import compute_on_beam

    task.report_progress(0, sum(rows.values()), "records, on Beam")
    found = compute_on_beam(
        work.examples,
        statistics,
        work.options,
        columns=work.columns,
        batch_rows=work.batch_rows,
        sample_rate=work.sample_rate,
        beam_pipeline_args=task.beam_pipeline_args,
        node=task.node_id,
    )
    for split, message in found.items():
        if rows[split] == 0:
            # TFDV's pipeline forgets the features of a split that has no records.
            message = compute_statistics([], work.options, work.schema)
        yield split, message


def _needs_beam(options: StatsOptions, schema: Any, beam_pipeline_args: Sequence[str]) -> bool:
    if options.use_sketch_based_topk_uniques is False or (
        options.label_feature is not None and schema is not None
    ):
        return True
    if not beam_pipeline_args:
        return False
    # Loaded where it is asked for: Beam takes long.
    from ..transform.beam_runner import runs_here

    return not runs_here(beam_pipeline_args)


def _reported(
    batches: Iterable[pa.RecordBatch], task: Task, done: int, total: int
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        done += batch.num_rows
        task.report_progress(done, total, "records")


def _columns(options: StatsOptions, names: list[str], node: str) -> list[str] | None:
    """Columns to read: the allowed ones, and those that hold weights, slices or the label."""
    overrides = options.per_feature_weight_override or {}
    weights = [options.weight_feature, *overrides.values(), options.label_feature]
    needed = [name for name in [*weights, *options.slice_features] if name]
    for name in [*(options.feature_allowlist or []), *needed, *overrides]:
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
    return list(dict.fromkeys([*options.feature_allowlist, *needed]))


def _check_queries(queries: Sequence[str], schema: pa.Schema, node: str) -> None:
    """Refuses queries that TFDV would answer with a slice named `INVALID`."""
    for query in queries:
        try:
            sql_util.RecordBatchSQLSliceQuery(slicing_util.format_slice_sql_query(query), schema)
        except RuntimeError as error:
            raise ParameterError(
                "a query for slices cannot be understood",
                node=node,
                expected="for instance SELECT STRUCT(state) FROM example.state",
                got=f"{query}\n  {str(error).strip()}",
                fix=f"the features are {', '.join(schema.names)}",
            ) from None


def _schema(task: Task, options: StatsOptions) -> Any:
    """The schema that is the input, or in the options, or None."""
    found = task.optional_input("schema", Schema)
    if options.schema_text is None:
        return read_schema(found) if found else None
    if found:
        raise ParameterError(
            "the schema is given twice",
            node=task.node_id,
            expected="the input schema, or one in stats_options",
            got="both",
        )
    try:
        return text_format.Parse(options.schema_text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise ParameterError(
            "stats_options.schema_text is no schema", node=task.node_id, got=str(error)
        ) from None


def _tfdv_options(options: StatsOptions, schema: Any) -> tfdv.StatsOptions:
    """TFDV's form of the options; sampling and selecting are done before TFDV."""
    own = {"sample_rate", "feature_allowlist", "per_feature_weight_override", "slicing_config"}
    # What TFDV writes is merged again at once; its own partitions are for writing.
    own |= {"experimental_result_partitions", "use_sketch_based_topk_uniques", "schema_text"}
    overrides = options.per_feature_weight_override
    slicing = options.slicing_config
    return tfdv.StatsOptions(
        schema=schema,
        per_feature_weight_override=None
        if overrides is None
        else {tfdv.FeaturePath([name]): weight for name, weight in overrides.items()},
        slicing_config=None
        if slicing is None
        else json_format.ParseDict(slicing.model_dump(), slicing_spec_pb2.SlicingConfig()),
        use_sketch_based_topk_uniques=options.use_sketch_based_topk_uniques is not False,
        **options.model_dump(exclude=own),
    )
