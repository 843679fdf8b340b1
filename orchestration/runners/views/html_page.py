# SPDX-License-Identifier: Apache-2.0
"""A view as HTML: whole without scripts, sortable and searchable with them, none from outside."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from ....components.validate.report_html import chart_svg, side_colours
from .curves_svg import curves_svg
from .dots_svg import dots_svg
from .graph_svg import graph_svg
from .page_style import SCRIPT, STYLE
from .svg_images import with_images
from .view import (
    Bars,
    Block,
    Cell,
    Code,
    Curves,
    Document,
    Dots,
    Facts,
    Fold,
    Graph,
    Spark,
    Table,
    Toned,
    View,
    Words,
    is_number,
)

#: Longest text of a cell, and how many parts a page has that needs a list of them.
_LONGEST_CELL, _CONTENTS = 300, 4
#: Longer headings are broken, and tables of more columns are wider than the page.
_LONG_HEADING, _MANY_COLUMNS = 32, 12
#: Where names may be broken: within a word only where nothing else helps.
_BREAK = re.compile("(?<=[_/.])(?=[A-Za-z])")
#: Hebrew, Arabic and their like, with what stands between two words of them.
_RIGHT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_FROM_THE_RIGHT = re.compile(f"[{_RIGHT}]+(?:[\\s\u2010-\u2015.-]+[{_RIGHT}]+)*")
#: What the style hides: it is seen where a notebook is shown without.
_UNTRUSTED = (
    "Shown without its style, sorting and filters: the notebook is not trusted (in JupyterLab: "
    "View, Activate Command Palette, Trust Notebook), or the page allows none."
)


def html_fragment(*views: View) -> str:
    """Views for a notebook's cell, or to put into a page of one's own."""
    inside = with_images(_parts(views))
    return _with_style(f'<p class="untrusted penstock-view">{_UNTRUSTED}</p>\n{inside}')


def _parts(views: Sequence[View]) -> str:
    return "\n".join(
        f'<div class="penstock-view" id="part-{number}">\n{view_html(view)}\n</div>'
        for number, view in enumerate(views, 1)
    )


def _with_style(inside: str) -> str:
    return f"<style>{STYLE}</style>\n{inside}\n<script>{SCRIPT}</script>"


def html_page(title: str, *views: View) -> str:
    """Views as one page that needs nothing else."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n"
        "<style>body { margin: 1rem auto; max-width: 1220px; background: #fff }</style>\n"
        f"</head>\n<body>\n{_contents(views)}{_with_style(_parts(views))}\n"
        "</body>\n</html>\n"
    )


def _contents(views: Sequence[View]) -> str:
    """Links to the parts of a long page."""
    if len(views) < _CONTENTS:
        return ""
    links = "".join(
        f'<li><a href="#part-{number}">{escape(view.title)}</a></li>'
        for number, view in enumerate(views, 1)
    )
    return f'<nav class="penstock-view" aria-label="contents"><ul>{links}</ul></nav>\n'


def view_html(view: View) -> str:
    """The inside of a view."""
    head = f"<h2>{escape(view.title)}</h2>"
    if view.subtitle:
        head += f'\n<p class="sub">{escape(view.subtitle)}</p>'
    return "\n".join([head, *map(_block, view.blocks)])


def _block(block: Block) -> str:
    if isinstance(block, Words):
        return f'<p class="{block.tone}">{_text(block.text)}</p>'
    if isinstance(block, Facts):
        return _facts(block)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Bars):
        return _bars(block)
    if isinstance(block, Curves):
        return f'<h3>{escape(block.title)}</h3>\n<div class="draw">{curves_svg(block)}</div>'
    if isinstance(block, Dots):
        return f'<h3>{escape(block.title)}</h3>\n<div class="draw">{dots_svg(block)}</div>'
    if isinstance(block, Graph):
        return f'<h3>{escape(block.title)}</h3>\n<div class="draw">{graph_svg(block)}</div>'
    if isinstance(block, Document):
        # It has a heading of its own.
        return (
            f'<iframe sandbox title="{escape(block.title)}" srcdoc="{escape(block.html)}"></iframe>'
        )
    if isinstance(block, Code):
        return f"<pre>{escape(block.text)}</pre>"
    return _fold(block)


def _fold(block: Fold) -> str:
    inside = "\n".join(map(_block, block.blocks))
    opened = " open" if block.is_open else ""
    return f"<details{opened}><summary>{escape(block.title)}</summary>\n{inside}\n</details>"


def _facts(block: Facts) -> str:
    rows = [
        f"<dt>{escape(name)}</dt><dd>{_inline(value)}</dd>"
        for name, value in block.pairs
        if value not in (None, "")
    ]
    return f"<dl>{''.join(rows)}</dl>"


