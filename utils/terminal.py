# SPDX-License-Identifier: Apache-2.0
"""What a terminal can show: colours, width, characters; and writing to one that may go away."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

#: Characters for how a node stands, and what they become where only ASCII can be written.
GLYPHS = {
    "waiting": ("○", "."),
    "running": ("●", ">"),
    "complete": ("✔", "+"),
    "cached": ("↻", "="),
    "skipped": ("–", "-"),
    "failed": ("✘", "x"),
    "cancelled": ("■", "!"),
    "parked": ("◆", "?"),
}


def wants_color(stream: TextIO) -> bool:
    """Whether colours go to a stream.

    `NO_COLOR` and `FORCE_COLOR` decide where they are set and not empty (https://no-color.org);
    else colours go to terminals that are not dumb.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Whether a person may be watching what is written."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def width(stream: TextIO) -> int:
    """Columns of the terminal behind a stream: `COLUMNS` where set, else as measured, else 80."""
    if not os.environ.get("COLUMNS", "").isdigit():
        try:
            return os.get_terminal_size(stream.fileno()).columns or 80
        except (OSError, ValueError, AttributeError):
            pass
    return shutil.get_terminal_size().columns


def glyph(name: str, stream: TextIO) -> str:
    """The character for a state, one that the stream's encoding can write."""
    nice, plain = GLYPHS[name]
    try:
        nice.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return plain
    return nice


class Paint:
    """Colours text for one stream, or leaves it alone where that cannot show them.

    Args:
        stream: Where the text will go.
    """

    def __init__(self, stream: TextIO) -> None:
        self.enabled = wants_color(stream)

    def __call__(self, text: str, *styles: str) -> str:
        """`text` in styles: `bold`, `dim`, `red`, `green`, `yellow`, `cyan`."""
        if not self.enabled or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


class CurrentStderr:
    """Writes to whatever `sys.stderr` is at the time, so that a live display can divert it."""

    def write(self, text: str) -> int:
        """Writes text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flushes the stream."""
        sys.stderr.flush()
