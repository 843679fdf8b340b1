# SPDX-License-Identifier: Apache-2.0
"""Rows of Arrow files in windows: whole batches, epoch after epoch, shuffled if wanted.

A window holds as many rows as fit a whole number of batches, so that whoever cuts it into
batches never has to join two windows. As in `tf.data`'s shuffle, repeat, batch, an epoch ends
before the next begins, and a batch may hold the last rows of one and the first of the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...utils.errors import DataError

#: Reads one file as record batches of one schema.
FileReader = Callable[[str], Iterator[pa.RecordBatch]]

#: Rows to hold at once where shuffling does not ask for more.
_WINDOW = 1 << 14


@dataclass(frozen=True)
class WindowPlan:
    """How rows are cut and mixed.

    Attributes:
        batch_size: Rows of one batch.
        num_epochs: Passes over the files; None for no end.
        shuffle: Whether to mix rows.
        buffer_size: Rows that are mixed with each other, at least.
        seed: Seed of the mixing; None for a different one each time.
    """

    batch_size: int
    num_epochs: int | None
    shuffle: bool
    buffer_size: int
    seed: int | None

    @property
    def rows(self) -> int:
        """Rows of one window: a multiple of the batch size."""
        wanted = max(_WINDOW, self.buffer_size if self.shuffle else 0, self.batch_size)
        return -(-wanted // self.batch_size) * self.batch_size


def row_windows(
    files: Sequence[str], read: FileReader, plan: WindowPlan, iteration: int = 0
) -> Iterator[pa.RecordBatch]:
    """Windows of rows.

    Args:
        files: The files, in order.
        read: Reads one of them.
        plan: How rows are cut and mixed.
        iteration: How often the same rows were iterated over before; mixes differently.

    Yields:
        Record batches of a multiple of `plan.batch_size` rows; only the very last may end
        with a batch that is not full.

    Raises:
        DataError: The files hold no rows at all.
    """
    epochs = itertools.count() if plan.num_epochs is None else range(plan.num_epochs)
    carried: pa.RecordBatch | None = None
    for epoch in epochs:
        generator = None
        if plan.shuffle:
            entropy = None if plan.seed is None else [plan.seed, iteration, epoch]
            generator = np.random.default_rng(entropy)
        some = False
        for window in _one_epoch(files, read, plan.rows, generator):
            some = True
            joined = window if carried is None else _joined([carried, window])
            whole = joined.num_rows - joined.num_rows % plan.batch_size
            if whole:
                yield joined.slice(0, whole)
            carried = joined.slice(whole) if whole < joined.num_rows else None
        if not some:
            raise DataError("there are no rows to read", got=", ".join(files))
    if carried is not None:
        yield carried


def _one_epoch(
    files: Sequence[str], read: FileReader, rows: int, generator: np.random.Generator | None
) -> Iterator[pa.RecordBatch]:
    order = range(len(files)) if generator is None else generator.permutation(len(files))
    batches = (batch for index in order for batch in read(files[index]))
    for window in _regrouped(batches, rows):
        if generator is None:
            yield window
        else:
            yield _taken(window, generator.permutation(window.num_rows))


def _regrouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    room = rows
    for batch in batches:
        while batch.num_rows:
            part = batch.slice(0, room)
            batch = batch.slice(part.num_rows)
            held.append(part)
            room -= part.num_rows
            if not room:
                yield _joined(held)
                held, room = [], rows
    if held:
        yield _joined(held)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _taken(batch: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> pa.RecordBatch:
    indices = pa.array(rows)
    return pa.RecordBatch.from_arrays(
        [column.take(indices) for column in batch.columns], schema=batch.schema
    )


def compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A copy that is no slice of a larger batch: `tfx_bsl` cannot read slices of lists."""
    return _taken(batch, np.arange(batch.num_rows))
