# SPDX-License-Identifier: Apache-2.0
"""Reading an `Examples` artifact as Arrow record batches, whatever its payload format.

Files whose names end in `.parquet` are Parquet; all others are TFRecord files of
`tf.Example`s, compressed where the name ends in `.gz`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from ...utils.errors import DataError, nearest
from ..base.artifact_types import Examples
from .arrow_schema_json import schema_from_json
from .list_columns import is_list, to_list_batch, to_plain_batch, value_type
from .payload import ARROW_SCHEMA, ROW_COUNTS

#: Records in a batch unless told otherwise.
BATCH_ROWS = 32_768
#: Records decoded from `tf.Example`s at a time: tfx_bsl slows down above it. It divides
#: `BATCH_ROWS`, so that batches are cut alike whatever the payload format.
_DECODE_ROWS = 1_024


def split_files(examples: Examples, split: str) -> list[str]:
    """Paths of the files of a split, in order.

    Raises:
        DataError: There is no such split, or it has no files.
    """
    folder = examples.split_uri(split)
    try:
        names = sorted(name for name in os.listdir(folder) if name[0] not in "._")
    except FileNotFoundError:
        names = []
    if not names:
        raise DataError(
            f"split {split!r} has no files",
            expected="Parquet or TFRecord files",
            got=f"{folder} is {'empty' if os.path.isdir(folder) else 'not there'}",
            location=folder,
            fix="run the node that writes it again",
        )
    return [os.path.join(folder, name) for name in names]


def examples_schema(examples: Examples) -> pa.Schema:
    """The schema of the batches that `iter_record_batches` yields.

    For TFRecord files of unknown origin all of them are read once to infer it, with every
    feature as a list.

    Raises:
        DataError: A split has no files, or a feature has different types.
    """
    first = split_files(examples, examples.splits[0])[0]
    if _is_parquet(first):
        with _explained(first), pq.ParquetFile(first) as file:
            return file.schema_arrow.remove_metadata()
    recorded = examples.custom_properties.get(ARROW_SCHEMA)
    if isinstance(recorded, str) and recorded:
        return schema_from_json(recorded)
    return _infer_schema(examples)


def count_rows(examples: Examples, split: str) -> int:
    """Number of records of a split.

    Raises:
        DataError: There is no such split.
    """
    recorded = examples.custom_properties.get(ROW_COUNTS)
    if isinstance(recorded, str) and recorded:
        counts = json.loads(recorded)
        if split in counts:
            return int(counts[split])
    rows = 0
    for path in split_files(examples, split):
        if _is_parquet(path):
            with _explained(path), pq.ParquetFile(path) as file:
                rows += file.metadata.num_rows
        else:
            from .tfrecord_files import read_tfrecords

            rows += sum(len(records) for records in read_tfrecords(path, _DECODE_ROWS))
    return rows


def iter_record_batches(
    examples: Examples,
    split: str,
    batch_size: int = BATCH_ROWS,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Records of a split in order, columns plain (one value or none for each record).

    Args:
        examples: The artifact.
        split: Name of the split.
        batch_size: At most this many records in a batch.
        columns: Names of columns to read, in this order; all by default.

    Raises:
        DataError: There is no such split or column, or a file is damaged.
    """
    schema = _selected(examples_schema(examples), columns, examples)
    for path in split_files(examples, split):
        yield from iter_file_batches(path, schema, batch_size)


