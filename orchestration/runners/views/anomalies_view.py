# SPDX-License-Identifier: Apache-2.0
"""Anomalies: what is wrong with data, and the distributions that changed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ....components.base.artifact import Artifact
from ....components.base.artifact_types import ExampleAnomalies
from ....components.validate.anomaly_report import REPORT_FILE, AnomalyReport, read_report
from ....components.validate.anomaly_table import (
    Anomaly,
    headline,
    list_anomalies,
    table_rows,
)
from .splits import as_type, chosen_splits
from .view import CHARTS, Bars, Block, Cell, Fold, Table, Tone, Toned, View, Wanted, Words


def anomalies_view(artifact: Artifact, wanted: Wanted) -> View:
    """The anomalies of an artifact.

    Raises:
        DataError: There are none that can be read.
    """
    anomalies = as_type(artifact, ExampleAnomalies)
    return report_view(_report(anomalies), chosen_splits(anomalies, wanted), wanted, artifact.uri)


def report_view(
    report: AnomalyReport, chosen: Sequence[str], wanted: Wanted, where: str = ""
) -> View:
    """The picture of an anomaly report.

    Args:
        report: The report.
        chosen: Names of the splits to show.
        wanted: Which features.
        where: Where it lies.
    """
    splits, features = set(chosen), set(wanted.features)
    found = [
        each
        for each in report.anomalies
        if each.split in splits and (not features or each.feature in features)
    ]
    blocks: list[Block] = [Words(headline(found), _tone(found))]
    if found:
        rows: list[list[Cell]] = [
            [Toned(severity, "error" if severity != "warning" else "warning"), *cells]
            for severity, *cells in table_rows(found)
        ]
        blocks.append(Table(("severity", "split", "feature", "anomaly", "description"), rows))
    bars = [
        Bars(chart)
        for chart in report.charts
        if chart.split in splits and (not features or chart.feature in features)
    ]
    if bars:
        blocks.append(Fold("Distributions with anomalies", bars[:CHARTS], is_open=True))
    distances = [
        (d.feature, d.split, f"{d.comparison}, {d.measure}", d.value, d.threshold)
        for d in report.distances
        if d.split in splits and (not features or d.feature in features)
    ]
    if distances:
        columns = ("feature", "split", "measure", "distance", "threshold")
        blocks.append(Fold("All distances that were measured", [Table(columns, distances)]))
    return View(report.title or "Anomalies", blocks, where)


def _report(anomalies: ExampleAnomalies) -> AnomalyReport:
    if os.path.exists(anomalies.path(REPORT_FILE)):
        return read_report(anomalies)
    # Written by TFX: no report lies beside its messages.
    from ....components.validate.statistics_file import read_anomalies

    found: list[Anomaly] = []
    for split in anomalies.splits:
        found += list_anomalies(split, read_anomalies(anomalies, split))
    return AnomalyReport("Anomalies", found)


def _tone(found: list[Anomaly]) -> Tone:
    if not found:
        return "fine"
    return "error" if any(each.stops for each in found) else "warning"
