# SPDX-License-Identifier: Apache-2.0
"""Whether quotes in a CSV file match, found without parsing it.

Arrow takes what follows a closing quote for more of the cell. So a quote that is missing can
join two records to one, silently, as long as the number of cells is right. Here the quotes
are counted: every other one opens a cell, and must follow a delimiter or a line end; those
between close one, and must come before a delimiter or a line end. Two of them inside a
quoted cell, which stand for one, follow each other.
"""

from __future__ import annotations

import gzip

import numpy as np

from .csv_source import is_gzip

_CHUNK = 4 << 20
_QUOTE = ord('"')
_MARK = b"\xef\xbb\xbf"


def quotes_match(path: str, delimiter: str) -> bool:
    """Whether every quote of a file opens or closes a whole cell.

    False may be a false alarm: a quote inside a cell without quotes (`5"`) is only text.

    Args:
        path: The file, UTF-8 text, plain or gzip.
        delimiter: The character between cells.
    """
    allowed = np.zeros(256, dtype=bool)
    allowed[list(delimiter.encode() + b'\r\n"')] = True
    seen, tail, first = 0, b"\n", True
    with gzip.open(path, "rb") if is_gzip(path) else open(path, "rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            data = tail + (chunk.removeprefix(_MARK) if first else chunk or b"\n")
            first = False
            text = np.frombuffer(data, np.uint8)
            # The last byte waits for the one after it.
            quotes = np.flatnonzero(text[1:-1] == _QUOTE) + 1
            opening = quotes[seen % 2 :: 2]
            closing = quotes[1 - seen % 2 :: 2]
            if not (allowed[text[opening - 1]].all() and allowed[text[closing + 1]].all()):
                return False
            seen += len(quotes)
            if not chunk:
                return True
            tail = data[-2:]
