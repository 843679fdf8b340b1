# SPDX-License-Identifier: Apache-2.0
"""An evaluation: every slice's metrics in a table, and drawn side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....components.analyze.evaluation_summary import read_summary
from ....components.base.artifact import Artifact
from ....components.base.artifact_types import ModelEvaluation
from .splits import as_type
from .view import Block, Cell, Dots, Facts, Fold, Table, View, Wanted, Words

_MOST_METRICS, _MOST_SLICES = 6, 30
#: Shares of records: an interval that reaches past 0 or 1 is one of the method that estimates it.
_SHARE = re.compile(r"auc|accuracy|precision|recall|specificity|sensitivity|f1|_rate\b|_rate@")
#: Differences below this share of a metric's values are rounding.
_NOISE = 1e-12
#: Not drawn: they say how much there is, not how good.
_COUNTS = ("example_count", "weighted_example_count")


def evaluation_view(artifact: Artifact, wanted: Wanted) -> View:
    """The metrics of an evaluation by slice, beside another evaluation's where asked.

    Raises:
        DataError: The evaluation has no summary.
    """
    summary = read_summary(as_type(artifact, ModelEvaluation))
    others = {
        name: _by_name(read_summary(as_type(each, ModelEvaluation)))
        for name, each in wanted.beside.items()
    }
    slices = list(summary.get("slices", []))
    metrics = _metrics(slices, wanted.features)
    blocks = [*_verdict(summary.get("verdict", {})), _facts(summary, slices)]
    blocks.append(_table(slices, metrics, others))
    drawn = [name for name in metrics if name not in _COUNTS][:_MOST_METRICS]
    dots = [each for name in drawn for each in _dots(slices, name, others, wanted.name)]
    if dots:
        blocks.append(Fold("Metrics by slice", dots, is_open=True))
    return View("Evaluation", blocks, artifact.uri)


def slice_name(found: Mapping[str, Any]) -> str:
    """What a slice is called."""
    given, values = found.get("name"), found.get("slice") or {}
    if given and "" not in values.values():
        return str(given)
    told = (f"{key}: {value if value != '' else '(empty text)'}" for key, value in values.items())
    return ", ".join(told) or "all rows"


def _by_name(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {slice_name(each): each.get("metrics", {}) for each in summary.get("slices", [])}


def _metrics(slices: Sequence[Mapping[str, Any]], chosen: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(name for each in slices for name in each.get("metrics", {})))
    names.sort(key=lambda name: name not in _COUNTS)
    return [name for name in names if name in chosen] if chosen else names


def _verdict(verdict: Mapping[str, Any]) -> list[Block]:
    if not verdict.get("judged"):
        return [Words("No threshold was set: the model is not judged.", "dim")]
    blocks: list[Block] = [
        Words("Blessed: it meets every threshold.", "fine")
        if verdict.get("blessed")
        else Words("Not blessed: it misses thresholds.", "error")
    ]
    if verdict.get("rubber_stamped"):
        blocks.append(Words("There was no baseline, so changes were not judged.", "warning"))
    misses = verdict.get("misses") or []
    if misses:
        keys = ("metric", "slice", "value", "baseline", "demand", "by", "note")
        names = ("metric", "slice", "measured", "baseline", "demanded", "missed by", "note")
        rows = [[each.get(key) for key in keys] for each in misses]
        table = Table(names, rows, "Thresholds that were missed")
        blocks.append(table.without_empty("baseline", "note"))
    return blocks


def _facts(summary: Mapping[str, Any], slices: Sequence[Any]) -> Facts:
    models = dict(summary.get("models", {}))
    return Facts(
        [("records", summary.get("rows")), ("slices", len(slices))]
        + [(name, str(where)) for name, where in models.items()]
    )


def _table(
    slices: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    others: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Table:
    compared = [
        name
        for name in metrics
        if name not in _COUNTS and any(name in (each.get("change") or {}) for each in slices)
    ]
    noise = {name: _NOISE * _largest(slices, name) for name in metrics}
    columns = ["slice"]
    for name in metrics:
        columns.append(name)
        columns += [f"{name} (change)"] if name in compared else []
        columns += [f"{name} ({other})" for other in others]
    rows: list[Sequence[Cell]] = []
    for each in slices:
        row: list[Cell] = [slice_name(each)]
        for name in metrics:
            found = [each.get("metrics", {})]
            found += [each.get("change") or {}] if name in compared else []
            found += [other.get(slice_name(each), {}) for other in others.values()]
            row += [_number(values.get(name), noise[name]) for values in found]
        rows.append(row)
    notes = [f"{slice_name(each)}: {each['note']}" for each in slices if each.get("note")]
    note = "change: candidate minus baseline" if compared else ""
    return Table(columns, rows, "Metrics of every slice", "; ".join([*[note] * bool(note), *notes]))


def _largest(slices: Sequence[Mapping[str, Any]], metric: str) -> float:
    found = [
        (each.get(key) or {}).get(metric) for each in slices for key in ("metrics", "baseline")
    ]
    largest = max((abs(value) for value in found if isinstance(value, (int, float))), default=0.0)
    # Of a share, 1 is what there could have been.
    return max(largest, 1.0) if _SHARE.search(metric) else largest


def _number(value: Any, noise: float) -> Cell:
    if isinstance(value, float) and abs(value) < noise:
        return 0
    if value is None or isinstance(value, (int, float, str)):
        return value
    return str(value)


def _dots(
    slices: Sequence[Mapping[str, Any]],
    metric: str,
    others: Mapping[str, Mapping[str, Mapping[str, Any]]],
    name: str,
) -> list[Block]:
    rows = []
    other_name = next(iter(others), "")
    has_baseline = any(metric in (each.get("baseline") or {}) for each in slices)
    drawn, told = _drawn(slices)
    for each in drawn:
        value = each.get("metrics", {}).get(metric)
        if not isinstance(value, (int, float)):
            continue
        low, high = ((each.get("intervals") or {}).get(metric) or [None, None])[:2]
        if _SHARE.search(metric) and 0 <= value <= 1:
            low, high = (None if end is None else min(1.0, max(0.0, end)) for end in (low, high))
        if other_name:
            other = others[other_name].get(slice_name(each), {}).get(metric)
        else:
            other = (each.get("baseline") or {}).get(metric)
        rows.append((slice_name(each), float(value), low, high, other))
    if not rows:
        return []
    beside = other_name or ("baseline" if has_baseline else "")
    own = name if other_name else "candidate"
    return [Dots(f"{metric} by slice{told}", metric, rows, beside, own)]


def _drawn(
    slices: Sequence[Mapping[str, Any]],
) -> tuple[Iterable[Mapping[str, Any]], str]:
    """The slices to draw, and which of all they are; of many, those with the most records."""
    if len(slices) <= _MOST_SLICES:
        return slices, ""

    def records(index: int) -> float:
        found = slices[index].get("metrics", {}).get(_COUNTS[0])
        return found if isinstance(found, (int, float)) else 0.0

    largest = sorted(range(len(slices)), key=lambda index: (-records(index), index))
    chosen = sorted(largest[:_MOST_SLICES])
    return [slices[index] for index in chosen], f" (the {_MOST_SLICES} largest of {len(slices)})"
