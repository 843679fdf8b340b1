# SPDX-License-Identifier: Apache-2.0
"""Durations, sizes and counts as people read them."""

from __future__ import annotations

import pytest

from penstock.utils.readable import counted, duration, first_line, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0ms"), (0.004, "4ms"), (0.0994, "99ms"), (0.0996, "0.1s"), (3.44, "3.4s"),
        (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m 00s"), (123, "2m 03s"),
        (3599.6, "1h 00m"), (7320, "2h 02m"),
    ],
)  # fmt: skip
def test_durations_are_short_and_never_jump_back(seconds: float, text: str) -> None:
    """If it fails, times are shown as `60s` or with digits that mean nothing."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (999_600, "1 MB"), (34e8, "3.4 GB"),
        (5e12, "5.0 TB"),
    ],
)  # fmt: skip
def test_sizes_keep_three_digits(count: float, text: str) -> None:
    """If it fails, sizes cannot be compared at a glance."""
    assert size(int(count)) == text


def test_counts_and_lines() -> None:
    """If it fails, messages say `1 nodes`, or run over several lines."""
    assert counted(1, "node") == "1 node"
    assert counted(1200, "node") == "1,200 nodes"
    assert first_line("\n  a\nb") == "a"
    assert first_line("x" * 300, 10) == "x" * 9 + "…"
