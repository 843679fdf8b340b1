# SPDX-License-Identifier: Apache-2.0
"""Anomalies as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_SEVERITIES = {0: "unknown", 1: "warning", 2: "error"}
_HEADINGS = ("severity", "split", "feature", "anomaly", "description")

#: Stands for a feature's name where an anomaly concerns all of them.
WHOLE_SPLIT = "(whole split)"

#: Which anomalies stop a run: none, those that are more than warnings, or all.
FailOn = Literal["never", "errors", "any"]


@dataclass(frozen=True)
class Anomaly:
    """One way in which one feature of one split does not fit the schema.

    Attributes:
        split: Name of the split.
        feature: Name of the feature; `(whole split)` where it concerns all of them.
        severity: `error`, `warning` or `unknown`.
        short: What it is, in a few words.
        long: What exactly.
    """

    split: str
    feature: str
    severity: str
    short: str
    long: str

    @property
    def stops(self) -> bool:
        """Whether it is more than a warning."""
        return self.severity != "warning"


def list_anomalies(split: str, anomalies: Any) -> list[Anomaly]:
    """The anomalies in a `tensorflow_metadata` `Anomalies` message, by feature name."""
    found: list[Anomaly] = []
    for key in sorted(anomalies.anomaly_info):
        info = anomalies.anomaly_info[key]
        # As a key, a name with spaces or dots stands in quotes.
        found.extend(_reasons(split, ".".join(info.path.step) or key, info))
    if anomalies.HasField("dataset_anomaly_info"):
        found.extend(_reasons(split, WHOLE_SPLIT, anomalies.dataset_anomaly_info))
    if anomalies.data_missing:
        found.append(
            Anomaly(split, WHOLE_SPLIT, "error", "No records", "The split has no records.")
        )
    return found


def _reasons(split: str, feature: str, info: Any) -> Iterable[Anomaly]:
    severity = _SEVERITIES.get(info.severity, "unknown")
    for reason in info.reason or [info]:
        yield Anomaly(
            split, feature, severity, reason.short_description.strip(), reason.description.strip()
        )


def stopping(anomalies: Sequence[Anomaly], fail_on: FailOn) -> list[Anomaly]:
    """Those of the anomalies that stop a run."""
    if fail_on == "never":
        return []
    return [each for each in anomalies if fail_on == "any" or each.stops]


def gravest_first(anomalies: Iterable[Anomaly]) -> list[Anomaly]:
    """Errors before warnings; within each by feature and split."""
    order = {"error": 0, "unknown": 1, "warning": 2}
    return sorted(anomalies, key=lambda a: (order[a.severity], a.feature, a.split, a.short))


def headline(anomalies: Sequence[Anomaly]) -> str:
    """How many anomalies there are, in all and by split."""
    by_split = {a.split: sum(other.split == a.split for other in anomalies) for a in anomalies}
    counts = ", ".join(f"{count} in {split}" for split, count in by_split.items())
    noun = "anomaly" if len(anomalies) == 1 else "anomalies"
    return f"{len(anomalies)} {noun} ({counts})" if anomalies else "no anomalies"


def table_rows(anomalies: Iterable[Anomaly]) -> list[tuple[str, str, str, str, str]]:
    """Cells of the table, without its headings, the gravest first."""
    return [(a.severity, a.split, a.feature, a.short, a.long) for a in gravest_first(anomalies)]


def render_table(anomalies: Sequence[Anomaly]) -> str:
    """A table in plain text, one anomaly in a row, the gravest first."""
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in table_rows(anomalies)]
    widths = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in range(4)]
    lines = []
    for row in [_HEADINGS, tuple("-" * width for width in [*widths, len(_HEADINGS[4])]), *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return "\n".join(lines)
