# SPDX-License-Identifier: Apache-2.0
"""Writing the files of an `Examples` artifact, in any payload format.

Bytes depend on the records and their order alone: not on how they were cut into batches.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import Self

from ..base.artifact_types import Examples
from .arrow_schema_json import schema_to_json
from .example_encoding import encode_examples
from .list_columns import is_list, is_text, value_type
from .payload import ARROW_SCHEMA, BYTE_COUNTS, PAYLOAD_FORMAT, ROW_COUNTS, PayloadFormat

#: Records in one row group of a Parquet file.
ROW_GROUP_ROWS = 32_768
#: Records encoded to `tf.Example`s at a time.
_ENCODE_ROWS = 8_192


class ShardWriter(Protocol):
    """Writes one file of one split."""

    rows: int

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends records."""

    def close(self) -> None:
        """Completes the file."""

    def abandon(self) -> None:
        """Lets go of the file as it is, after an error."""


def open_shard(path: str, schema: pa.Schema, payload: PayloadFormat) -> ShardWriter:
    """A writer for one file.

    Args:
        path: The file; its folder exists.
        schema: Schema of the batches to come.
        payload: Format of the file.
    """
    if payload is PayloadFormat.PARQUET:
        return ParquetShardWriter(path, schema)
    return TFRecordShardWriter(path)


class ParquetShardWriter:
    """Writes one Parquet file with row groups of equal size."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._schema = schema
        # Dictionaries pay for texts, which repeat; numbers mostly differ.
        texts = [field.name for field in schema if is_text(field.type)]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            version="2.6",
            compression="zstd",
            use_dictionary=texts or False,
            write_statistics=False,
        )
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends records."""
        self.rows += batch.num_rows
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._flush(self._waiting_rows - self._waiting_rows % ROW_GROUP_ROWS)

    def close(self) -> None:
        """Completes the file."""
        if self._waiting_rows:
            self._flush(self._waiting_rows)
        self._writer.close()

    def abandon(self) -> None:
        """Lets go of the file as it is: writing more after an error crashes Arrow."""
        self._waiting, self._waiting_rows = [], 0
        with suppress(Exception):
            self._writer.close()

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, schema=self._schema)
        # In one piece: page boundaries would follow the pieces.
        self._writer.write_table(table.slice(0, rows).combine_chunks(), ROW_GROUP_ROWS)
        rest = table.slice(rows)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows


class TFRecordShardWriter:
    """Writes one TFRecord file of `tf.Example`s."""

    def __init__(self, path: str) -> None:
        # Loaded here, so that Parquet needs no checksums of TFRecord's kind.
        from .tfrecord_files import TFRecordWriter

        self._writer = TFRecordWriter(path)
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends records."""
        self.rows += batch.num_rows
        for start in range(0, batch.num_rows, _ENCODE_ROWS):
            self._writer.write(encode_examples(batch.slice(start, _ENCODE_ROWS)))

    def close(self) -> None:
        """Completes the file."""
        self._writer.close()

    def abandon(self) -> None:
        """Lets go of the file as it is."""
        with suppress(Exception):
            self._writer.close()


class SplitWriters:
    """Writers for one shard of every split of an artifact.

    Use as a context manager; files are complete only when it ends without an error.

    Args:
        examples: The artifact; its splits are set.
        schema: Schema of the batches to come.
        payload: Format of the files.
        shard: Number of the shard.
        shards: How many shards each split has.
    """

    def __init__(
        self,
        examples: Examples,
        schema: pa.Schema,
        payload: PayloadFormat,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        self._writers: dict[str, ShardWriter] = {}
        for split in examples.splits:
            folder = examples.split_uri(split)
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, payload.file_name(shard, shards))
            self._writers[split] = open_shard(path, schema, payload)
        self._open = list(self._writers.values())

    def write(self, split: str, batch: pa.RecordBatch) -> None:
        """Appends records to a split."""
        self._writers[split].write(batch)

    @property
    def rows(self) -> dict[str, int]:
        """Number of records written, by split."""
        return {split: writer.rows for split, writer in self._writers.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while error is None and self._open:
                self._open[0].close()
                self._open.pop(0)
        finally:
            # Incomplete files will be deleted: what matters is the error.
            for writer in self._open:
                writer.abandon()


def stored_schema(schema: pa.Schema, payload: PayloadFormat) -> pa.Schema:
    """The schema in which records come back from a payload format."""
    if payload is PayloadFormat.PARQUET:
        return schema
    return pa.schema([(field.name, _stored_type(field.type)) for field in schema])


def _stored_type(kind: pa.DataType) -> pa.DataType:
    value = value_type(kind)
    if value == pa.large_binary():
        value = pa.string() if pa.types.is_string(kind) else pa.binary()
    return pa.large_list(value) if is_list(kind) else value


def describe(
    examples: Examples, schema: pa.Schema, payload: PayloadFormat, rows: Mapping[str, int]
) -> None:
    """Records on an artifact what readers need to know of its files.

    Args:
        examples: The artifact, its files complete.
        schema: Schema of the batches that were written.
        payload: Format of the files.
        rows: Number of records, by split.
    """
    sizes = {split: _folder_bytes(examples.split_uri(split)) for split in examples.splits}
    examples.custom_properties[PAYLOAD_FORMAT] = payload.family
    examples.custom_properties[ARROW_SCHEMA] = schema_to_json(stored_schema(schema, payload))
    examples.custom_properties[ROW_COUNTS] = json.dumps(dict(rows))
    examples.custom_properties[BYTE_COUNTS] = json.dumps(sizes)


def write_examples(
    examples: Examples,
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    schema: pa.Schema,
    payload: PayloadFormat = PayloadFormat.PARQUET,
) -> None:
    """Writes a whole artifact, one file for each split.

    Args:
        examples: The artifact; its `splits` and properties are set here.
        batches: Batches of every split, by name; the order of splits is kept.
        schema: Their schema.
        payload: Format of the files.
    """
    examples.splits = list(batches)
    with SplitWriters(examples, schema, payload) as writers:
        for split, parts in batches.items():
            for batch in parts:
                writers.write(split, batch)
    describe(examples, schema, payload, writers.rows)


def _folder_bytes(folder: str) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(folder))
