# SPDX-License-Identifier: Apache-2.0
"""A `tf.data.Dataset` over windows of Arrow rows.

Python runs once for each window of many batches; cutting a window into batches is done by
TensorFlow's own operations, outside the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from ..transform.feature_reader import FeatureReader
from .row_windows import compact

_ROWS = "rows"
_FEATURES = "features"


def tensor_dataset(
    windows: Callable[[], Iterator[pa.RecordBatch]],
    reader: FeatureReader,
    batch_size: int,
    drop_final_batch: bool,
) -> tf.data.Dataset:
    """Batches of tensors by feature name, as `tf.io.parse_example` would make them.

    Args:
        windows: Starts an iteration over windows, each a multiple of `batch_size` rows but
            for the last.
        reader: Knows how columns become tensors.
        batch_size: Rows of one batch.
        drop_final_batch: Whether to leave out a last batch that is not full.
    """
    specs = reader.type_specs

    def generate() -> Iterator[dict[str, Any]]:
        for window in windows():
            # A slice may begin in the middle of its buffers.
            tensors = reader.tensors(compact(window), eager=False)
            yield {
                _ROWS: np.int64(window.num_rows),
                _FEATURES: {
                    name: _window_value(value, window.num_rows) for name, value in tensors.items()
                },
            }

    signature = {
        _ROWS: tf.TensorSpec([], tf.int64),
        _FEATURES: {name: _window_spec(spec) for name, spec in specs.items()},
    }

    def batches(window: dict[str, Any]) -> tf.data.Dataset:
        rows = window[_ROWS]
        count = rows // batch_size if drop_final_batch else -(-rows // batch_size)

        def batch(index: tf.Tensor) -> dict[str, Any]:
            start = index * batch_size
            end = tf.minimum(start + batch_size, rows)
            static = batch_size if drop_final_batch else None
            return {
                name: _cut(spec, window[_FEATURES][name], start, end, static)
                for name, spec in specs.items()
            }

        return tf.data.Dataset.range(count).map(batch)

    return tf.data.Dataset.from_generator(generate, output_signature=signature).flat_map(batches)


def _window_spec(spec: tf.TypeSpec) -> Any:
    if isinstance(spec, tf.SparseTensorSpec):
        return {
            "indices": tf.TensorSpec([None, spec.shape.rank], tf.int64),
            "values": tf.TensorSpec([None], spec.dtype),
            "splits": tf.TensorSpec([None], tf.int64),
        }
    return spec


def _window_value(value: Any, rows: int) -> Any:
    if isinstance(value, tf.compat.v1.SparseTensorValue):
        # Sorted by row: the values of row i lie between splits[i] and splits[i + 1].
        splits = np.searchsorted(value.indices[:, 0], np.arange(rows + 1))
        return {"indices": value.indices, "values": value.values, "splits": splits}
    if isinstance(value, tf.compat.v1.ragged.RaggedTensorValue):
        return tf.RaggedTensor.from_nested_row_splits(value.flat_values, value.nested_row_splits)
    return value


def _cut(
    spec: tf.TypeSpec, value: Any, start: tf.Tensor, end: tf.Tensor, static: int | None
) -> Any:
    """Rows `start` to `end` of a window's value."""
    if not isinstance(spec, tf.SparseTensorSpec):
        cut = value[start:end]
        if isinstance(cut, tf.Tensor):
            cut.set_shape([static, *spec.shape[1:]])
        return cut
    low, high = value["splits"][start], value["splits"][end]
    offset = tf.stack([start, *([tf.constant(0, tf.int64)] * (spec.shape.rank - 1))])
    indices = value["indices"][low:high] - offset
    if spec.shape.rank == 2 and spec.shape[1] is None:
        # As wide as the longest row of the batch.
        width = tf.reduce_max(tf.concat([[tf.constant(-1, tf.int64)], indices[:, 1]], 0)) + 1
        inner = [width]
    else:
        inner = [tf.constant(size, tf.int64) for size in spec.shape[1:]]
    sparse = tf.SparseTensor(indices, value["values"][low:high], tf.stack([end - start, *inner]))
    sparse.set_shape([static, *spec.shape[1:]])
    return sparse
