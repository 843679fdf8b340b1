# SPDX-License-Identifier: Apache-2.0
"""Anomalies as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_SEVERITIES = {0: "unknown", 1: "warning", 2: "error"}
_HEADINGS = ("severity", "split", "feature", "anomaly", "description")


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
    for feature in sorted(anomalies.anomaly_info):
        found.extend(_reasons(split, feature, anomalies.anomaly_info[feature]))
    if anomalies.HasField("dataset_anomaly_info"):
        found.extend(_reasons(split, "(whole split)", anomalies.dataset_anomaly_info))
    if anomalies.data_missing:
        found.append(
            Anomaly(split, "(whole split)", "error", "No records", "The split has no records.")
        )
    return found


def _reasons(split: str, feature: str, info: Any) -> Iterable[Anomaly]:
    severity = _SEVERITIES.get(info.severity, "unknown")
    for reason in info.reason or [info]:
        yield Anomaly(
            split, feature, severity, reason.short_description.strip(), reason.description.strip()
        )


def render_table(anomalies: Sequence[Anomaly]) -> str:
    """A table in plain text, one anomaly in a row, the gravest first."""
    order = {"error": 0, "unknown": 1, "warning": 2}
    rows = [
        (a.severity, a.split, a.feature, a.short, a.long)
        for a in sorted(anomalies, key=lambda a: (order[a.severity], a.feature, a.split, a.short))
    ]
    widths = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in range(4)]
    lines = []
    for row in [_HEADINGS, tuple("-" * width for width in [*widths, len(_HEADINGS[4])]), *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return "\n".join(lines)
