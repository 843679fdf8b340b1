# SPDX-License-Identifier: Apache-2.0
"""Does the work of `FunctionExampleGen`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ...utils.errors import DataError
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .ingestion import Ingestion
from .output_config import SplitPlan
from .shard_writing import Indices
from .typed_files import assign, check_schema, kept_type


class FunctionExecutor:
    """Asks a user's function for records, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `examples`.

        Raises:
            DataError: What the function yields cannot be examples.
            StorageError: The disk is full, or a folder cannot be written.
        """
        ingestion = Ingestion(task)
        function = task.user_function("read_records")
        batches = _batches(function, task.parameter("arguments", dict[str, Any]))
        first = next((batch for batch in batches if batch.num_rows), None)
        if first is None:
            raise DataError(
                "the function yields no records",
                expected="at least one record",
                got=f"{function.__name__}() ended",
            )
        schema = pa.schema([(c.name, kept_type(c.type)) for c in first.schema])
        check_schema(schema, ingestion.plan, f"what {function.__name__}() yields")
        part = _FunctionPart(first, batches, ingestion.plan.names[0])
        rows = ingestion.write([part], schema)
        ingestion.examples.span = task.parameter("span", int)
        return ingestion.record([], rows)


def _batches(
    function: Callable[..., Any], arguments: Mapping[str, Any]
) -> Iterator[pa.RecordBatch]:
    yielded = function(**arguments)
    if isinstance(yielded, (pa.RecordBatch, pa.Table)):
        yielded = [yielded]
    if not hasattr(yielded, "__iter__"):
        raise _wrong(function, yielded)
    for batch in yielded:
        if isinstance(batch, pa.Table):
            yield from batch.to_batches()
        elif isinstance(batch, pa.RecordBatch):
            yield batch
        else:
            raise _wrong(function, batch)


def _wrong(function: Callable[..., Any], got: object) -> DataError:
    is_frame = type(got).__name__ == "DataFrame"
    return DataError(
        f"{function.__name__}() yields something else than records",
        expected="pyarrow.RecordBatch or pyarrow.Table",
        got=f"{type(got).__name__}: {' '.join(repr(got).split())}"[:200],
        fix="yield pyarrow.Table.from_pandas(frame, preserve_index=False)"
        if is_frame
        else "yield pyarrow.RecordBatch.from_pylist(list_of_dicts)",
    )


@dataclass(frozen=True)
class _FunctionPart:
    """The batches that the function yields; can be read once, in this process."""

    first: pa.RecordBatch
    rest: Iterator[pa.RecordBatch]
    split: str
    size: int = 0

    def batches(
        self, schema: pa.Schema, plan: SplitPlan
    ) -> Iterator[tuple[pa.RecordBatch, Indices | None]]:
        """Batches of the records, with their splits."""
        yield self._checked(self.first, schema, plan)
        for batch in self.rest:
            if batch.num_rows:
                yield self._checked(batch, schema, plan)

    def _checked(
        self, batch: pa.RecordBatch, schema: pa.Schema, plan: SplitPlan
    ) -> tuple[pa.RecordBatch, Indices | None]:
        if sorted(batch.schema.names) != sorted(schema.names):
            raise DataError(
                "the function yields batches with different columns",
                expected=", ".join(schema.names),
                got=", ".join(batch.schema.names),
            )
        columns = []
        for field in schema:
            column = batch.column(batch.schema.get_field_index(field.name))
            if kept_type(column.type) != field.type and not pa.types.is_null(column.type):
                raise DataError(
                    f"the function yields column {field.name!r} with different types",
                    expected=str(field.type),
                    got=str(column.type),
                    fix="name the types: pyarrow.RecordBatch.from_pylist(rows, schema=…)",
                )
            columns.append(column if column.type == field.type else column.cast(field.type))
        ordered = pa.RecordBatch.from_arrays(columns, schema=schema)
        return ordered, assign(ordered, plan)
