# SPDX-License-Identifier: Apache-2.0
"""Building binary arrays from parts, without a loop over their elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

#: Lengths up to this are counted; greater ones are sorted.
_COUNTED = 1 << 20


def lengths_of(array: pa.Array) -> npt.NDArray[np.int64]:
    """Lengths of the elements of a binary array; 0 for missing ones."""
    return np.diff(offsets_of(array)).astype(np.int64)


def offsets_of(array: pa.Array) -> npt.NDArray[np.int32]:
    """Where elements begin, and the last one ends, in the data of a binary array."""
    return np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)


def from_offsets(
    offsets: npt.NDArray[np.integer[Any]], data: pa.Buffer, validity: pa.Buffer | None = None
) -> pa.Array:
    """A binary array of consecutive parts of `data`."""
    packed = pa.py_buffer(np.ascontiguousarray(offsets, dtype=np.int32))
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [validity, packed, data])


def by_length(
    lengths: npt.NDArray[np.int64],
    make: Callable[[int], bytes],
    validity: pa.Buffer | None = None,
) -> pa.Array:
    """A binary array whose elements follow from lengths; `make` is called once for each."""
    longest = int(lengths.max()) if len(lengths) else 0
    if longest <= _COUNTED:
        different = np.flatnonzero(np.bincount(lengths, minlength=1))
        places = np.zeros(longest + 1, dtype=np.int32)
        places[different] = np.arange(len(different), dtype=np.int32)
        index = places[lengths]
    else:
        different = np.unique(lengths)
        index = np.searchsorted(different, lengths).astype(np.int32)
    table = pa.array([make(int(length)) for length in different], pa.binary())
    chosen = [validity, pa.py_buffer(index)]
    return table.take(pa.Array.from_buffers(pa.int32(), len(lengths), chosen))


def join(arrays: list[pa.Array]) -> pa.Array:
    """Elements of several arrays put together, place by place; missing ones are left out."""
    nothing = pa.scalar(b"", pa.binary())
    # "skip" would be the word for it, but loses places where everything is missing.
    return pc.binary_join_element_wise(
        *arrays, nothing, null_handling="replace", null_replacement=""
    )
