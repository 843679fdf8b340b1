# SPDX-License-Identifier: Apache-2.0
"""File patterns with `{SPAN}`, `{VERSION}` and dates in them.

As in TFX (https://www.tensorflow.org/tfx/guide/examplegen#span): a date is the span that
counts its days from 1970-01-01.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...utils.errors import DataError, ParameterError, nearest
from ...utils.storage import is_dir, is_local, join, list_files

_SPEC = re.compile(r"\{(\w+)(?::(\d+))?\}")
_MAGIC = re.compile(r"[*?\[{]")
_DATE = {"YYYY": 4, "MM": 2, "DD": 2}
_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class Match:
    """One file that fits a pattern.

    Attributes:
        path: Absolute path.
        span: Its span; 0 where the pattern has none.
        version: Its version; 0 where the pattern has none.
    """

    path: str
    span: int
    version: int


def specs_of(pattern: str) -> set[str]:
    """Names in braces in a pattern, checked.

    Raises:
        ParameterError: A name is unknown, or the combination makes no span.
    """
    found = {spec.group(1) for spec in _SPEC.finditer(pattern)}
    known = {"SPAN", "VERSION", *_DATE}
    unknown = sorted(found - known)
    if unknown:
        raise ParameterError(
            f"pattern {pattern!r} has an unknown name in braces",
            expected="{SPAN}, {VERSION}, {YYYY}, {MM} or {DD}",
            got="{" + unknown[0] + "}",
            suggestion=nearest(unknown[0], known),
        )
    dated = found & set(_DATE)
    problem = (
        "has only part of a date; {YYYY}, {MM} and {DD} go together"
        if dated and dated != set(_DATE)
        else "has both {SPAN} and a date, which would be two spans"
        if dated and "SPAN" in found
        else "has {VERSION} without a span"
        if "VERSION" in found and not (dated or "SPAN" in found)
        else ""
    )
    if problem:
        raise ParameterError(f"pattern {pattern!r} {problem}")
    return found


def find_matches(pattern: str) -> list[Match]:
    """All files that fit an absolute pattern, a path or a URL, sorted by path.

    Hidden files and folders, and those that begin with `_` (as unfinished output of data
    engines does), fit no wildcard.

    Raises:
        DataError: A file's date is none.
        ParameterError: The pattern itself is wrong.
    """
    specs_of(pattern)
    root = fixed_folder(pattern)
    segments = [part for part in pattern[len(root) :].split("/") if part]
    walk = _walk if is_local(root) else _walk_listing
    found = {path: values for path, values in walk(root, segments, {})}
    return sorted(
        (
            Match(path, _span(values, path), int(values.get("VERSION", 0)))
            for path, values in found.items()
        ),
        key=lambda match: match.path,
    )


def fixed_folder(pattern: str) -> str:
    """The longest folder path at the start of a pattern that has no wildcard in it."""
    magic = _MAGIC.search(pattern)
    return pattern[: pattern.rindex("/", 0, magic.start() if magic else len(pattern)) + 1]


def has_wildcard(pattern: str) -> bool:
    """Whether a path is a pattern."""
    return _MAGIC.search(pattern) is not None


def _walk(
    folder: str, segments: list[str], values: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    segment, rest = segments[0], segments[1:]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    if segment == "**":
        if rest:
            yield from _walk(folder, rest, values)
        for entry in entries:
            if entry.name[0] in "._":
                continue
            if entry.is_dir():
                yield from _walk(entry.path, segments, values)
            elif not rest:
                yield entry.path, values
        return
    expression = _regex(segment)
    for entry in entries:
        if has_wildcard(segment) and entry.name[0] in "._" and segment[0] != entry.name[0]:
            continue
        matched = expression.fullmatch(entry.name)
        if matched is None:
            continue
        merged = {**values, **matched.groupdict()}
        if any(merged[name] != value for name, value in values.items()):
            continue
        if rest and entry.is_dir():
            yield from _walk(entry.path, rest, merged)
        elif not rest and entry.is_file():
            yield entry.path, merged


def _walk_listing(
    root: str, segments: list[str], values: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """As `_walk`, below a URL: one listing is cheaper there than one for each folder."""
    if not is_dir(root):
        return
    for file in list_files(root, recursive=segments[0] == "**" or len(segments) > 1):
        for matched in _match_parts(file.path.split("/"), segments, values):
            yield join(root, file.path), matched
            break


def _match_parts(
    parts: list[str], segments: list[str], values: Mapping[str, str]
) -> Iterator[Mapping[str, str]]:
    """Values of the names in braces, for every way in which a path fits."""
    if not segments or not parts:
        if not segments and not parts:
            yield values
        return
    segment, rest = segments[0], segments[1:]
    hidden = parts[0][:1] in ("", ".", "_")
    if segment == "**":
        if rest:
            yield from _match_parts(parts, rest, values)
        if not hidden:
            if len(parts) == 1 and not rest:
                yield values
            yield from _match_parts(parts[1:], segments, values)
        return
    if hidden and has_wildcard(segment) and segment[0] != parts[0][:1]:
        return
    matched = _regex(segment).fullmatch(parts[0])
    if matched is None:
        return
    merged = {**values, **matched.groupdict()}
    if all(merged[name] == value for name, value in values.items()):
        yield from _match_parts(parts[1:], rest, merged)


def _regex(segment: str) -> re.Pattern[str]:
    """A regular expression for one folder or file name."""
    pieces: list[str] = []
    position = 0
    while position < len(segment):
        spec = _SPEC.match(segment, position)
        character = segment[position]
        if spec:
            pieces.append(_spec_regex(spec, "".join(pieces)))
            position = spec.end()
            continue
        closing = segment.find("]", position + 2) if character == "[" else -1
        if closing > 0:
            inside = segment[position + 1 : closing]
            negated = "^" if inside[0] == "!" else ""
            pieces.append(f"[{negated}{re.escape(inside.lstrip('!')).replace(chr(92) + '-', '-')}]")
            position = closing + 1
            continue
        pieces.append({"*": ".*", "?": "."}.get(character, re.escape(character)))
        position += 1
    return re.compile("".join(pieces), re.DOTALL)


def _spec_regex(spec: re.Match[str], before: str) -> str:
    name, width = spec.group(1), spec.group(2)
    if f"(?P<{name}>" in before:
        return f"(?P={name})"
    digits = _DATE.get(name) or (int(width) if width else 0)
    return f"(?P<{name}>[0-9]{{{digits}}})" if digits else f"(?P<{name}>[0-9]+)"


def _span(values: Mapping[str, str], path: str) -> int:
    if "YYYY" not in values:
        return int(values.get("SPAN", 0))
    year, month, day = (int(values[name]) for name in _DATE)
    try:
        return (datetime.date(year, month, day) - _EPOCH).days
    except ValueError:
        raise DataError(
            "a file's path holds a date that does not exist",
            expected="a date of the calendar",
            got=f"{year:04d}-{month:02d}-{day:02d}",
            location=path,
            fix="rename or move the file",
        ) from None
