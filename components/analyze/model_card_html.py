# SPDX-License-Identifier: Apache-2.0
"""A model card as one page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from ..validate.anomaly_report import Chart, Side
from ..validate.report_html import chart_svg, side_colours
from .model_card_charts import influence_svg, metric_svg
from .model_card_prose import inline_html, to_html
from .model_card_words import MISSED, OPEN, PASSED, MetricChart, Section, Table, headline, sections

_STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1d2430; margin: 2rem auto;
  max-width: 1060px; padding: 0 1rem; background: #fff }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid #dde3ea;
  padding-bottom: .25rem } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; overflow-wrap: anywhere }
h4 { margin: .8rem 0 .2rem } p { margin: .4rem 0 } ul { margin: .3rem 0; padding-left: 1.4rem }
table { border-collapse: collapse; font-size: 13px; margin: .6rem 0 1rem; max-width: 100% }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #dde3ea;
  vertical-align: top; overflow-wrap: break-word } th { background: #f4f6f8 }
td { min-width: 3rem; max-width: 46rem } td:first-child { min-width: 7rem }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.wide { overflow-x: auto } .passed { color: #226b3c; font-weight: 600 }
.missed { color: #b3261e; font-weight: 600 } .open { color: #8a5a00; font-weight: 600 }
.badge { display: inline-block; border: 1.5px solid; border-radius: 999px; padding: .1rem .8rem }
figure { margin: .8rem 0; break-inside: avoid } figcaption { font-weight: 600 }
.key { margin: .2rem 0; color: #44505f; font-size: 13px }
.key span { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px;
  margin: 0 .35rem -.1rem 0 } svg { max-width: 100%; height: auto }
details { margin: .6rem 0 } summary { cursor: pointer; color: #2b5a86 }
code { background: #f4f6f8; padding: 0 .25rem; border-radius: 3px }
@media print { details > * { display: block } }
@media (max-width: 600px) { body { margin: 1rem auto } }
"""

#: With more charts of distributions than this, they are folded away.
_OPEN_CHARTS = 6


def render_html(card: Mapping[str, Any]) -> str:
    """The page's text."""
    told, state = headline(card)
    parts = [
        f"<h1>{escape(card['name'])}</h1>",
        f'<p><span class="badge {state}">{escape(told)}</span></p>',
        *(_section(section) for section in sections(card)),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Model card: {escape(card['name'])}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    drawn = [each for each in section.parts if isinstance(each, dict) and "sides" in each]
    others = [_part(each) for each in section.parts if each not in drawn]
    charts = "\n".join(_distribution(each) for each in drawn)
    if len(drawn) > _OPEN_CHARTS:
        first = "\n".join(_distribution(each) for each in drawn[:_OPEN_CHARTS])
        rest = "\n".join(_distribution(each) for each in drawn[_OPEN_CHARTS:])
        more = f"{len(drawn) - _OPEN_CHARTS} more distributions"
        charts = f"{first}\n<details><summary>{more}</summary>\n{rest}\n</details>"
    return f"<h2>{escape(section.title)}</h2>\n" + "\n".join([*others, charts]).strip()


def _part(part: Any) -> str:
    if isinstance(part, str):
        return to_html(part)
    if isinstance(part, list):
        return "<ul>" + "".join(f"<li>{inline_html(each)}</li>" for each in part) + "</ul>"
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, MetricChart):
        return _metric(part)
    return f"<figure>{influence_svg(part['influence']['features'])}</figure>"


def _table(table: Table) -> str:
    numbers = set(table.numbers)
    head = ""
    if any(table.head):
        cells = "".join(
            f'<th class="number">{escape(each)}</th>'
            if i in numbers
            else f"<th>{escape(each)}</th>"
            for i, each in enumerate(table.head)
        )
        head = f"<tr>{cells}</tr>\n"
    rows = "\n".join(
        "<tr>" + "".join(_cell(cell, i in numbers) for i, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return f'<div class="wide"><table>\n{head}{rows}\n</table></div>'


def _cell(text: str, is_number: bool) -> str:
    kind = {PASSED: "passed", MISSED: "missed", OPEN: "open"}.get(text, "")
    kind = "number" if is_number else kind
    attribute = f' class="{kind}"' if kind else ""
    return f"<td{attribute}>{escape(text)}</td>"


def _metric(chart: MetricChart) -> str:
    keys = []
    if any(bar["baseline"] is not None for bar in chart.bars):
        keys.append('<span style="background:#d1602b"></span>the model before')
    if any(bar["interval"] for bar in chart.bars):
        keys.append("├─┤ confidence interval")
    if any(bar["missed"] for bar in chart.bars):
        keys.append('<span style="background:#b3261e"></span>misses a threshold')
    if chart.left_out:
        keys.append(f"{chart.left_out} smaller slices are not shown")
    key = f'<p class="key">{" &nbsp; ".join(keys)}</p>' if keys else ""
    title = f"<figcaption>{escape(chart.metric)}</figcaption>"
    return f"<figure>{title}{key}\n{metric_svg(chart)}</figure>"


def _distribution(raw: Mapping[str, Any]) -> str:
    chart = Chart(**{**raw, "sides": [Side(**side) for side in raw["sides"]]})
    key = "<br>".join(
        f'<span style="background:{colour}"></span>{escape(side.name)}: {escape(side.summary)}'
        for side, colour in zip(chart.sides, side_colours(len(chart.sides)), strict=True)
    )
    return (
        f"<figure><figcaption>{escape(chart.feature)}</figcaption>"
        f'<p class="key">{key}</p>\n{chart_svg(chart)}</figure>'
    )
