# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ImportExampleGen`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from ...utils.errors import DataError
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .list_columns import is_list, to_plain_batch, value_type
from .rejected_rows import RejectedRow, RejectWriter
from .tfrecord_files import read_tfrecords
from .typed_files import Found, TypedScan, ingest_files
from .work_engine import ReportRows

#: Records decoded at a time: tfx_bsl slows down above it.
_DECODE_ROWS = 1_024
_PROTO_TYPES = {pa.int64(): schema_pb2.INT, pa.float32(): schema_pb2.FLOAT}


class ImportExecutor:
    """Reads TFRecord files of `tf.Example`s, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `examples` and, if there is one, `rejected`.

        Raises:
            DataError: A file is not what it should be.
            StorageError: The disk is full, or a folder cannot be written.
        """
        return ingest_files(task, ExampleFormat())


@dataclass
class FeatureEvidence:
    """What the records seen so far say about a feature.

    Attributes:
        type: Type of its values; None before there was any.
        is_list: Whether a record has several values of it, or a list of none.
        is_text: Whether all its bytes are UTF-8.
    """

    type: pa.DataType | None = None
    is_list: bool = False
    is_text: bool = True

    def merge(self, other: FeatureEvidence, name: str, location: str) -> None:
        """Adds what other records say.

        Raises:
            DataError: The feature has values of another type there.
        """
        if other.type is not None and self.type not in (None, other.type):
            raise DataError(
                f"feature {name!r} has different types",
                expected=str(self.type),
                got=str(other.type),
                location=location,
                fix="give the feature one type when writing the files",
            )
        self.type = self.type or other.type
        self.is_list |= other.is_list
        self.is_text &= other.is_text

    @property
    def column_type(self) -> pa.DataType:
        """The type of the column that it becomes."""
        kind = self.type
        if kind is None or pa.types.is_large_binary(kind):
            kind = pa.string() if self.is_text else pa.binary()
        return pa.large_list(kind) if self.is_list else kind


@dataclass(frozen=True)
class ExampleFormat:
    """TFRecord files of `tf.Example`s: types follow from all values."""

    def scan(self, path: str, source: str, rejected: str | None, report: ReportRows) -> Found:
        """Decodes every record, and puts faulty ones aside."""
        evidence: dict[str, FeatureEvidence] = {}
        rows = 0
        decoder = ExamplesToRecordBatchDecoder()
        with nullcontext() if rejected is None else RejectWriter(rejected, source) as writer:
            for batch in _decoded(path, decoder, writer, rejected is not None):
                rows += batch.num_rows
                report(batch.num_rows)
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    known = evidence.setdefault(name, FeatureEvidence())
                    known.merge(_evidence(column), name, path)
        return Found(rows, evidence) if writer is None else Found(rows, evidence, writer.rejects)

    def schema(self, scans: Sequence[TypedScan]) -> pa.Schema:
        """All features of all files, sorted by name: a `tf.Example` has them in no order."""
        merged: dict[str, FeatureEvidence] = {}
        for scan in scans:
            for name, evidence in scan.evidence.items():
                merged.setdefault(name, FeatureEvidence()).merge(evidence, name, scan.source)
        return pa.schema([(name, found.column_type) for name, found in sorted(merged.items())])

    def batches(self, path: str, schema: pa.Schema, quarantine: bool) -> Iterator[pa.RecordBatch]:
        """Records of a file."""
        wanted = schema_pb2.Schema()
        for field in schema:
            kind = _PROTO_TYPES.get(value_type(field.type), schema_pb2.BYTES)
            wanted.feature.add(name=field.name, type=kind)
        decoder = ExamplesToRecordBatchDecoder(wanted.SerializeToString())
        for batch in _decoded(path, decoder, None, quarantine):
            yield to_plain_batch(batch, schema)


def _evidence(column: pa.Array) -> FeatureEvidence:
    if not is_list(column.type):
        return FeatureEvidence()
    values = column.flatten()
    lengths = pc.min_max(pc.list_value_length(column)).as_py()
    found = FeatureEvidence(value_type(column.type))
    found.is_list = lengths["max"] is not None and (lengths["max"] > 1 or lengths["min"] == 0)
    if pa.types.is_large_binary(values.type):
        try:
            values.cast(pa.large_string())
        except pa.ArrowInvalid:
            found.is_text = False
    return found


def _decoded(
    path: str, decoder: Any, writer: RejectWriter | None, quarantine: bool
) -> Iterator[pa.RecordBatch]:
    """List batches of the records of a file that can be decoded."""
    number = 0
    for records in read_tfrecords(path, _DECODE_ROWS):
        try:
            yield decoder.DecodeBatch(records)
        except RuntimeError as error:
            faults = _faults(decoder, records)
            if not faults:
                # Each is sound by itself: a feature has another type in some of them.
                raise DataError(
                    "a feature has different types in different records",
                    got=str(error)[:300],
                    location=f"{path}, records {number + 1} to {number + len(records)}",
                    fix="give the feature one type when writing the files",
                ) from None
            if not quarantine:
                place = min(faults)
                raise DataError(
                    "a record is no tf.Example",
                    got=faults[place],
                    location=f"{path}, record {number + place + 1}",
                    fix="write the file again, or set row_faults='quarantine'",
                ) from None
            for place, detail in sorted(faults.items()):
                if writer is not None:
                    raw = records[place].decode("ascii", errors="backslashreplace")
                    writer.write(RejectedRow(number + place + 1, "not_an_example", detail, raw))
            good = [record for place, record in enumerate(records) if place not in faults]
            if good:
                yield decoder.DecodeBatch(good)
        number += len(records)


def _faults(decoder: Any, records: Sequence[bytes]) -> dict[int, str]:
    """What is wrong with records, by their place in the batch."""
    faults = {}
    for place, record in enumerate(records):
        try:
            decoder.DecodeBatch([record])
        except RuntimeError as error:
            faults[place] = str(error)[:200]
    return faults
