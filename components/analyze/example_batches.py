# SPDX-License-Identifier: Apache-2.0
"""Examples as models and TFMA take them: as lists of tf.Example's types, and serialized."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.tfxio import tensor_representation_util

from ...utils.errors import DataError
from ..base.artifact_types import Examples
from ..ingest.examples_reader import iter_record_batches, iter_tfdv_batches

#: Rows at a time. Metrics take whole groups of rows, so that more rows mean less overhead.
BATCH_ROWS = 32_768


@dataclass(frozen=True)
class ExampleBatch:
    """Some examples.

    Attributes:
        columns: Their columns: lists of int64, float32 or bytes; null where missing.
        serialized: The same as serialized `tf.Example`s.
        tensor_representations: How columns become tensors, where a schema tells.
        plain: The same rows as they were ingested, where that was asked for.
    """

    columns: Mapping[str, pa.Array]
    serialized: list[bytes]
    tensor_representations: Mapping[str, Any]
    plain: pa.RecordBatch | None = None

    def select(self, names: Iterable[str]) -> pa.RecordBatch:
        """Some of the columns as a record batch."""
        chosen = list(names)
        return pa.RecordBatch.from_arrays([self.columns[name] for name in chosen], chosen)


def iter_example_batches(
    examples: Examples,
    splits: Sequence[str],
    schema: schema_pb2.Schema | None = None,
    batch_size: int = BATCH_ROWS,
    with_plain: bool = False,
) -> Iterator[ExampleBatch]:
    """All examples of some splits, in order.

    Args:
        examples: The artifact.
        splits: Names of splits.
        schema: Tells how columns become tensors.
        batch_size: At most this many rows at a time.
        with_plain: Whether batches have `plain`.

    Raises:
        DataError: There is no such split, or a file is damaged.
    """
    encoder = RecordBatchToExamplesEncoder()
    representations = tensor_representations(schema)
    for split in splits:
        plain: Iterator[pa.RecordBatch | None] = itertools.repeat(None)
        if with_plain:
            # Cut alike, whatever the payload format.
            plain = iter_record_batches(examples, split, batch_size)
        for batch, rows in zip(iter_tfdv_batches(examples, split, batch_size), plain, strict=False):
            known = [i for i, field in enumerate(batch.schema) if not pa.types.is_null(field.type)]
            filled = pa.RecordBatch.from_arrays(
                [batch.column(i) for i in known], [batch.schema.names[i] for i in known]
            )
            yield ExampleBatch(
                columns={
                    name: _known_type(column)
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                },
                serialized=encoder.encode(filled),
                tensor_representations=representations,
                plain=rows,
            )


def tensor_representations(schema: schema_pb2.Schema | None) -> dict[str, Any]:
    """How TFX makes tensors of the columns that a schema describes.

    Raises:
        DataError: The schema contradicts itself.
    """
    if schema is None:
        return {}
    try:
        found = tensor_representation_util.InferTensorRepresentationsFromMixedSchema(schema)
    except ValueError as error:
        raise DataError(
            "the schema does not say how features become tensors",
            got=str(error).split("\n", 1)[0],
            fix="correct the types, shapes and tensor representations in the schema",
        ) from error
    return dict(found)


def _known_type(column: pa.Array) -> pa.Array:
    """A column in which no value was ever seen, as a list column with nothing in it."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.large_list(pa.large_binary()))
    return column
