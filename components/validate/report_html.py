# SPDX-License-Identifier: Apache-2.0
"""An anomaly report as one page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .anomaly_report import AnomalyReport, Chart, Distance
from .anomaly_table import headline, table_rows

#: Colours of the sides, the current one last: they differ in lightness too.
COLOURS = ("#a9b8c6", "#5f7f9e", "#d1602b")
_WARN = "#b3261e"

_STYLE = """
body { font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #1d2430; margin: 2rem auto;
  max-width: 1100px; padding: 0 1rem; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 0 0 .2rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; font-size: 13px }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #dde3ea;
  vertical-align: top; overflow-wrap: anywhere; min-width: 5rem }
td:nth-child(1) { min-width: 7rem } td.error, td.warning { min-width: 4rem; width: 4rem }
td:nth-child(3) { min-width: 9rem } td:nth-child(5):not(.number) { width: 50% }
th { background: #f4f6f8 } td.number { text-align: right; font-variant-numeric: tabular-nums }
.error { color: #b3261e; font-weight: 600 } .warning { color: #8a5a00; font-weight: 600 }
.fine { color: #226b3c } section { border: 1px solid #dde3ea; border-radius: 8px;
  padding: 1rem; margin: 1rem 0; break-inside: avoid } .key { margin: .3rem 0; color: #44505f }
.key span { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px;
  margin: 0 .35rem -.1rem 0 } .note { margin: .2rem 0 .6rem } svg { max-width: 100%; height: auto }
@media (max-width: 600px) { body { margin: 1rem auto } }
"""

_WIDTH, _LABELS, _BAR = 1000, 300, 13


def render_html(report: AnomalyReport) -> str:
    """The page's text."""
    status = "error" if any(a.stops for a in report.anomalies) else "warning"
    found = headline(report.anomalies)
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="{status if report.anomalies else "fine"}">{escape(found)}</p>',
    ]
    if report.anomalies:
        parts += ["<h2>Anomalies</h2>", _anomalies(report)]
    if report.charts:
        parts.append("<h2>Distributions with anomalies</h2>")
        parts += [_section(chart, report) for chart in report.charts]
    if report.distances:
        parts += ["<h2>All distances that were measured</h2>", _distances(report.distances)]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def shortened(text: str, most: int = 44) -> str:
    """A text with its middle left out where it is too long, on one line."""
    text = " ".join(text.split())
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half].rstrip()}…{text[-half:].lstrip()}"


def _anomalies(report: AnomalyReport) -> str:
    rows = [
        f'<tr><td class="{escape(severity)}">{escape(severity)}</td>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for severity, *cells in table_rows(report.anomalies)
    ]
    return _table(("severity", "split", "feature", "anomaly", "description"), rows)


def _distances(distances: Sequence[Distance]) -> str:
    rows = [
        f"<tr><td>{escape(d.feature)}</td><td>{escape(d.split)}</td>"
        f"<td>{escape(d.comparison)}, {escape(d.measure)}</td>"
        f'<td class="number{" error" if d.value > d.threshold else ""}">{d.value:.4f}</td>'
        f'<td class="number">{d.threshold:g}</td></tr>'
        for d in distances
    ]
    return _table(("feature", "split", "measure", "distance", "threshold"), rows)


