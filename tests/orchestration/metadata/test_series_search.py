# SPDX-License-Identifier: Apache-2.0
"""The search for the end of a numbered series."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from penstock.orchestration.metadata.series import highest, series_key, series_prefix


@given(length=st.integers(0, 3_000_000), data=st.data())
def test_highest_finds_the_end_in_few_look_ups(length: int, data: st.DataObject) -> None:
    """Fails if a number is missed, which would hide the newest artifact or run."""
    start = data.draw(st.integers(0, length))
    look_ups = 0

    def taken(numbers: Sequence[int]) -> list[int]:
        nonlocal look_ups
        look_ups += 1
        assert len(numbers) <= 16
        return [number for number in numbers if number <= length]

    assert highest(taken, start) == length
    assert look_ups <= 8


@given(length=st.integers(0, 10**6))
def test_highest_needs_one_look_up_near_the_end(length: int) -> None:
    """Fails if a process that knows the end of a series searches for it again."""
    asked: list[Sequence[int]] = []

    def taken(numbers: Sequence[int]) -> list[int]:
        asked.append(numbers)
        return [number for number in numbers if number <= length]

    assert highest(taken, max(0, length - 1)) == length
    assert len(asked) == 1


parts = st.lists(st.text(max_size=120), min_size=1, max_size=3)


@given(first=parts, second=parts, numbers=st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)))
def test_keys_of_different_things_differ(
    first: list[str], second: list[str], numbers: tuple[int, int]
) -> None:
    """Fails if records of two nodes, runs or types could share a key."""
    keys = [series_key(series_prefix(*p), n) for p, n in zip((first, second), numbers, strict=True)]
    assert (keys[0] == keys[1]) == (first == second and numbers[0] == numbers[1])
    assert max(map(len, keys)) <= 255
