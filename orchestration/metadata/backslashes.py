# SPDX-License-Identifier: Apache-2.0
"""Keeps backslashes from ML Metadata's PostgreSQL backend.

It puts a text into its SQL as PostgreSQL's client library quotes it, and takes off the first and
last character, which are meant to be the quotes. A text with a backslash, though, is quoted as
` E'…'` (https://www.postgresql.org/docs/current/libpq-exec.html#LIBPQ-PQESCAPELITERAL): what is
left, in quotes again, ends after its first letter, and the rest is read as SQL. That is an error
at best; so no text with a backslash may ever get there (ml-metadata 1.17.1,
`PostgreSQLMetadataSource::EscapeString`).

Values of properties are written with another character in its place, and exactly in the
sidecar (`codec`). Where that cannot be (names, URIs), the text is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...utils.errors import MetadataError

#: Looks much the same: FULLWIDTH REVERSE SOLIDUS.
_LIKE = "\uff3c"
#: Begins a text in which `hidden` has written the character otherwise.
_MARK = "%"


def look_alike(text: str) -> str:
    """`text` as it can be shown, with something like a backslash for each."""
    return text.replace("\\", _LIKE)


def hidden(text: str) -> str:
    """`text`, which is JSON, without backslashes; `revealed` brings them back."""
    return _MARK + text.replace("%", "%25").replace("\\", "%5C")


def revealed(text: str) -> str:
    """What `hidden` was given; other JSON as it is."""
    if not text.startswith(_MARK):
        return text
    return text[len(_MARK) :].replace("%5C", "\\").replace("%25", "%")


def refuse_backslashes(arguments: Iterable[Any]) -> None:
    """Checks that none is in what ML Metadata is about to be given.

    Raises:
        MetadataError: There is one.
    """
    for text in _texts(arguments):
        if "\\" in text:
            raise MetadataError(
                "ML Metadata cannot keep a backslash in PostgreSQL",
                expected="names and URIs without one",
                got=text[:200],
                fix="rename it; or use MySQL, MariaDB or SQLite for the metadata store",
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif hasattr(value, "DESCRIPTOR"):
        # Most messages hold none, which their bytes tell quickly.
        if b"\\" in value.SerializeToString():
            for _, field in value.ListFields():
                yield from _texts(field)
    elif hasattr(value, "items"):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif not isinstance(value, (int, float, bytes, bool, type(None))) and hasattr(
        value, "__iter__"
    ):
        for item in value:
            yield from _texts(item)
