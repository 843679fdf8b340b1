# SPDX-License-Identifier: Apache-2.0
"""Keeps an anomaly report in an `ExampleAnomalies` artifact."""

from __future__ import annotations

from ...utils.storage_errors import storage_errors
from ..base.artifact import Artifact
from .anomaly_report import REPORT_FILE, AnomalyReport
from .report_html import render_html

HTML_FILE = "report.html"


def write_report(artifact: Artifact, report: AnomalyReport) -> None:
    """Writes a report into an artifact, as data and as a page."""
    for name, text in ((REPORT_FILE, report.to_json()), (HTML_FILE, render_html(report))):
        path = artifact.path(name)
        with storage_errors(path, "write"), open(path, "w", encoding="utf-8") as file:
            file.write(text)
