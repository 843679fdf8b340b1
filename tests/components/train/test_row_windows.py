# SPDX-License-Identifier: Apache-2.0
"""Windows of rows: nothing lost, nothing doubled, mixed as asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")

from penstock.components.train import row_windows as tested  # noqa: E402
from penstock.components.train.row_windows import WindowPlan, compact, row_windows  # noqa: E402
from penstock.utils.errors import DataError  # noqa: E402

FILES = st.lists(st.lists(st.integers(1, 9), max_size=4), min_size=1, max_size=3)


def _rows(
    sizes: list[list[int]], plan: WindowPlan, iteration: int = 0
) -> tuple[list[int], list[int]]:
    """(row numbers in the order they came, sizes of windows)."""
    starts: dict[str, list[tuple[int, int]]] = {}
    total = 0
    for number, batches in enumerate(sizes):
        starts[str(number)] = []
        for size in batches:
            starts[str(number)].append((total, size))
            total += size

    def read(path: str) -> Iterator[Any]:
        for start, size in starts[path]:
            yield pa.RecordBatch.from_pydict({"row": list(range(start, start + size))})

    windows = list(row_windows(list(starts), read, plan, iteration))
    rows = [row for window in windows for row in window.column(0).to_pylist()]
    return rows, [window.num_rows for window in windows]


@given(FILES, st.integers(1, 5), st.integers(1, 3), st.booleans(), st.integers(1, 12))
def test_every_epoch_holds_every_row_once(
    sizes: list[list[int]], batch_size: int, epochs: int, shuffle: bool, buffer_size: int
) -> None:
    """Training sees rows twice, or never, or batches of odd sizes."""
    total = sum(map(sum, sizes))
    plan = WindowPlan(batch_size, epochs, shuffle, buffer_size, 7)
    with pytest.MonkeyPatch.context() as patch:
        # Small, so that small data spans several windows.
        patch.setattr(tested, "_WINDOW", 4)
        if total == 0:
            with pytest.raises(DataError, match="no rows"):
                _rows(sizes, plan)
            return
        rows, windows = _rows(sizes, plan)
        again, _ = _rows(sizes, plan)
    assert rows == again
    for epoch in range(epochs):
        seen = rows[epoch * total : (epoch + 1) * total]
        assert sorted(seen) == list(range(total))
        assert shuffle or seen == list(range(total))
    assert all(size % batch_size == 0 for size in windows[:-1])


def test_iterating_again_mixes_differently() -> None:
    """Every epoch of a Keras fit sees the same order."""
    plan = WindowPlan(10, 1, True, 100, 7)
    first, second = (_rows([[100]], plan, iteration)[0] for iteration in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)
    assert _rows([[100]], plan, 1)[0] == second


def test_epochs_without_end_go_on() -> None:
    """`num_epochs=None`, the default, ends after one pass."""
    batch = pa.RecordBatch.from_pydict({"row": [1, 2, 3]})
    windows = row_windows(["a"], lambda path: iter([batch]), WindowPlan(2, None, False, 1, None))
    assert [next(windows).num_rows for _ in range(4)] == [2, 4, 2, 4]


def test_compact_copies_hold_their_own_rows_only() -> None:
    """tfx_bsl reads values of other rows from a slice's buffers."""
    batch = pa.RecordBatch.from_pydict({"x": pa.array([[1], None, [2, 3], [4]])})
    copy = compact(batch.slice(2, 2))
    assert copy.column(0).offset == 0
    assert copy.to_pydict() == {"x": [[2, 3], [4]]}
