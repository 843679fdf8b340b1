# SPDX-License-Identifier: Apache-2.0
"""Numbered keys, by which the newest of many records is found without listing them.

ML Metadata lists what belongs to a context in time that grows with all there ever was, and
offers no "newest of a type". It does keep a unique `external_id` of every record, with an
index. So related records get the ids `<prefix>#1`, `<prefix>#2`, ... without gaps: number
n is taken only by a transaction that succeeds, and two writers cannot take the same. The
highest number is then found by a few batched look-ups, and from it back the newest records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from .codec import MAX_NAME_LENGTH

#: How many keys one look-up asks for.
FAN_OUT = 16
#: Beyond this number of records a series is not searched.
_LARGEST = 2**40


def series_prefix(*parts: str) -> str:
    """The prefix for what `parts` name together; different parts give different prefixes."""
    escaped = (part.replace("%", "%25").replace("/", "%2F").replace("#", "%23") for part in parts)
    prefix = "/".join(escaped)
    # Room for "#" and a number.
    longest = MAX_NAME_LENGTH - 14
    if len(prefix) > longest:
        digest = hashlib.sha256(prefix.encode()).hexdigest()
        prefix = f"{prefix[: longest - 65]}~{digest}"
    return prefix


def series_key(prefix: str, number: int) -> str:
    """The external id of one record of a series."""
    return f"{prefix}#{number}"


def number_of(external_id: str) -> int:
    """The number in an external id; 0 in one that is of no series."""
    number = external_id.rpartition("#")[2]
    return int(number) if number.isdecimal() else 0


def taken_in(
    prefix: str, fetch: Callable[[list[str]], Collection[Any]]
) -> Callable[[Sequence[int]], set[int]]:
    """Which numbers of a series exist, given what fetches records by external id.

    A database may hold two ids for equal that differ in case. Such series then share their
    numbers; whoever reads records has to look whose they are.
    """

    def taken(numbers: Sequence[int]) -> set[int]:
        found = fetch([series_key(prefix, number) for number in numbers])
        return {number_of(record.external_id) for record in found}

    return taken


def highest(taken: Callable[[Sequence[int]], Collection[int]], start: int = 0) -> int:
    """The highest number of a series without gaps.

    Args:
        taken: Which of the numbers asked for exist.
        start: A number known to exist, or 0. Where it is near the answer, one look-up does.

    Returns:
        The highest number that exists, or `start` where none above it does.
    """
    low, step = start, 1
    while step < _LARGEST:
        # Steps that double reach any number in few look-ups.
        asked = [low + step * 2**power for power in range(FAN_OUT)]
        found = set(taken(asked))
        missing = [number for number in asked if number not in found]
        if missing:
            low = max(found, default=low)
            return _between(taken, low, missing[0])
        low, step = asked[-1], step * 2**FAN_OUT
    return low


def _between(taken: Callable[[Sequence[int]], Collection[int]], low: int, high: int) -> int:
    """The highest number that exists, given that `low` does and `high` does not."""
    while high - low > 1:
        width = max(1, (high - low) // (FAN_OUT + 1))
        asked = [n for n in range(low + width, high, width)][:FAN_OUT]
        found = set(taken(asked))
        missing = [number for number in asked if number not in found]
        low = max(found, default=low)
        high = missing[0] if missing else high
    return low