def iter_file_batches(
    path: str,
    schema: pa.Schema,
    batch_size: int = BATCH_ROWS,
    row_groups: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Records of one file in order, columns plain.

    Args:
        path: One of the files that `split_files` names.
        schema: Columns to read, as `examples_schema` describes them.
        batch_size: At most this many records in a batch.
        row_groups: Numbers of row groups to read, of a Parquet file; all by default.

    Raises:
        DataError: The file is damaged.
    """
    if _is_parquet(path):
        yield from _read_parquet(path, batch_size, schema, row_groups)
        return
    for batch in _decode(path, batch_size, schema):
        yield to_plain_batch(batch, schema)


def row_group_sizes(path: str) -> list[int] | None:
    """Number of records in each row group of a Parquet file; None for TFRecord files.

    Raises:
        DataError: The file is damaged.
    """
    if not _is_parquet(path):
        return None
    with _explained(path), pq.ParquetFile(path) as file:
        metadata = file.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def iter_tfdv_batches(
    examples: Examples,
    split: str,
    batch_size: int = BATCH_ROWS,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """As `iter_record_batches`, with the list columns that TFDV, TFT, TFMA and tfx_bsl take.

    Both payload formats give equal batches, but for floats of 64 bits, which TFRecord keeps
    in 32; here both have 32.
    """
    schema = _selected(examples_schema(examples), columns, examples)
    for path in split_files(examples, split):
        if _is_parquet(path):
            for batch in _read_parquet(path, batch_size, schema):
                yield to_list_batch(batch)
        else:
            yield from _decode(path, batch_size, schema)


def tfdv_schema(examples: Examples, columns: Sequence[str] | None = None) -> pa.Schema:
    """The schema of the batches that `iter_tfdv_batches` yields."""
    schema = _selected(examples_schema(examples), columns, examples)
    return pa.schema([(field.name, pa.large_list(value_type(field.type))) for field in schema])


def read_table(examples: Examples, split: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole split as one table, columns plain."""
    schema = _selected(examples_schema(examples), columns, examples)
    batches = iter_record_batches(examples, split, columns=columns)
    return pa.Table.from_batches(list(batches), schema=schema)


def _is_parquet(path: str) -> bool:
    return path.endswith(".parquet")


def _selected(schema: pa.Schema, columns: Sequence[str] | None, examples: Examples) -> pa.Schema:
    if columns is None:
        return schema
    for name in columns:
        if name not in schema.names:
            raise DataError(
                f"there is no column {name!r}",
                expected=", ".join(schema.names),
                got=name,
                suggestion=nearest(name, schema.names),
                location=examples.uri,
            )
    return pa.schema([schema.field(name) for name in columns])


def _read_parquet(
    path: str, batch_size: int, schema: pa.Schema, row_groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    with _explained(path), pq.ParquetFile(path, memory_map=True) as file:
        groups = None if row_groups is None else list(row_groups)
        for batch in file.iter_batches(batch_size, groups, columns=schema.names):
            arrays = [batch.column(batch.schema.get_field_index(n)) for n in schema.names]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turns what Arrow says of a Parquet file into an error for people."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            "a Parquet file is damaged or something else",
            got=str(error).split("\n", 1)[0][:300],
            location=path,
            fix="run the node that writes it again",
        ) from error


def _decode(path: str, batch_size: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """List batches from a TFRecord file, with the columns of `schema` in its order."""
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    types = {pa.int64(): schema_pb2.INT, pa.float32(): schema_pb2.FLOAT}
    wanted = schema_pb2.Schema()
    for field in schema:
        kind = types.get(value_type(field.type), schema_pb2.BYTES)
        wanted.feature.add(name=field.name, type=kind)
    decoder = ExamplesToRecordBatchDecoder(wanted.SerializeToString())
    parts: list[pa.RecordBatch] = []
    for records in _records(path, min(batch_size, _DECODE_ROWS)):
        parts.append(decoder.DecodeBatch(records))
        if sum(part.num_rows for part in parts) + _DECODE_ROWS > batch_size:
            yield _joined(parts)
            parts = []
    if parts:
        yield _joined(parts)


def _records(path: str, batch_size: int) -> Iterable[list[bytes]]:
    from .tfrecord_files import read_tfrecords

    return read_tfrecords(path, batch_size)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    arrays = [
        pa.concat_arrays([part.column(index) for part in parts])
        for index in range(parts[0].num_columns)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=parts[0].schema)


def _infer_schema(examples: Examples) -> pa.Schema:
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder()
    found: dict[str, pa.DataType] = {}
    for split in examples.splits:
        for path in split_files(examples, split):
            for records in _records(path, _DECODE_ROWS):
                for field in decoder.DecodeBatch(records).schema:
                    if not is_list(field.type):
                        continue
                    kind = pa.large_list(value_type(field.type))
                    if found.setdefault(field.name, kind) != kind:
                        raise DataError(
                            f"feature {field.name!r} has different types",
                            expected=str(found[field.name]),
                            got=str(kind),
                            location=path,
                            fix="give the feature one type when writing the files",
                        )
    return pa.schema(sorted(found.items()))
