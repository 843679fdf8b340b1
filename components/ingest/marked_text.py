# SPDX-License-Identifier: Apache-2.0
"""Text with bytes in it that are no text of its encoding, marked instead of refused.

A marked byte `0xNN` stands as the character U+DCNN, which no proper text holds.
"""

from __future__ import annotations

import codecs
import re

#: Name of the error handler, for every encoding.
MARK = "penstock.mark"

_MARKED = re.compile("[\udc00-\udcff]")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in data), error.end


codecs.register_error(MARK, _mark)


def first_mark(text: str) -> int | None:
    """Position of the first marked byte, or None."""
    if text.isascii():
        return None
    found = _MARKED.search(text)
    return found.start() if found else None


def shown(text: str) -> str:
    r"""The text with marked bytes written as `\xNN`."""
    if first_mark(text) is None:
        return text
    return _MARKED.sub(lambda found: f"\\x{ord(found.group()) - 0xDC00:02x}", text)