def _table(headings: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{each}</th>" for each in headings)
    return f"<table>\n<tr>{head}</tr>\n" + "\n".join(rows) + "\n</table>"


def _section(chart: Chart, report: AnomalyReport) -> str:
    told = [a for a in report.anomalies if (a.split, a.feature) == (chart.split, chart.feature)]
    lines = "".join(f'<li class="{a.severity}">{escape(a.short)}</li>' for a in told)
    key = "<br>".join(
        f'<span style="background:{colour}"></span>{escape(side.name)}: {escape(side.summary)}'
        for side, colour in zip(chart.sides, side_colours(len(chart.sides)), strict=True)
    )
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    return (
        f"<section>\n<h3>{escape(chart.feature)} <small>({escape(chart.split)})</small></h3>\n"
        f'<ul>{lines}</ul>\n{note}\n<p class="key">{key}</p>\n{chart_svg(chart)}\n</section>'
    )


def chart_svg(chart: Chart) -> str:
    """A chart as SVG, without its title and key."""
    return _bars(chart) if chart.kind == "categories" else _columns(chart)


def side_colours(count: int) -> tuple[str, ...]:
    """Colours of the sides of a chart."""
    return COLOURS[-count:] if count <= len(COLOURS) else (COLOURS[0],) * (count - 3) + COLOURS


def _bars(chart: Chart) -> str:
    """Horizontal bars: a group for each value, a bar for each side."""
    colours = side_colours(len(chart.sides))
    group = _BAR * len(chart.sides) + 9
    longest = max((share for side in chart.sides for share in side.shares), default=0) or 1
    room = _WIDTH - _LABELS - 70
    marks = []
    for index, label in enumerate(chart.labels):
        top = index * group + 4
        odd = label in chart.unexpected
        colour = f' fill="{_WARN}" font-weight="600"' if odd else ""
        text = (shortened(label, 36 if odd else 39) or "(empty text)") + (" ⚠" if odd else "")
        marks.append(
            f'<text x="{_LABELS - 8}" y="{top + (group - 9) / 2 + 4:.1f}" text-anchor="end"'
            f"{colour}>{escape(text)}<title>{escape(label)}</title></text>"
        )
        for place, (side, fill) in enumerate(zip(chart.sides, colours, strict=True)):
            if side.records is None:
                continue
            share, y = side.shares[index], top + place * _BAR
            width = max(room * share / longest, 0.5)
            marks.append(
                f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" '
                f'fill="{fill}"/><text x="{_LABELS + width + 5:.1f}" y="{y + 10}" '
                f'font-size="11">{share:.1%}</text>'
            )
    described = f"Shares of the values of {chart.feature}"
    return _svg(described, _WIDTH, len(chart.labels) * group + 8, marks)


def _columns(chart: Chart) -> str:
    """Vertical bars: a group for each range of numbers."""
    height, left, bottom = 240, 52, 60
    colours = side_colours(len(chart.sides))
    tallest = max((share for side in chart.sides for share in side.shares), default=0) or 1
    step = (_WIDTH - left - 10) / max(1, len(chart.labels))
    floor = height - bottom
    marks = [
        f'<line x1="{left}" x2="{_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dde3ea"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11">{share:.1%}</text>'
        for share in (0, tallest / 2, tallest)
        for y in [floor - (floor - 12) * share / tallest]
    ]
    for place, (side, fill) in enumerate(zip(chart.sides, colours, strict=True)):
        width = (step - 3) / len(chart.sides)
        for index, share in enumerate(side.shares):
            tall = (floor - 12) * share / tallest
            marks.append(
                f'<rect x="{left + index * step + place * width:.1f}" y="{floor - tall:.1f}" '
                f'width="{width:.1f}" height="{tall:.1f}" fill="{fill}">'
                f"<title>{escape(chart.labels[index])}: {share:.1%}</title></rect>"
            )
    for index, label in enumerate(chart.labels):
        if index % 4 == 0:
            x = left + index * step
            start = escape(label.split(" – ")[0])
            marks.append(f'<text x="{x:.1f}" y="{floor + 16}" font-size="11">{start}</text>')
    if chart.labels:
        end = escape(chart.labels[-1].split(" – ")[-1])
        marks.append(
            f'<text x="{_WIDTH - 10}" y="{floor + 16}" text-anchor="end" '
            f'font-size="11">{end}</text>'
        )
    marks.append(
        f'<text x="{_WIDTH / 2}" y="{height - 16}" text-anchor="middle">'
        f"{escape(shortened(chart.feature, 80))}</text>"
    )
    return _svg(f"Histograms of {chart.feature}", _WIDTH, height, marks)


def _svg(described: str, width: int, height: int, marks: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'font-size="12" fill="#1d2430" font-family="system-ui, DejaVu Sans, sans-serif" '
        f'aria-label="{escape(described)}">' + "\n".join(marks) + "</svg>"
    )
