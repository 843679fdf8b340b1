# SPDX-License-Identifier: Apache-2.0
"""An anomaly report's charts as a picture, by matplotlib."""

from __future__ import annotations

import textwrap
from typing import Any

from ...utils.errors import DataError
from .anomaly_report import AnomalyReport, Chart
from .anomaly_table import headline, table_rows
from .report_html import shortened, side_colours

#: Most charts in a picture, and most anomalies listed above them.
MAX_CHARTS, _MAX_LINES = 6, 12


def write_png(report: AnomalyReport, path: str) -> None:
    """Draws the anomalies and the distributions that have some.

    Raises:
        DataError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DataError(
            "a picture needs matplotlib",
            got=str(error),
            fix='pip install "penstock[notebook]", or look at the HTML report, which needs nothing',
        ) from error
    charts = list(report.charts)[:MAX_CHARTS]
    words = _words(report)
    heights = [0.2 * len(words) + 0.6, *(_height(chart) for chart in charts)]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    rows[0].axis("off")
    rows[0].set_title(_plain(shortened(report.title, 100)), loc="left", fontsize=13, weight="bold")
    rows[0].text(
        0,
        1,
        "\n".join(words),
        transform=rows[0].transAxes,
        va="top",
        fontsize=8.5,
        parse_math=False,
    )
    for axes, chart in zip(rows[1:], charts, strict=True):
        _draw(axes, chart)
    # Without the name of the program, equal reports are equal files.
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _words(report: AnomalyReport) -> list[str]:
    rows = table_rows(report.anomalies)
    lines = [headline(report.anomalies)]
    for severity, split, feature, short, _ in rows[:_MAX_LINES]:
        lines += textwrap.wrap(f"{severity}  {split}  {shortened(feature, 60)}: {short}", 140)
    if len(rows) > _MAX_LINES:
        lines.append(f"… and {len(rows) - _MAX_LINES} more")
    if len(report.charts) > MAX_CHARTS:
        lines.append(f"(the first {MAX_CHARTS} of {len(report.charts)} distributions)")
    return lines


def _height(chart: Chart) -> float:
    if chart.kind == "numbers":
        return 3.0
    return 1.3 + len(chart.labels) * (0.14 * len(chart.sides) + 0.1)


def _draw(axes: Any, chart: Chart) -> None:
    colours = side_colours(len(chart.sides))
    size = 0.8 / max(1, len(chart.sides))
    title = f"{shortened(chart.feature, 70)} ({chart.split})"
    if chart.note:
        title += "\n" + shortened(chart.note, 100)
    axes.set_title(_plain(title), loc="left", fontsize=9)
    for place, (side, colour) in enumerate(zip(chart.sides, colours, strict=True)):
        at = [index + (place - (len(chart.sides) - 1) / 2) * size for index in _places(chart)]
        named = _plain(f"{side.name}: {side.summary}")
        if chart.kind == "categories":
            bars = axes.barh(at, side.shares, size, color=colour, label=named)
            if side.records is not None:
                axes.bar_label(bars, [f" {s:.1%}" for s in side.shares], fontsize=6.5)
        else:
            axes.bar(at, side.shares, size, color=colour, label=named)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if chart.kind == "categories":
        axes.set_yticks(list(_places(chart)))
        axes.set_yticklabels([_plain(shortened(label)) for label in chart.labels])
        for tick, label in zip(axes.get_yticklabels(), chart.labels, strict=True):
            if label in chart.unexpected:
                tick.set_color("#b3261e")
                tick.set_fontweight("bold")
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel("share of records", fontsize=8)
        axes.margins(x=0.08)
    else:
        axes.set_xticks([index - 0.5 for index in _places(chart)][::4])
        axes.set_xticklabels([label.split(" – ")[0] for label in chart.labels][::4])
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel(_plain(shortened(chart.feature, 70)), fontsize=8)
        axes.set_ylabel("share of values", fontsize=8)
        axes.margins(y=0.25)  # room for the legend
    axes.legend(fontsize=7.5, loc="best", frameon=False)


def _places(chart: Chart) -> range:
    return range(len(chart.labels))


def _plain(text: str) -> str:
    """A text in which dollar signs are dollar signs, not mathematics."""
    return text.replace("$", r"\$")
