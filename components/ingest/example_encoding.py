# SPDX-License-Identifier: Apache-2.0
"""Record batches as serialized `tf.Example`s, without a loop over records.

A serialized message is a chain of headers and values, and a header depends on nothing but
its feature's name and the length of what follows. So for each feature a small table of
headers is made, one for each length that occurs; Arrow picks and joins.

Unlike a protocol buffer's map, features always stand in the order of columns, so equal
records have equal bytes. A missing value is a missing feature. Message definitions:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .binary_columns import by_length, from_offsets, join, lengths_of, offsets_of
from .list_columns import to_list_batch

#: Field numbers of the lists in a `Feature`.
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def encode_examples(batch: pa.RecordBatch) -> pa.Array:
    """A binary array with one serialized `tf.Example` for each record.

    Args:
        batch: Records, columns plain or lists. At most 2 GiB when serialized.

    Raises:
        DataError: A column's type has no form as a feature.
    """
    pieces: list[pa.Array] = []
    for name, column in zip(batch.schema.names, to_list_batch(batch).columns, strict=True):
        if not pa.types.is_null(column.type):
            pieces.extend(_feature(name.encode(), column))
    if not pieces:
        return pa.array([_tag(1, 0)] * batch.num_rows, pa.binary())
    features = join(pieces)
    return join([by_length(lengths_of(features), lambda size: _tag(1, size)), features])


def _feature(name: bytes, column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(headers, values) of one feature; both are missing where the feature is."""
    offsets = column.offsets.to_numpy()
    values = column.values.slice(offsets[0], offsets[-1] - offsets[0])
    if pa.types.is_large_binary(values.type):
        texts = values.cast(pa.binary())
        counts = np.diff(offsets)
        # One value in each list: its own header can merge into the feature's.
        single = len(texts) == len(column) - column.null_count and not (counts > 1).any()
        if not single:
            texts = join([by_length(lengths_of(texts), lambda size: _tag(1, size)), texts])
        ends, data = offsets_of(texts).astype(np.int64), texts.buffers()[2]
        field, value_header = _BYTES_LIST, (lambda size: _tag(1, size)) if single else _no_header
    elif pa.types.is_floating(values.type):
        ends = np.arange(len(values) + 1) * 4
        data = pa.py_buffer(values.to_numpy().astype("<f4"))
        field, value_header = _FLOAT_LIST, _packed_header
    else:
        ends, data = _varints(values.to_numpy())
        field, value_header = _INT64_LIST, _packed_header
    validity = column.is_valid().buffers()[1] if column.null_count else None
    payload = from_offsets(ends[offsets - offsets[0]], data or pa.py_buffer(b""), validity)
    headers = by_length(lengths_of(payload), _header_maker(name, field, value_header), validity)
    return headers, payload


def _header_maker(
    name: bytes, field: int, value_header: Callable[[int], bytes]
) -> Callable[[int], bytes]:
    """What comes before a feature's values, given their length."""
    key = _tag(1, len(name)) + name

    def header(size: int) -> bytes:
        inner = value_header(size)
        value_list = _tag(field, len(inner) + size) + inner
        feature = _tag(2, len(value_list) + size) + value_list
        return _tag(1, len(key) + len(feature) + size) + key + feature

    return header


def _no_header(size: int) -> bytes:
    del size
    return b""


def _packed_header(size: int) -> bytes:
    return _tag(1, size) if size else b""


def _tag(field: int, size: int) -> bytes:
    """Header of a field that has a length."""
    pieces = [field << 3 | 2]
    while size > 0x7F:
        pieces.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*pieces, size])


def _varints(values: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], pa.Buffer]:
    """(where each begins and the last one ends, the bytes) of numbers of variable length."""
    bits = values.view(np.uint64)
    sizes = np.ones(len(bits), dtype=np.int64)
    for septet in range(1, 10):
        longer = bits >= np.uint64(1 << (7 * septet))
        if not longer.any():
            break
        sizes += longer
    width = int(sizes.max()) if len(sizes) else 1
    table = np.empty((len(bits), width), dtype=np.uint8)
    for septet in range(width):
        low = ((bits >> np.uint64(7 * septet)) & np.uint64(0x7F)).astype(np.uint8)
        table[:, septet] = low | ((sizes > septet + 1).astype(np.uint8) << 7)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    return ends, pa.py_buffer(table[np.arange(width) < sizes[:, None]])
