# SPDX-License-Identifier: Apache-2.0
"""Durations, sizes, moments and counts as people write them."""

from __future__ import annotations

import time


def duration(seconds: float) -> str:
    """A span of time, short: `12ms`, `3.4s`, `43s`, `2m 03s`, `1h 02m`."""
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def size(count: int) -> str:
    """A number of bytes: `812 B`, `1.2 kB`, `3.4 GB` (a kB is 1,000 bytes)."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def memory(count: float) -> str:
    """A number of bytes of memory: `812 bytes`, `3.1 GiB` (a GiB is 2**30 bytes)."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def moment(epoch: float) -> str:
    """A moment in this machine's time zone, to the second; empty for 0."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch)) if epoch else ""


def counted(count: int, singular: str, plural: str = "") -> str:
    """A count with its noun: `1 node`, `3 nodes`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def first_error_line(error: BaseException, limit: int = 300) -> str:
    """An exception's type, and the first line that it says, cut at `limit` characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:limit] if lines else ''}"


def first_line(text: str, limit: int = 200) -> str:
    """The first line that says something, cut at `limit` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= limit else line[: limit - 1] + "…"
