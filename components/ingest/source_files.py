# SPDX-License-Identifier: Apache-2.0
"""Which files an example generator reads, decided before it runs.

The launcher digests these files by content, so that changed data is noticed, and pins the
span that was found, so that data which arrives meanwhile waits for the next run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...utils.errors import DataError, ParameterError, nearest
from ...utils.storage import exists, is_dir, is_local, local_path
from ..base.parameters import decode
from .input_config import InputConfig, InputSplit, RangeConfig, RollingRange, StaticRange
from .span_pattern import Match, find_matches, fixed_folder, has_wildcard, specs_of

#: Parameters in which the launcher passes on what was resolved: the span and version
#: recorded, all (span, version) pairs taken, and the number of files.
RESOLVED_SPAN = "resolved_span"
RESOLVED_VERSION = "resolved_version"
RESOLVED_SPANS = "resolved_spans"
RESOLVED_FILES = "resolved_files"


@dataclass(frozen=True)
class ExternalInputs:
    """Files from outside the pipeline that a node reads.

    Attributes:
        files: Their paths.
        parameters: Values to add to the node's parameters.
    """

    files: list[str]
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ResolvedInput:
    """The files to read.

    Attributes:
        span: The most recent span taken; 0 where patterns have none.
        version: Version of that span; 0 where patterns have none.
        splits: Files of every input split, sorted by path.
        spans: All spans taken, in order, each with its version.
    """

    span: int
    version: int
    splits: Mapping[str, list[str]]
    spans: tuple[tuple[int, int], ...] = ((0, 0),)

    @property
    def files(self) -> list[str]:
        """All files, split after split."""
        return [path for files in self.splits.values() for path in files]


def external_inputs(parameters: Mapping[str, Any]) -> ExternalInputs:
    """What a file-based example generator with these parameters would read now.

    Raises:
        DataError: Nothing fits a pattern.
        ParameterError: A parameter is not acceptable.
    """
    found = _resolve(parameters, None)
    resolved = {
        RESOLVED_SPAN: found.span,
        RESOLVED_VERSION: found.version,
        RESOLVED_SPANS: [list(pair) for pair in found.spans],
        RESOLVED_FILES: len(found.files),
    }
    return ExternalInputs(found.files, resolved)


def pinned_sources(parameters: Mapping[str, Any]) -> ResolvedInput:
    """The files that the launcher resolved; resolves them now where it did not.

    Raises:
        DataError: Files came or went since the launcher looked.
    """
    pairs = parameters.get(RESOLVED_SPANS)
    found = _resolve(parameters, pairs and {(span, version) for span, version in pairs})
    digested = parameters.get(RESOLVED_FILES, len(found.files))
    if digested != len(found.files):
        raise DataError(
            "files came or went while the run was starting",
            expected=f"{digested} files",
            got=f"{len(found.files)}",
            location=str(parameters["input_base"]),
            fix="run again once the data is complete",
        )
    return found


def _resolve(parameters: Mapping[str, Any], pinned: set[tuple[int, int]] | None) -> ResolvedInput:
    return resolve_sources(
        parameters["input_base"],
        decode(parameters.get("input_config"), InputConfig | None, name="input_config"),
        decode(parameters.get("range_config"), RangeConfig | None, name="range_config"),
        pinned=pinned,
    )


def resolve_sources(
    input_base: str,
    input_config: InputConfig | None = None,
    range_config: RangeConfig | None = None,
    *,
    pinned: set[tuple[int, int]] | None = None,
) -> ResolvedInput:
    """Finds the files to read.

    Of every span its latest version is read. Without a range, the latest span is.

    Args:
        input_base: A folder, as a path or a URL; without `input_config` also one file, or
            a pattern.
        input_config: Patterns below the folder; all files in it by default.
        range_config: Which spans to read.
        pinned: The exact spans and versions to read, found earlier.

    Raises:
        DataError: Nothing fits a pattern, or no span lies in the range.
        ParameterError: A pattern is wrong, or a range is given without spans.
    """
    patterns = _absolute_patterns(input_base, input_config)
    specs = _common_specs(patterns)
    if range_config is not None and not specs:
        raise ParameterError(
            "range_config is given, but the patterns have no spans",
            expected="a pattern with {SPAN} or a date",
            got=", ".join(patterns.values()),
        )
    matches = {name: _find(pattern) for name, pattern in patterns.items()}
    first_name, first = next(iter(matches.items()))
    wanted = pinned or _choose_spans(_newest_versions(first), range_config, patterns[first_name])
    splits: dict[str, list[str]] = {}
    for name, found in matches.items():
        present = {(match.span, match.version) for match in found}
        missing = sorted(wanted - present)
        if missing:
            raise DataError(
                f"input split {name!r} has no files of span {missing[0][0]}, "
                f"version {missing[0][1]}",
                expected="the same spans and versions in all input splits",
                got=_numbers(sorted({span for span, _ in present})),
                location=patterns[name],
                fix="add the files, or choose a span that all splits have by range_config",
            )
        splits[name] = [m.path for m in found if (m.span, m.version) in wanted]
    _check_apart(splits)
    spans = tuple(sorted(wanted))
    return ResolvedInput(*spans[-1], splits, spans)


def _check_apart(splits: Mapping[str, Sequence[str]]) -> None:
    """Checks that no file is in two splits: a model would be evaluated on what it learnt."""
    split_of: dict[str, str] = {}
    for split, files in splits.items():
        for path in files:
            if split_of.setdefault(path, split) != split:
                raise DataError(
                    "a file belongs to two input splits",
                    expected="patterns that have no file in common",
                    got=f"{split_of[path]!r} and {split!r}",
                    location=path,
                    fix="make the patterns in input_config narrower",
                )


def _common_specs(patterns: Mapping[str, str]) -> set[str]:
    """Names in braces, which all patterns must share."""
    common: set[str] | None = None
    for name, pattern in patterns.items():
        specs = specs_of(pattern)
        if common is not None and specs != common:
            raise ParameterError(
                f"pattern of input split {name!r} has other spans than those before it",
                expected=", ".join(sorted(common)) or "no names in braces",
                got=", ".join(sorted(specs)) or "no names in braces",
            )
        common = specs
    return common or set()


def _absolute_patterns(input_base: str, config: InputConfig | None) -> dict[str, str]:
    if is_local(input_base):
        base = os.path.abspath(os.path.expanduser(local_path(input_base))).replace(os.sep, "/")
    else:
        base = input_base.rstrip("/")
    if config is None:
        # A web server has no folders; asking it for one would fetch the file.
        if not base.startswith(("http://", "https://")) and is_dir(base):
            config = InputConfig(splits=[InputSplit(name="single_split", pattern="*")])
        elif has_wildcard(base) or _is_file(base):
            return {"single_split": base}
        else:
            raise _nothing_at(base, "input_base")
    if any(split.pattern.startswith("/") for split in config.splits):
        raise ParameterError(
            "a pattern in input_config is an absolute path",
            expected="a path below input_base",
            got=next(s.pattern for s in config.splits if s.pattern.startswith("/")),
        )
    return {split.name: f"{base.rstrip('/')}/{split.pattern}" for split in config.splits}


def _is_file(place: str) -> bool:
    if is_local(place):
        return os.path.isfile(place)
    return exists(place) and not is_dir(place)


def _find(pattern: str) -> list[Match]:
    if (is_local(pattern) or not has_wildcard(pattern)) and _is_file(pattern):
        return [Match(pattern, 0, 0)]
    found = find_matches(pattern)
    if not found:
        raise _nothing_at(pattern, "the pattern")
    return found


def _nothing_at(pattern: str, what: str) -> DataError:
    """An error that tells what is there instead of what was looked for."""
    if not is_local(pattern):
        return DataError(
            f"no file fits {what} {pattern!r}",
            expected="at least one file",
            location=pattern,
            fix="correct input_base or input_config, or put the data there",
        )
    folder, name = fixed_folder(pattern).rstrip("/") or "/", os.path.basename(pattern)
    while not os.path.isdir(folder):
        folder, name = os.path.dirname(folder), os.path.basename(folder)
    entries = sorted(os.listdir(folder))
    shown = ", ".join(entries[:8]) + (f", … ({len(entries)} in all)" if len(entries) > 8 else "")
    return DataError(
        f"no file fits {what} {pattern!r}",
        expected="at least one file",
        got=f"{folder} holds {shown}" if entries else f"{folder} is empty",
        suggestion=nearest(name, entries),
        location=pattern,
        fix="correct input_base or input_config, or put the data there",
    )


def _newest_versions(matches: Sequence[Match]) -> dict[int, int]:
    newest: dict[int, int] = {}
    for match in matches:
        newest[match.span] = max(match.version, newest.get(match.span, 0))
    return newest


def _choose_spans(
    newest: Mapping[int, int], config: RangeConfig | None, pattern: str
) -> set[tuple[int, int]]:
    latest = max(newest)
    low, high = _limits(config, latest) if config else (latest, latest)
    chosen = {(span, version) for span, version in newest.items() if low <= span <= high}
    if not chosen:
        raise DataError(
            "no span lies in the range asked for",
            expected=f"a span from {low} to {high}",
            got=f"spans {_numbers(sorted(newest))}",
            location=pattern,
            fix="correct range_config, or add files of such a span",
        )
    return chosen


def _limits(config: RangeConfig, latest: int) -> tuple[int, int]:
    chosen = config.static_range or config.rolling_range
    if isinstance(chosen, StaticRange):
        return chosen.start_span_number, chosen.end_span_number
    assert isinstance(chosen, RollingRange)  # RangeConfig has exactly one of the two
    high = latest - chosen.skip_num_recent_spans
    return max(chosen.start_span_number, high - chosen.num_spans + 1), high


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[-10:])
    return f"…, {shown}" if len(numbers) > 10 else shown or "none at all"
