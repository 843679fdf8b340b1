# SPDX-License-Identifier: Apache-2.0
"""An evaluation's numbers in plain JSON, for readers that have no use for TensorFlow.

The Evaluator writes them as `summary.json` beside TFMA's own files:

    {"format": 1, "rows": 9000,
     "models": {"candidate": "<uri>", "baseline": "<uri>"},
     "slices": [{"slice": {"product": "Mortgage"}, "name": "product: Mortgage",
                 "metrics": {"auc": 0.71}, "baseline": {"auc": 0.70}, "change": {"auc": 0.01},
                 "intervals": {"auc": [0.69, 0.73]}, "note": ""}, …],
     "verdict": {"judged": true, "blessed": false, "rubber_stamped": false, "misses": […]}}

Numbers that are not finite are null. The slice of all rows comes first, and is `{}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...utils import storage
from ...utils.errors import DataError
from ..base.artifact_types import ModelEvaluation

SUMMARY_FILE = "summary.json"
FORMAT = 1

#: Name of the slice of all rows.
OVERALL = "all rows"


@dataclass(frozen=True)
class Miss:
    """One threshold that was not met.

    Attributes:
        metric: Name of the metric.
        slice: Name of the slice.
        value: What was measured; for change thresholds, candidate minus baseline. None
            where the metric or the slice is missing.
        demand: The threshold, in words.
        by: How far `value` is on the wrong side; None where that has no meaning.
        baseline: The baseline's value, where the threshold is about a change.
        note: What else is to be said.
    """

    metric: str
    slice: str
    demand: str
    value: float | None = None
    by: float | None = None
    baseline: float | None = None
    note: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.metric} on {self.slice}: {self.note}, demanded {self.demand}"
        text = f"{self.metric} on {self.slice} is {_number(self.value)}, demanded {self.demand}"
        return text if self.by is None else f"{text}: missed by {_number(self.by)}"


@dataclass(frozen=True)
class Verdict:
    """What thresholds say about the candidate.

    Attributes:
        judged: Whether there was any threshold.
        blessed: Whether all were met.
        rubber_stamped: Whether change thresholds were ignored for want of a baseline.
        misses: The thresholds that were not met.
    """

    judged: bool
    blessed: bool
    rubber_stamped: bool = False
    misses: Sequence[Miss] = ()


@dataclass
class SliceMetrics:
    """Numbers of one slice: candidate's, baseline's, and their difference.

    Attributes:
        note: Why there are no numbers, where there are none.
    """

    slice: dict[str, Any]
    name: str
    metrics: dict[str, float | None] = field(default_factory=dict)
    baseline: dict[str, float | None] = field(default_factory=dict)
    change: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, list[float | None]] = field(default_factory=dict)
    note: str = ""


def write_summary(
    folder: str,
    rows: int,
    models: dict[str, str],
    slices: Sequence[SliceMetrics],
    verdict: Verdict,
) -> dict[str, Any]:
    """Writes `summary.json` and returns what it holds."""
    summary = {
        "format": FORMAT,
        "rows": rows,
        "models": models,
        "slices": [asdict(each) for each in slices],
        "verdict": asdict(verdict),
    }
    text = json.dumps(summary, indent=1, allow_nan=False, sort_keys=True)
    storage.write_text_atomic(storage.join(folder, SUMMARY_FILE), text + "\n")
    return summary


def read_summary(evaluation: ModelEvaluation) -> dict[str, Any]:
    """The summary of an evaluation.

    Raises:
        DataError: It has none, or one of a later format.
    """
    location = evaluation.path(SUMMARY_FILE)
    if not storage.exists(location):
        raise DataError(
            "the evaluation has no summary",
            expected=location,
            got="no such file",
            location=evaluation.uri,
            fix="read it with tfma.load_eval_result, or run the Evaluator again",
        )
    summary: dict[str, Any] = json.loads(storage.read_text(location))
    if summary.get("format") != FORMAT:
        raise DataError(
            "the evaluation's summary has an unknown format",
            expected=str(FORMAT),
            got=str(summary.get("format")),
            location=location,
            fix="use the version of Penstock that wrote it, or a later one",
        )
    return summary


def metrics_by_slice(evaluation: ModelEvaluation) -> list[dict[str, Any]]:
    """Metrics of every slice, that of all rows first: see the module's docstring.

    Raises:
        DataError: The evaluation has no summary.
    """
    found: list[dict[str, Any]] = read_summary(evaluation)["slices"]
    return found


def verdict_of(evaluation: ModelEvaluation) -> Verdict:
    """The verdict on the candidate.

    Raises:
        DataError: The evaluation has no summary.
    """
    raw = dict(read_summary(evaluation)["verdict"])
    raw["misses"] = tuple(Miss(**each) for each in raw["misses"])
    return Verdict(**raw)


def misses_table(misses: Sequence[Miss]) -> str:
    """Misses as a table for people, with aligned columns."""
    head = ("metric", "slice", "measured", "baseline", "demanded", "missed by")
    rows = [
        (
            miss.metric,
            miss.slice,
            miss.note if miss.value is None else _number(miss.value),
            "" if miss.baseline is None else _number(miss.baseline),
            miss.demand,
            "" if miss.by is None else _number(miss.by),
        )
        for miss in misses
    ]
    return _table(head, rows)


def metrics_table(evaluation: ModelEvaluation, metrics: Sequence[str] = ()) -> str:
    """Metrics of every slice as a table for people.

    Args:
        evaluation: The evaluation.
        metrics: Which metrics; all where empty.
    """
    slices = metrics_by_slice(evaluation)
    names = list(metrics) or list(dict.fromkeys(n for s in slices for n in s["metrics"]))
    rows = [
        (each["name"], *(_number(each["metrics"].get(name)) for name in names)) for each in slices
    ]
    return _table(("slice", *names), rows)


def finite(value: float) -> float | None:
    """`value`, or None where JSON has no number for it."""
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
