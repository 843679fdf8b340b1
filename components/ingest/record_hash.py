# SPDX-License-Identifier: Apache-2.0
"""Which split a record belongs to, as a function of the texts of its cells alone.

Definition, version 1 (all arithmetic modulo 2**64). Changing it moves records between
splits, so it is never changed without a new version of every component that uses it.

    C           = 0x9E3779B97F4A7C15
    step(h, w)  = let x = (h xor w) * C in x xor (x >> 29)
    cell        : h = (number of bytes) * C, then h = step(h, w) for each 8 bytes w of the
                  UTF-8 text, little-endian, the last one filled up with zeros
    missing cell: h = 0xD1B54A32D192ED03
    record      : r = 0, then r = step(r, cell) for each cell, in the order of column names,
                  then r = finish(r), the finalizer of SplitMix64
    bucket      : r modulo the number of buckets

SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_MISSING = np.uint64(0xD1B54A32D192ED03)
#: Keeps the first n bytes of a little-endian word.
_FIRST_BYTES = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)


def record_hashes(cells: Sequence[pa.Array], rows: int) -> Hashes:
    """Hashes of records.

    Args:
        cells: String arrays, one for each column, in the order of column names.
        rows: Number of records.
    """
    return mixed_hashes((cell_hashes(column) for column in cells), rows)


def mixed_hashes(cells: Iterable[Hashes], rows: int, *, skip_missing: bool = False) -> Hashes:
    """Hashes of records from those of their cells.

    Args:
        cells: Hashes of cells, by column, in the order of column names.
        rows: Number of records.
        skip_missing: Leave missing cells out, so that a record counts alike whether a column
            of which it has no value is there or not.
    """
    hashes = np.zeros(rows, dtype=np.uint64)
    for column in cells:
        missing = np.flatnonzero(column == _MISSING) if skip_missing else None
        kept = hashes[missing] if missing is not None else None
        fold(hashes, column)
        if missing is not None and kept is not None:
            hashes[missing] = kept
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def split_indices(hashes: Hashes, bounds: Sequence[int]) -> npt.NDArray[np.uint16]:
    """Index of the split of every record.

    Args:
        hashes: Hashes of records.
        bounds: Bucket number at which each split ends; the last is the number of buckets.
    """
    buckets = hashes % np.uint64(bounds[-1])
    edges = np.asarray(bounds, dtype=np.uint64)
    return np.searchsorted(edges, buckets, side="right").astype(np.uint16)


def cell_hashes(column: pa.Array) -> Hashes:
    """Hashes of the cells of one string column."""
    starts, lengths, text = _layout(column)
    # Overlapping words: the one at index i begins at byte i.
    words: Hashes = np.ndarray((len(text) - 7,), dtype="<u8", buffer=text, strides=(1,))
    hashes = lengths.astype(np.uint64)
    hashes *= _FACTOR
    longest = int(lengths.max()) if len(lengths) else 0
    for done in range(0, longest, 8):
        rest = lengths - done
        if done == 0 and int(lengths.min()) > 0:
            fold(hashes, words[starts] & _FIRST_BYTES[np.minimum(rest, 8)])
            continue
        # Fewer and fewer cells are this long.
        active = np.flatnonzero(rest > 0)
        keep = _FIRST_BYTES[np.minimum(rest[active], 8)]
        partial = hashes[active]
        fold(partial, words[starts[active] + done] & keep)
        hashes[active] = partial
    if column.null_count:
        hashes[column.is_null().to_numpy(zero_copy_only=False)] = _MISSING
    return hashes


def fold(hashes: Hashes, words: Hashes) -> None:
    """Takes one more word into each hash, in place: `step` of the definition."""
    hashes ^= words
    hashes *= _FACTOR
    hashes ^= hashes >> _SHIFT


def missing_hashes(count: int) -> Hashes:
    """Hashes of missing cells."""
    return np.full(count, _MISSING)


def length_hashes(lengths: npt.NDArray[np.int64]) -> Hashes:
    """With what the hash of a cell begins: its length."""
    return lengths.astype(np.uint64) * _FACTOR


def _layout(
    column: pa.Array,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """(where each text starts, how long it is, all texts with 8 bytes to spare)."""
    _, offset_buffer, text_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(column) + 1, column.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    text = np.zeros(last - first + 8, dtype=np.uint8)
    if last > first:
        text[:-8] = np.frombuffer(text_buffer, np.uint8, last - first, first)
    return offsets[:-1].astype(np.int64) - first, np.diff(offsets).astype(np.int64), text
