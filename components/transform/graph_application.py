# SPDX-License-Identifier: Apache-2.0
"""Applies a saved transform graph to files: one function over one file, for any engine.

In this process by a loop, or wherever a Beam runner takes it. Nothing here is a pass of
Beam's over rows: each file is read, transformed and written in its own order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import graph_tools, impl_helper
from tensorflow_transform.saved import saved_transform_io_v2

from ...utils.errors import DataError
from ...utils.storage_errors import storage_errors
from ..ingest.examples_writer import open_shard
from ..ingest.payload import PayloadFormat
from .ahead import ahead
from .beam_runner import pipeline_options
from .feature_reader import FeatureReader
from .graph_errors import explain_op_error


@dataclass(frozen=True)
class Shard:
    """One file to transform.

    Attributes:
        split: Name of its split.
        source: The file of raw rows.
        target: The file to write.
    """

    split: str
    source: str
    target: str


class GraphApplication:
    """A loaded transform graph that turns batches of raw rows into transformed ones.

    Args:
        graph_dir: What `tft.TFTransformOutput` reads.
        reader: Reads raw rows.
    """

    def __init__(self, graph_dir: str, reader: FeatureReader) -> None:
        self._graph_dir = graph_dir
        self._reader = reader

    def __reduce__(self) -> Any:
        return type(self), (self._graph_dir, self._reader)

    @cached_property
    def _output(self) -> tft.TFTransformOutput:
        return tft.TFTransformOutput(self._graph_dir)

    @cached_property
    def _loader(self) -> Any:
        return saved_transform_io_v2.SavedModelLoader(self._output.transform_savedmodel_dir)

    @cached_property
    def _raw(self) -> FeatureReader:
        """Reads the features that the graph depends on, and readies the graph for them."""
        loader = self._loader
        if loader.load_v2_in_compat:
            return self._reader
        outputs = tf.nest.flatten(loader.structured_outputs, expand_composites=True)
        sinks = [each.op for each in outputs]
        sources = {id(each) for each in graph_tools.retrieve_sources(sinks)}
        inputs = loader._structured_inputs
        needed = [
            name
            for name in self._reader.feature_names
            if any(
                id(each) in sources
                for each in tf.nest.flatten(inputs[name], expand_composites=True)
            )
        ]
        # With none, there would be no rows either.
        reader = self._reader.only(needed) if needed else self._reader
        loader.finalize(set(reader.feature_names), set(loader.structured_outputs))
        return reader

    @cached_property
    def _converter(self) -> Any:
        return impl_helper.make_tensor_to_arrow_converter(self._output.transformed_metadata.schema)

    @cached_property
    def _fixed_shapes(self) -> dict[str, list[int]]:
        """Shapes of one row of the features that are as large in every row."""
        spec = self._output.transformed_feature_spec()
        return {
            name: list(found.shape)
            for name, found in spec.items()
            if isinstance(found, tf.io.FixedLenFeature)
        }

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Schema of transformed batches: plain columns where every row has one value."""
        spec = self._output.transformed_feature_spec()
        fields = []
        for field in self._converter.arrow_schema():
            found = spec.get(field.name)
            single = isinstance(found, tf.io.FixedLenFeature) and list(found.shape) in ([], [1])
            fields.append(pa.field(field.name, field.type.value_type) if single else field)
        return pa.schema(fields)

    def write(
        self, shard: Shard, payload: PayloadFormat, on_rows: Callable[[int], None] | None = None
    ) -> int:
        """Transforms a file; returns its number of rows.

        Args:
            shard: The file, and where to write it.
            payload: Format to write in.
            on_rows: Called with the number of rows of every batch that is done.

        Raises:
            DataError: The graph fails on the data, or changes the number of rows.
            StorageError: The file cannot be written.
        """
        with storage_errors(shard.target, "write"):
            writer = open_shard(shard.target, self.arrow_schema, payload)
        read = ((b.num_rows, self._raw.tensors(b, eager=True)) for b in self._raw(shard.source))
        with (
            ahead(read) as batches,
            ahead(self._transformed(*batch) for batch in batches) as transformed,
        ):
            for batch in transformed:
                with storage_errors(shard.target, "write"):
                    writer.write(batch)
                if on_rows is not None:
                    on_rows(batch.num_rows)
        with storage_errors(shard.target, "write"):
            writer.close()
        return writer.rows

    def transform(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One batch, transformed.

        Raises:
            DataError: The graph fails on the data, or changes the number of rows.
        """
        if self._raw is not self._reader:
            columns = [batch.column(name) for name in self._raw.config.arrow_schema.names]
            batch = pa.RecordBatch.from_arrays(columns, schema=self._raw.config.arrow_schema)
        return self._transformed(batch.num_rows, self._raw.tensors(batch, eager=True))

    def _transformed(self, given: int, tensors: dict[str, Any]) -> pa.RecordBatch:
        node = self._reader.node_id
        try:
            outputs = self._loader.apply_transform_model(tensors)
        except tf.errors.OpError as error:
            raise explain_op_error(error, node) from error
        for name, value in outputs.items():
            expected = self._fixed_shapes.get(name)
            if isinstance(value, tf.Tensor) and expected not in (None, list(value.shape[1:])):
                raise DataError(
                    f"preprocessing_fn gives feature {name!r} a shape that differs between batches",
                    node=node,
                    expected=f"{expected} in every row, as when it was traced",
                    got=f"{list(value.shape[1:])} in a batch of {given} rows",
                    fix="return the same shape for every batch, or a sparse or ragged tensor",
                )
            rows = int(_row_count(value))
            if rows != given:
                raise DataError(
                    f"preprocessing_fn changes the number of rows of feature {name!r}",
                    node=node,
                    expected=f"{given} rows, as it was given",
                    got=f"{rows} rows",
                    fix="return one row for each row of the inputs",
                )
        return self._plain(self._converter.convert(outputs))

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = []
        for field in self.arrow_schema:
            column = batch.column(batch.schema.get_field_index(field.name))
            columns.append(column if column.type == field.type else column.flatten())
        return pa.RecordBatch.from_arrays(columns, schema=self.arrow_schema)


def _row_count(value: Any) -> Any:
    if isinstance(value, tf.SparseTensor):
        return value.dense_shape[0]
    if isinstance(value, tf.RaggedTensor):
        return value.nrows()
    return value.shape[0]


def write_with_beam(
    application: GraphApplication,
    shards: Sequence[Shard],
    payload: PayloadFormat,
    beam_pipeline_args: Sequence[str],
) -> None:
    """Transforms files on the workers of a Beam runner, which must reach the same files.

    Raises:
        Exception: Whatever the runner makes of an error on a worker.
    """
    with beam.Pipeline(options=pipeline_options(beam_pipeline_args)) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(list(shards))
            | "Spread" >> beam.Reshuffle()
            | "Transform" >> beam.Map(application.write, payload)
        )
