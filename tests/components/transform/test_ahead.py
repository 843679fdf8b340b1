# SPDX-License-Identifier: Apache-2.0
"""Work done ahead in a thread: in order, bounded, and ended with whoever wanted it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from penstock.components.transform.ahead import ahead


def _threads() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


def test_items_come_in_order() -> None:
    """Rows of a file change places."""
    with ahead(iter(range(50))) as found:
        assert list(found) == list(range(50))
    assert _threads() == 0


def test_errors_come_where_their_item_would_have_been() -> None:
    """A damaged file looks like a short one."""

    def source() -> Iterator[int]:
        yield 1
        raise LookupError("second")

    taken = []
    with pytest.raises(LookupError, match="second"), ahead(source()) as found:
        for item in found:
            taken.append(item)
    assert taken == [1]


def test_little_is_done_ahead_and_nothing_afterwards() -> None:
    """All of a large file is in memory, or a thread goes on after an error."""
    made = []

    def source() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    with pytest.raises(ValueError, match="enough"), ahead(source()) as found:
        assert next(found) == 0
        time.sleep(0.1)
        assert len(made) <= 5
        raise ValueError("enough")
    assert _threads() == 0
    assert len(made) <= 6
