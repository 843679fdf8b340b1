# SPDX-License-Identifier: Apache-2.0
"""Reports of anomalies: as data, as a page, as a picture."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from penstock.components.base.artifact_types import ExampleAnomalies
from penstock.components.validate.anomaly_report import (
    AnomalyReport,
    Distance,
    read_report,
)
from penstock.components.validate.anomaly_table import Anomaly
from penstock.components.validate.distribution import (
    MISSING,
    OTHER,
    Distribution,
    distance,
    rebinned,
)
from penstock.components.validate.report_charts import RANGES, chart_of
from penstock.components.validate.report_files import write_report
from penstock.components.validate.report_html import render_html, shortened
from penstock.utils.errors import DataError

NASTY = "<script>alert('x')</script> & \"quoted\" $\\frac{1}{0}$"
LONG = "a feature with a name that goes on " * 6


def sample_report() -> AnomalyReport:
    """A report with all that is awkward in it."""
    before = Distribution(1000, 0.2, {"plain": 0.5, "gone": 0.3, MISSING: 0.2}, distinct=2)
    now = Distribution(900, 0.5, {"plain": 0.3, NASTY: 0.2, MISSING: 0.5}, distinct=2)
    spread = tuple((i * 10.0, i * 10.0 + 10, 0.1) for i in range(10))
    numbers = Distribution(900, 0.0, buckets=spread, quantiles=spread, mean=50, std_dev=29)
    lower = Distribution(1000, 0.1, buckets=spread[:5], quantiles=spread[:5], mean=25, std_dev=14)
    charts = [
        chart_of("train", LONG, {"span 1": before, "span 2": now}, {"plain", "gone"}),
        chart_of("train", "price in $", {"span 1": lower, "span 2": numbers}),
        chart_of("eval", "dropped", {"span 1": before, "span 2": None}),
    ]
    anomalies = [
        Anomaly("train", LONG, "error", "Unexpected string values", f"There is {NASTY}"),
        Anomaly("train", "price in $", "warning", "High divergence", "It is high."),
        Anomaly("eval", "dropped", "error", "Column dropped", "The column is gone."),
    ]
    distances = [Distance("train", LONG, "drift", "infinity norm", 0.2, 0.1)]
    return AnomalyReport("ExampleValidator: span 2 against span 1", anomalies, distances, charts)


def test_report_survives_being_written(tmp_path: Path) -> None:
    """What a report says changes on its way through the artifact."""
    artifact = ExampleAnomalies(str(tmp_path))
    write_report(artifact, sample_report())
    assert read_report(artifact).to_json() == sample_report().to_json()
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(DataError, match="no report that can be read"):
        read_report(artifact)


class Checker(HTMLParser):
    """Sees to it that tags are closed, and collects texts and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_page_stands_alone_and_escapes() -> None:
    """Text from the data becomes part of the page, or the page loads something."""
    page = Checker()
    page.feed(render_html(sample_report()))
    assert page.open == [] and "script" not in page.tags and page.links == []
    text = " ".join(page.texts)
    assert NASTY in text and LONG.strip() in text
    assert "not there" in text and MISSING in text
    assert "ExampleValidator: span 2 against span 1" in text
    assert "gone 30.0% → 0.0%" in text


def test_report_without_anomalies() -> None:
    """A clean report cannot be drawn."""
    assert "no anomalies" in render_html(AnomalyReport("t", []))


def test_picture(tmp_path: Path) -> None:
    """The picture cannot be drawn of awkward names, or differs each time."""
    pytest.importorskip("matplotlib")
    from penstock.components.validate.report_png import write_png

    for name in ("one.png", "two.png"):
        write_png(sample_report(), str(tmp_path / name))
    one = (tmp_path / "one.png").read_bytes()
    assert one.startswith(b"\x89PNG") and one == (tmp_path / "two.png").read_bytes()
    write_png(AnomalyReport("t", []), str(tmp_path / "three.png"))


def test_charts_show_what_matters() -> None:
    """Rare values crowd out those that changed, or shares do not add up."""
    many = {f"v{number}": 0.01 for number in range(90)}
    before = Distribution(1000, 0.0, {**many, "new": 0.0, OTHER: 0.1}, distinct=500)
    now = Distribution(1000, 0.05, {**many, "new": 0.05, MISSING: 0.05}, distinct=91)
    chart = chart_of("train", "f", {"before": before, "now": now}, set(many))
    assert chart.unexpected == ["new"] and chart.labels[-2:] == [OTHER, MISSING]
    for side in chart.sides:
        assert sum(side.shares) == pytest.approx(1)


def test_crowded_numbers_are_shown_larger() -> None:
    """One outlier squeezes a histogram into a single bar."""
    outlier = ((0.0, 1000.0, 0.999), (1000.0, 1e6, 0.001))
    inner = (*((float(i), i + 1.0, 0.1) for i in range(9)), (9.0, 1e6, 0.1))
    found = Distribution(1000, 0.0, buckets=outlier, quantiles=inner)
    chart = chart_of("train", "f", {"now": found})
    assert len(chart.labels) == RANGES and max(chart.sides[0].shares) < 0.1
    same = Distribution(10, 0.0, buckets=((3.0, 3.0, 1.0),), quantiles=((3.0, 3.0, 1.0),) * 3)
    assert sum(chart_of("train", "f", {"now": same}).sides[0].shares) == pytest.approx(1)


def test_distances() -> None:
    """Labels far apart count as alike."""
    one, other = (Distribution(10, 0, {"0": 1 - p, "1": p}) for p in (0.3, 0.7))
    assert distance(one, other)[0] == pytest.approx(0.4)
    low, high = (Distribution(10, 0, buckets=((at, at + 1.0, 1.0),)) for at in (0.0, 5.0))
    assert distance(low, high)[0] == pytest.approx(1)
    assert distance(low, low) == (0.0, "")
    assert rebinned([(0, 10, 1.0)], [0, 5, 10]) == pytest.approx((0.5, 0.5))
    assert shortened("x" * 100, 11) == "xxxxx…xxxxx"
