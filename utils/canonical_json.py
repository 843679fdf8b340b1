# SPDX-License-Identifier: Apache-2.0
"""One byte string for each JSON value, different for different values.

Every value is written as a tag for its type followed by its content, and everything of
variable length by its length first, so no two values share an encoding: `1`, `1.0`,
`True`, `"1"`, `None`, `[]`, `[[]]` and `{}` all differ, and so do `["ab"]` and `["a", "b"]`.

==========  =====================================================================
`null`      `n`
`true`      `t`, and `false` `f`
integer     `i`, length, hexadecimal digits
number      `d`, length, the shortest decimal that reads back as the same number
text        `s`, length in bytes, UTF-8
list        `l`, number of items, items
object      `o`, number of entries, and keys (as text) with values, sorted by key
==========  =====================================================================

Tuples count as lists, as JSON writes them; subclasses count as what they derive from, so
a string enum equals its text. Infinite numbers are accepted. "Not a number" is refused: it
does not equal itself, so nothing that holds it could ever be recognised again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .errors import FingerprintError


def encode(value: Any) -> bytes:
    """The canonical bytes of a JSON value.

    Raises:
        FingerprintError: The value, or something inside it, is not JSON.
    """
    parts: list[bytes] = []
    try:
        _write(value, "value", parts)
    except RecursionError:
        raise FingerprintError(
            "a value is nested too deeply to be hashed, or contains itself",
            got=type(value).__name__,
            fix="flatten it, or keep it in a file and pass the file's path",
        ) from None
    return b"".join(parts)


def _write(value: Any, where: str, parts: list[bytes]) -> None:
    if value is None:
        parts.append(b"n")
    elif isinstance(value, bool):
        parts.append(b"t" if value else b"f")
    elif isinstance(value, str):
        text = str.__str__(value).encode("utf-8", "surrogatepass")
        parts.append(b"s%d:%b" % (len(text), text))
    elif isinstance(value, int):
        # Hexadecimal: Python refuses to write more than 4,300 decimal digits.
        digits = format(int(value), "x").encode()
        parts.append(b"i%d:%b" % (len(digits), digits))
    elif isinstance(value, float):
        if math.isnan(value):
            raise _refuse(where, "a number that is not a number (NaN)")
        digits = float.__repr__(value).encode()
        parts.append(b"d%d:%b" % (len(digits), digits))
    elif isinstance(value, (list, tuple)):
        parts.append(b"l%d:" % len(value))
        for index, item in enumerate(value):
            _write(item, f"{where}[{index}]", parts)
    elif isinstance(value, Mapping):
        _write_object(value, where, parts)
    else:
        kind = type(value)
        raise _refuse(where, f"an object of type {kind.__module__}.{kind.__qualname__}")


def _write_object(value: Mapping[Any, Any], where: str, parts: list[bytes]) -> None:
    for key in value:
        if not isinstance(key, str):
            # JSON would turn 1 into "1", and two different objects into one.
            raise _refuse(where, f"a key that is not text: {key!r} ({type(key).__name__})")
    parts.append(b"o%d:" % len(value))
    for key in sorted(value):
        _write(key, where, parts)
        _write(value[key], f"{where}.{key}", parts)


def _refuse(where: str, got: str) -> FingerprintError:
    return FingerprintError(
        f"{where} cannot be hashed, so it cannot be part of a cache key",
        expected="text, numbers, true, false, None, and lists and dicts of them",
        got=got,
        fix="either pass a plain value (a name, a number, .model_dump() of a model), or keep "
        "it in a file and pass the path, or build it inside your function, whose source is "
        "hashed",
    )