def _table(block: Table) -> str:
    numeric = [
        any(is_number(row[index]) for row in block.rows)
        and all(is_number(row[index]) or row[index] in (None, "") for row in block.rows)
        for index in range(len(block.columns))
    ]
    head = "".join(map(_heading, block.columns, numeric))
    rows = "\n".join("<tr>" + "".join(map(_cell, row, numeric)) + "</tr>" for row in block.rows)
    title = f"<h3>{escape(block.title)}</h3>\n" if block.title else ""
    note = f'<p class="dim">{_text(block.note)}</p>\n' if block.note else ""
    if not block.rows:
        return f'{title}{note}<p class="dim">There are none.</p>'
    many = ' class="many"' if len(block.columns) > _MANY_COLUMNS else ""
    return (
        f'{title}{note}<div class="grid"><table{many}><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _heading(name: str, numeric: bool) -> str:
    is_long = len(name) > _LONG_HEADING
    kinds = ["number"] * numeric + ["long"] * is_long
    given = f' class="{" ".join(kinds)}"' if kinds else ""
    text = _BREAK.sub("<wbr>", escape(name)) if is_long else escape(name)
    return f"<th{given}>{text}</th>"


def _cell(value: Cell, numeric: bool = False) -> str:
    if value is None:
        return f'<td class="none{" number" if numeric else ""}">–</td>'
    if isinstance(value, Toned):
        return f'<td class="{value.tone}">{_inline(value)}</td>'
    if isinstance(value, (int, float)) and is_number(value):
        if math.isnan(value):
            return '<td class="none number">nan</td>'
        exact = repr(value).replace("inf", "Infinity")
        return f'<td class="number" data-value="{exact}">{_inline(value)}</td>'
    return f"<td>{_inline(value)}</td>"


def _inline(value: Cell) -> str:
    if isinstance(value, Spark):
        return _spark(value)
    text = value.text if isinstance(value, Toned) else number_text(value)
    if len(text) > _LONGEST_CELL:
        return f'<span title="{escape(text[:2000])}">{_text(text[:_LONGEST_CELL])}…</span>'
    return _text(text)


def _text(text: str) -> str:
    """Text in which words that run from right to left leave the others where they are."""
    return _FROM_THE_RIGHT.sub(r"<bdi>\g<0></bdi>", escape(text))


def number_text(value: Cell) -> str:
    """A cell's value as people read it: numbers to four figures, the rest as it is."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (value == int(value) if math.isfinite(value) else False):
        return f"{int(value):,}" if abs(value) < 1e15 else f"{value:.4g}"
    if not math.isfinite(value):
        return str(value)
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:.4g}"


def _bars(block: Bars) -> str:
    chart = block.chart
    key = "<br>".join(
        f'<span style="color:{colour}">■</span> {escape(side.name)}: {escape(side.summary)}'
        for side, colour in zip(chart.sides, side_colours(len(chart.sides)), strict=True)
    )
    note = f'<p class="dim">{_text(chart.note)}</p>' if chart.note else ""
    where = f" <small>({escape(chart.split)})</small>" if chart.split else ""
    return (
        f"<h3>{escape(chart.feature)}{where}</h3>\n{note}"
        f'<p class="key">{key}</p>\n{chart_svg(chart)}'
    )


def _spark(spark: Spark) -> str:
    width, height = 120, 26
    colours = side_colours(len(spark.sides))
    tallest = max((share for side in spark.sides for share in side), default=0) or 1
    most = max((len(side) for side in spark.sides), default=0) or 1
    marks = _spark_bars(spark.sides, colours, tallest, width / most, height)
    told = f"<title>{escape(spark.told)}</title>" if spark.told else ""
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(spark.told or "histogram")}">{told}'
        f'<line x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}" stroke="#c3ccd6"/>'
        f"{marks}</svg>"
    )


def _spark_bars(
    sides: Sequence[Sequence[float]],
    colours: Sequence[str],
    tallest: float,
    step: float,
    height: int,
) -> str:
    marks = []
    for place, (side, colour) in enumerate(zip(sides, colours, strict=True)):
        wide = max(0.6, (step - 0.8) / len(sides))
        path = ""
        for index, share in enumerate(side):
            if share > 0:
                tall = max(0.8, (height - 2) * share / tallest)
                left = index * step + place * wide
                path += f"M{left:.1f} {height - 1}v-{tall:.1f}h{wide:.1f}v{tall:.1f}z"
        if path:
            marks.append(f'<path d="{path}" fill="{colour}"/>')
    return "".join(marks)
