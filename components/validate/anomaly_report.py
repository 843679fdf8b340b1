# SPDX-License-Identifier: Apache-2.0
"""What an anomaly report shows, as plain data: kept as `report.json` beside the anomalies.

Table, HTML and picture are drawn from it without any library that made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...utils.errors import DataError
from ..base.artifact import Artifact
from .anomaly_table import Anomaly

#: Name of the file in an `ExampleAnomalies` artifact.
REPORT_FILE = "report.json"


@dataclass(frozen=True)
class Side:
    """One of the distributions in a chart.

    Attributes:
        name: What it is of.
        records: Number of records; None where the feature is not there.
        summary: Its figures in words.
        shares: Share of records by the chart's labels.
    """

    name: str
    records: int | None
    summary: str
    shares: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Distributions of a feature, side by side.

    Attributes:
        split: Name of the split.
        feature: Name of the feature.
        kind: `categories`, whose labels are values; or `numbers`, whose labels are ranges.
        labels: What the shares are of.
        sides: The distributions, the current one last.
        unexpected: Labels that the schema does not know.
        note: What changed most, in words.
    """

    split: str
    feature: str
    kind: str
    labels: Sequence[str]
    sides: Sequence[Side]
    unexpected: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True)
class Distance:
    """One measured distance between two distributions.

    Attributes:
        split: Name of the split.
        feature: Name of the feature.
        comparison: `drift` or `skew`.
        measure: What was measured.
        value: The distance.
        threshold: The largest that is no anomaly.
    """

    split: str
    feature: str
    comparison: str
    measure: str
    value: float
    threshold: float


@dataclass(frozen=True)
class AnomalyReport:
    """Everything that a report shows.

    Attributes:
        title: What was validated against what.
        anomalies: What was found.
        distances: What was measured.
        charts: The distributions that changed.
    """

    title: str
    anomalies: Sequence[Anomaly]
    distances: Sequence[Distance] = ()
    charts: Sequence[Chart] = ()

    def to_json(self) -> str:
        """As text; `from_json` reads it back."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> AnomalyReport:
        """Reads what `to_json` wrote."""
        raw: Mapping[str, Any] = json.loads(text)
        return cls(
            raw["title"],
            [Anomaly(**each) for each in raw["anomalies"]],
            [Distance(**each) for each in raw["distances"]],
            [
                Chart(**{**each, "sides": [Side(**side) for side in each["sides"]]})
                for each in raw["charts"]
            ],
        )


def read_report(artifact: Artifact) -> AnomalyReport:
    """The report of an artifact.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = artifact.path(REPORT_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            return AnomalyReport.from_json(file.read())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "the anomalies have no report that can be read",
            expected=REPORT_FILE,
            got=str(error),
            location=path,
            fix="run the node that writes it again, with --no-cache",
        ) from error
