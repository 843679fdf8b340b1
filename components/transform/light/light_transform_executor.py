# SPDX-License-Identifier: Apache-2.0
"""Does the work of `LightTransform`: fit, save, load again, apply."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ....utils import storage
from ....utils.errors import DataError, PenstockError, nearest
from ...base.artifact import PropertyValue
from ...base.artifact_types import Examples, TransformGraph
from ...base.executor import Task
from ...ingest.examples_reader import (
    count_rows,
    examples_schema,
    iter_record_batches,
    read_table,
    split_files,
)
from ...ingest.examples_writer import describe, open_shard
from ...ingest.payload import PayloadFormat
from ..splits_config import SplitsConfig
from .fitting import Fitter
from .raw_columns import RawColumn, RawColumns
from .row_checks import check_rows_alone, needed_columns
from .saved import FittedTransform, load, write_description

_FUNCTIONS = ("preprocess", "fit", "transform")


class LightTransformExecutor:
    """Writes a fitted transform and, unless told not to, transformed `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `transform_graph` and `transformed_examples`.

        Raises:
            CodeError: The module file defines no transform.
            DataError: The data does not fit the transform, or has no rows to fit to.
            UserCodeError: What the user's functions returned cannot be used.
            Exception: Whatever the user's functions raise while fitting.
        """
        examples = task.input_list("examples", Examples)
        splits = task.parameter("splits_config", SplitsConfig | None) or SplitsConfig()
        kept = _kept_columns(task, examples_schema(examples[0]))
        table = _table(task, examples, splits.analyze)
        task.report_progress(0, None, f"fitting to {table.num_rows} rows")
        graph = task.output("transform_graph", TransformGraph)
        try:
            fitted = _fit(task, table, kept, storage.local_path(graph.uri))
            graph.custom_properties["form"] = "light"
            recorded: dict[str, PropertyValue] = {"analyzed_rows": table.num_rows}
            if task.outputs.get("transformed_examples"):
                wanted = splits.transform if splits.transform is not None else examples[0].splits
                if not task.parameter("materialize", bool):
                    # Declared, and switched off for this run.
                    wanted = []
                recorded["transformed_rows"] = _transform(task, fitted, examples, wanted, kept)
        except PenstockError as error:
            error.node = error.node or task.node_id
            raise
        return recorded


def _kept_columns(task: Task, schema: pa.Schema) -> list[str]:
    """Columns that no transform sees and that come out as they are."""
    label = task.parameter("label_key", str | None)
    named = [*([label] if label else []), *(task.parameter("passthrough", list[str] | None) or [])]
    for name in named:
        if name not in schema.names:
            raise DataError(
                f"there is no column {name!r} to pass through",
                node=task.node_id,
                expected=", ".join(schema.names),
                got=name,
                suggestion=nearest(name, schema.names),
            )
    return list(dict.fromkeys(named))


def _table(task: Task, examples: Sequence[Examples], splits: Sequence[str]) -> pa.Table:
    for one in examples:
        for split in splits:
            if split not in one.splits:
                raise DataError(
                    f"there is no split {split!r} to fit to",
                    node=task.node_id,
                    expected=", ".join(one.splits),
                    got=split,
                    suggestion=nearest(split, one.splits),
                    fix="name the splits to fit to: splits_config=SplitsConfig(analyze=[…])",
                )
    schema = examples_schema(examples[0])
    for one in examples[1:]:
        if examples_schema(one) != schema:
            raise DataError(
                "examples with different columns cannot be fitted together",
                node=task.node_id,
                expected=", ".join(f"{field.name} {field.type}" for field in schema),
                got=", ".join(f"{field.name} {field.type}" for field in examples_schema(one)),
                location=one.uri,
            )
    table = pa.concat_tables([read_table(one, split) for one in examples for split in splits])
    if not table.num_rows:
        raise DataError(
            "there are no rows to fit to",
            node=task.node_id,
            expected="rows in split " + ", ".join(splits),
            got="none in " + ", ".join(one.uri for one in examples),
        )
    return table


def _fit(task: Task, table: pa.Table, kept: Sequence[str], folder: str) -> FittedTransform:
    """Fits, saves, and loads what was saved: training gets exactly what serving will."""
    raw = RawColumns(
        [
            RawColumn(name, table.schema.field(name).type, True, column.null_count > 0)
            for name, column in zip(table.schema.names, table.columns, strict=True)
            if name not in kept
        ]
    )
    functions: dict[str, Callable[..., Any]] = {}
    for name in _FUNCTIONS:
        function = task.optional_user_function(name)
        if function is not None:
            functions[name] = function
    config = task.parameter("custom_config", dict | None)
    fitter = Fitter(functions, config, task.node_id, task.work_dir)
    entry = fitter.fit(table, raw, task.parameter("label_key", str | None), folder)
    write_description(folder, entry, raw, None, fitter.versions)
    loaded = load(folder, code=fitter.code)
    batch = table.slice(0, 32_768).combine_chunks().to_batches()[0]
    schema = loaded.transform(batch).schema
    _check_names(schema, kept)
    loaded = loaded.with_output(schema, raw)
    check_rows_alone(loaded, batch)
    needed = needed_columns(loaded, batch)
    raw = RawColumns(
        [
            RawColumn(one.name, one.type, one.name in needed and not one.had_nulls, one.had_nulls)
            for one in raw.columns
        ]
    )
    write_description(folder, entry, raw, schema, fitter.versions)
    return loaded.with_output(schema, raw)


def _check_names(schema: pa.Schema, kept: Sequence[str]) -> None:
    names = schema.names
    double = sorted({name for name in names if names.count(name) > 1})
    if not names or double:
        raise DataError(
            f"the transform returns several columns named {double[0]!r}"
            if double
            else "the transform returns no columns",
            expected="columns with different names",
            got=", ".join(names[:20]) or "none",
        )
    for name in kept:
        if name in names:
            raise DataError(
                f"the transform returns a column {name!r}, which is passed through as it is",
                expected="other names than " + ", ".join(kept),
                got=name,
                fix="leave it out of the transform, or of label_key and passthrough",
            )
    for field in schema:
        if pa.types.is_null(field.type):
            raise DataError(
                f"the transform gives column {field.name!r} no value in any row",
                expected="a column with values, whose type can be told",
                fix="leave the column out, or give it a type: pa.nulls(n, pa.float64())",
            )


def _transform(
    task: Task,
    fitted: FittedTransform,
    examples: Sequence[Examples],
    splits: Sequence[str],
    kept: Sequence[str],
) -> int:
    """Writes the transformed splits; returns their number of rows."""
    output = task.output("transformed_examples", Examples)
    output.splits = splits
    if not splits:
        return 0
    if len(examples) == 1:
        output.span, output.version = examples[0].span, examples[0].version
    raw_schema = examples_schema(examples[0])
    schema = pa.schema([*fitted.output_schema, *(raw_schema.field(name) for name in kept)])
    counts = {split: sum(count_rows(one, split) for one in examples) for split in splits}
    total, done = sum(counts.values()), 0
    for split in splits:
        folder = storage.local_path(output.split_uri(split))
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, PayloadFormat.PARQUET.file_name(0, 1))
        writer = open_shard(path, schema, PayloadFormat.PARQUET)
        try:
            for batch in _batches(fitted, examples, split, kept, schema):
                writer.write(batch)
                done += batch.num_rows
                task.report_progress(done, total, "rows transformed")
        except BaseException:
            writer.abandon()
            raise
        writer.close()
    describe(output, schema, PayloadFormat.PARQUET, counts)
    return total


def _batches(
    fitted: FittedTransform,
    examples: Sequence[Examples],
    split: str,
    kept: Sequence[str],
    schema: pa.Schema,
) -> Iterator[pa.RecordBatch]:
    for one in examples:
        try:
            for batch in iter_record_batches(one, split):
                if not batch.num_rows:
                    continue
                found = fitted.transform(batch)
                rest = [batch.column(batch.schema.get_field_index(name)) for name in kept]
                yield pa.RecordBatch.from_arrays([*found.columns, *rest], schema=schema)
        except DataError as error:
            error.location = error.location or split_files(one, split)[0]
            raise
