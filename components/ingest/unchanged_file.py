# SPDX-License-Identifier: Apache-2.0
"""A source file is read twice; whoever changes it in between is told so."""

from __future__ import annotations

import os
from typing import Protocol

from ...utils.errors import DataError


class ScannedFile(Protocol):
    """What the first pass knows of a file."""

    @property
    def path(self) -> str:
        """The file, on this machine."""

    @property
    def source(self) -> str:
        """Where it came from, as users know it."""

    @property
    def rows(self) -> int:
        """Number of its records."""

    @property
    def size(self) -> int:
        """Its bytes before the first pass."""

    @property
    def changed_ns(self) -> int:
        """When it was last changed then, in nanoseconds since 1970."""


def check_unchanged(scan: ScannedFile, rows: int) -> None:
    """Refuses a file that is no longer what the first pass found.

    Args:
        scan: What it found.
        rows: How many records the second pass read.

    Raises:
        DataError: It was changed.
    """
    now = os.stat(scan.path)
    if rows == scan.rows and (now.st_size, now.st_mtime_ns) == (scan.size, scan.changed_ns):
        return
    raise DataError(
        "the file was changed while it was read",
        expected=f"{scan.rows} records in {scan.size} bytes, as a moment before",
        got=f"{rows} records in {now.st_size} bytes",
        location=scan.source,
        fix="run again once the file is complete",
    )
