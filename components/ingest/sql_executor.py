# SPDX-License-Identifier: Apache-2.0
"""Does the work of `SqlExampleGen`.

The query is asked once, and its answer kept on disk: asked twice, it might have changed.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import text

from ...utils.errors import DataError, nearest
from ...utils.storage_errors import storage_errors
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .column_types import ARROW_TYPES
from .ingestion import Ingestion
from .output_config import SplitPlan
from .shard_writing import Indices
from .sql_connection import connected
from .sql_values import SqlEvidence, column_array, plain_values
from .typed_files import BATCH_ROWS, assign, check_schema


class SqlExecutor:
    """Asks a database, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `examples`.

        Raises:
            DataError: The database does not answer, or the answer cannot be examples.
            ParameterError: An environment variable is not set.
            StorageError: The disk is full, or a folder cannot be written.
        """
        ingestion = Ingestion(task)
        asked = task.parameter("column_types", dict[str, str])
        answer = _ask(task, asked, ingestion)
        schema = answer.schema(asked)
        check_schema(schema, ingestion.plan, "the answer to the query")
        ingestion.progress.rows = answer.rows
        part = _AnswerPart(answer, asked, ingestion.plan.names[0])
        rows = ingestion.write([part], schema)
        ingestion.examples.span = task.parameter("span", int)
        return ingestion.record([], rows)


@dataclass
class _Answer:
    """The answer to the query, on disk.

    Attributes:
        path: File with pickled lists of columns.
        names: Names of the columns.
        evidence: What their values say about types.
        rows: Number of records.
    """

    path: str
    names: list[str]
    evidence: list[SqlEvidence]
    rows: int = 0

    def schema(self, asked: Mapping[str, str]) -> pa.Schema:
        """The schema of its records."""
        for name in asked:
            if name not in self.names:
                raise DataError(
                    f"column_types names {name!r}, which is no column",
                    expected=", ".join(self.names),
                    got=name,
                    suggestion=nearest(name, self.names),
                )
        return pa.schema(
            [
                (name, ARROW_TYPES[asked[name]] if name in asked else found.type)
                for name, found in zip(self.names, self.evidence, strict=True)
            ]
        )


def _ask(task: Task, asked: Mapping[str, str], ingestion: Ingestion) -> _Answer:
    query = text(task.parameter("query", str))
    values = {"span": task.parameter("span", int)} if "span" in query._bindparams else {}
    path = os.path.join(task.work_dir, "answer.pickle")
    with connected(task.parameter("connection", str)) as connection:
        result = connection.execution_options(
            stream_results=True, max_row_buffer=BATCH_ROWS
        ).execute(query, values)
        if not result.returns_rows:
            raise DataError("the query returns no rows", expected="a SELECT", got=str(query)[:200])
        names = list(result.keys())
        answer = _Answer(path, names, [SqlEvidence() for _ in names])
        texts = [asked.get(name) == "string" for name in names]
        with storage_errors(path, "write"), open(path, "wb") as file:
            for rows in result.partitions(BATCH_ROWS):
                columns = [
                    plain_values(column, as_text)
                    for column, as_text in zip(zip(*rows, strict=True), texts, strict=True)
                ]
                for found, column in zip(answer.evidence, columns, strict=True):
                    found.add(column)
                pickle.dump(columns, file, pickle.HIGHEST_PROTOCOL)
                answer.rows += len(rows)
                ingestion.progress.scanned(len(rows))
    if not answer.rows:
        raise DataError(
            "the answer to the query holds no records",
            expected="at least one record",
            got=str(query)[:200],
        )
    return answer


@dataclass(frozen=True)
class _AnswerPart:
    """The kept answer, as records."""

    answer: _Answer
    asked: Mapping[str, str]
    split: str

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return os.path.getsize(self.answer.path)

    def batches(
        self, schema: pa.Schema, plan: SplitPlan
    ) -> Iterator[tuple[pa.RecordBatch, Indices | None]]:
        """Batches of the records, with their splits."""
        done = 0
        with open(self.answer.path, "rb") as file:
            while done < self.answer.rows:
                columns = pickle.load(file)
                arrays = [
                    column_array(values, c.name, c.type, self.asked.get(c.name, ""))
                    for values, c in zip(columns, schema, strict=True)
                ]
                batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
                done += batch.num_rows
                yield batch, assign(batch, plan)
