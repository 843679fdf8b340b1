# SPDX-License-Identifier: Apache-2.0
"""Files of examples as Arrow batches that fit a schema, ready to become tensors."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder
from tfx_bsl.public.tfxio import TensorAdapter, TensorAdapterConfig, TFExampleBeamRecord
from tfx_bsl.tfxio.tensor_representation_util import GetSourceColumnsFromTensorRepresentation

from ...utils.errors import DataError, nearest
from ..ingest.list_columns import to_list_column
from ..ingest.tfrecord_files import read_tfrecords

#: Rows that are worked on at once.
BATCH_ROWS = 10_000

#: `tfx_bsl` decodes slower where it is given more at a time.
_DECODE_ROWS = 1_000

_NAMES = {"int64": "whole numbers", "float": "numbers", "large_binary": "texts or bytes"}


class FeatureReader:
    """Reads examples as record batches of list columns, one for each feature of a schema.

    Parquet and TFRecord files give the same batches, those that `tfx_bsl` would decode
    `tf.Example`s to, so that everything after it need not know the payload format. Copies
    made by pickling are small.

    Args:
        schema: The schema. Columns that it does not name are not read.
        node_id: Id of the node, for messages.
    """

    def __init__(self, schema: schema_pb2.Schema, node_id: str = "") -> None:
        self._serialized = schema.SerializeToString(deterministic=True)
        self.node_id = node_id
        self._whole: FeatureReader | None = None

    def __reduce__(self) -> Any:
        # Arrow and protocol buffer objects are made anew where they are needed.
        return _rebuild, (self._serialized, self.node_id)

    def only(self, names: Collection[str]) -> FeatureReader:
        """A reader of some features, which does not decode the others.

        That the others are there is checked all the same; their values are not.

        Args:
            names: Names of the tensors that are wanted.
        """
        representations = self.config.tensor_representations
        if set(names) >= set(representations):
            return self
        columns = {
            path.steps()[0]
            for name in names
            for path in GetSourceColumnsFromTensorRepresentation(representations[name])
        }
        schema = schema_pb2.Schema()
        schema.feature.extend(each for each in self.schema.feature if each.name in columns)
        group = schema.tensor_representation_group[""].tensor_representation
        for name in names:
            group[name].CopyFrom(representations[name])
        made = FeatureReader(schema, self.node_id)
        made._whole = self
        return made

    @cached_property
    def schema(self) -> schema_pb2.Schema:
        """The schema."""
        return schema_pb2.Schema.FromString(self._serialized)

    @cached_property
    def config(self) -> TensorAdapterConfig:
        """How the columns become tensors, as TFX does it for `tf.Example`s.

        Raises:
            DataError: The schema holds no features, or contradicts itself.
        """
        try:
            source = TFExampleBeamRecord(
                physical_format="parquet", telemetry_descriptors=["penstock"], schema=self.schema
            )
            config = source.TensorAdapterConfig()
        except (ValueError, TypeError) as error:
            raise DataError(
                "the schema does not say how features become tensors",
                node=self.node_id,
                got=str(error).split("\n", 1)[0],
                fix="correct the types, shapes and tensor representations in the schema",
            ) from error
        if not config.tensor_representations:
            raise DataError("the schema names no features", node=self.node_id)
        return config

    @property
    def feature_names(self) -> list[str]:
        """Names of the tensors that the features become."""
        return sorted(self.config.tensor_representations)

    @cached_property
    def _adapter(self) -> TensorAdapter:
        return TensorAdapter(self.config)

    @property
    def type_specs(self) -> dict[str, Any]:
        """TensorFlow's type of every tensor, by feature."""
        return dict(self._adapter.TypeSpecs())

    def tensors(self, batch: pa.RecordBatch, eager: bool) -> dict[str, Any]:
        """A batch as tensors by feature name; as NumPy arrays where not `eager`.

        Raises:
            DataError: A feature has more or fewer values than its shape says.
        """
        try:
            found: dict[str, Any] = self._adapter.ToBatchTensors(batch, eager)
        except ValueError as error:
            raise DataError(
                "rows do not have the shape that the schema gives them",
                node=self.node_id,
                got=f"{error}: {error.__cause__}",
                fix="correct the shape in the feature's schema, or the data",
            ) from error
        return found

    def __call__(self, path: str, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The file's rows, in order.

        Raises:
            DataError: A required feature is missing, or has another type than the schema says.
        """
        if is_parquet(path):
            file = pq.ParquetFile(path)
            present = [n for n in self.config.arrow_schema.names if n in file.schema_arrow.names]
            (self._whole or self)._check_columns(file.schema_arrow.names, path)
            for batch in file.iter_batches(batch_rows, columns=present):
                yield self._fitted(batch, path)
        else:
            decoder = ExamplesToRecordBatchDecoder(self._serialized)
            for records in read_tfrecords(path, batch_rows):
                parts = [
                    decoder.DecodeBatch(records[at : at + _DECODE_ROWS])
                    for at in range(0, len(records), _DECODE_ROWS)
                ]
                yield self._checked(_joined(parts), path)

    def _fitted(self, batch: pa.RecordBatch, path: str) -> pa.RecordBatch:
        """`batch` with exactly the columns and types of the schema."""
        columns = []
        for field in self.config.arrow_schema:
            index = batch.schema.get_field_index(field.name)
            if index < 0:
                columns.append(pa.nulls(batch.num_rows, field.type))
                continue
            column = to_list_column(batch.column(index))
            columns.append(self._cast(column, field, batch.schema.field(index).type, path))
        fitted = pa.RecordBatch.from_arrays(columns, schema=self.config.arrow_schema)
        return self._checked(fitted, path)

    def _cast(self, column: pa.Array, field: pa.Field, original: Any, path: str) -> pa.Array:
        if column.type == field.type:
            return column
        if pa.types.is_null(column.type):
            return pa.nulls(len(column), field.type)
        wanted, found = field.type.value_type, column.type.value_type
        if not (pa.types.is_floating(wanted) and pa.types.is_integer(found)):
            raise DataError(
                f"feature {field.name!r} has another type in the data than in the schema",
                node=self.node_id,
                expected=_NAMES.get(str(wanted), str(wanted)),
                got=f"Arrow type {original}",
                location=path,
                fix="correct the schema, or the column's type where it is ingested",
            )
        values = pc.cast(column.values, wanted, safe=False)
        validity = column.buffers()[0]
        return pa.Array.from_buffers(
            field.type,
            len(column),
            [validity, column.buffers()[1]],
            offset=column.offset,
            children=[values],
        )

    def _checked(self, batch: pa.RecordBatch, path: str) -> pa.RecordBatch:
        """Says which feature has missing values where none may be missing."""
        for name in self._dense:
            missing = batch.column(batch.schema.get_field_index(name)).null_count
            if missing:
                raise DataError(
                    f"feature {name!r} has no value in some rows, which the schema forbids",
                    node=self.node_id,
                    expected="a value in every row: its shape is fixed",
                    got=f"{missing} of {batch.num_rows} rows without",
                    location=path,
                    fix=(
                        "fill the values where the data is made, or replace `shape` by "
                        "`value_count` in the feature's schema, so that values may be missing"
                    ),
                )
        return batch

    @cached_property
    def _dense(self) -> list[str]:
        return [
            found.dense_tensor.column_name
            for found in self.config.tensor_representations.values()
            if found.WhichOneof("kind") == "dense_tensor"
            and not found.dense_tensor.HasField("default_value")
        ]

    def _check_columns(self, names: Sequence[str], path: str) -> None:
        for name in sorted(set(self.config.arrow_schema.names).difference(names)):
            self._allow_missing(name, names, path)

    def _allow_missing(self, name: str, columns: Sequence[str], path: str) -> None:
        feature = next(f for f in self.schema.feature if f.name == name)
        elsewhere = bool(feature.not_in_environment or feature.in_environment)
        presence = feature.presence
        required = presence.min_fraction > 0 or presence.min_count > 0 or name in self._dense
        if not required or elsewhere:
            return
        raise DataError(
            f"feature {name!r} is missing from the data",
            node=self.node_id,
            expected=f"a column {name!r}, which the schema requires",
            got="columns " + ", ".join(sorted(columns)),
            suggestion=nearest(name, columns),
            location=path,
            fix="add the column to the data, or make it optional in the schema (`presence`)",
        )


def _rebuild(serialized: bytes, node_id: str) -> FeatureReader:
    return FeatureReader(schema_pb2.Schema.FromString(serialized), node_id)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    columns = [
        pa.concat_arrays([part.column(index) for part in parts])
        for index in range(parts[0].num_columns)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=parts[0].schema)


def is_parquet(path: str) -> bool:
    """Whether a file of examples is Parquet: a TFRecord otherwise."""
    return os.path.basename(path).endswith(".parquet")
