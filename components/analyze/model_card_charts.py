# SPDX-License-Identifier: Apache-2.0
"""Charts of a model card as SVG: metrics by slice, and how much features matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..validate.report_html import shortened
from .model_card_words import MetricChart, number

_WIDTH, _LABELS, _RIGHT, _STEP = 1000, 300, 150, 26
_INK, _MUTED, _GRID = "#1d2430", "#5f6b7a", "#dde3ea"
_BAR, _WARN, _BASE = "#5f7f9e", "#b3261e", "#1d2430"
#: Most features in a chart.
_MOST_FEATURES = 25


def metric_svg(chart: MetricChart) -> str:
    """A metric by slice: bars, with confidence intervals and the baseline's values."""
    numbers = [value for bar in chart.bars for value in _numbers_of(bar)]
    low, high = _range(numbers)
    room = _WIDTH - _LABELS - _RIGHT

    def at(value: float) -> float:
        return _LABELS + room * (value - low) / (high - low)

    marks = _grid(low, high, at, len(chart.bars) * _STEP)
    for index, bar in enumerate(chart.bars):
        top = index * _STEP + 6
        colour = _WARN if bar["missed"] else _BAR
        start, end = sorted((at(max(low, min(0.0, high))), at(bar["value"])))
        label = shortened(bar["name"], 40) + (" ⚠" if bar["missed"] else "")
        weight = ' font-weight="600"' if index == 0 else ""
        marks.append(
            f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end" '
            f'fill="{_WARN if bar["missed"] else _INK}"{weight}>{escape(label)}'
            f"<title>{escape(bar['name'])}</title></text>"
            f'<rect x="{start:.1f}" y="{top}" width="{max(end - start, 1):.1f}" height="16" '
            f'fill="{colour}"/>'
        )
        marks += _whiskers(bar, at, top)
        told = number(bar["value"])
        if bar["rows"] is not None:
            told += f"  ({int(bar['rows']):,} rows)"
        marks.append(
            f'<text x="{_WIDTH - _RIGHT + 12}" y="{top + 13}" font-size="11">{told}</text>'
        )
    return _svg(f"{chart.metric} by slice", len(chart.bars) * _STEP + 34, marks)


def influence_svg(features: Sequence[Mapping[str, Any]]) -> str:
    """How much features matter, the most important first, with standard deviations."""
    shown = list(features)[:_MOST_FEATURES]
    ends = [float(f["importance"] + s * f["deviation"]) for f in shown for s in (-1, 1)]
    low, high = min([0.0, *ends]), max([1e-12, *ends])
    room = _WIDTH - _LABELS - _RIGHT

    def at(value: float) -> float:
        return _LABELS + room * (value - low) / (high - low)

    marks = _grid(low, high, at, len(shown) * _STEP)
    for index, feature in enumerate(shown):
        top = index * _STEP + 6
        value, spread = feature["importance"], feature["deviation"]
        start, end = sorted((at(0.0), at(value)))
        marks.append(
            f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end">'
            f"{escape(shortened(feature['name'], 42))}"
            f"<title>{escape(feature['name'])}</title></text>"
            f'<rect x="{start:.1f}" y="{top}" width="{max(end - start, 1):.1f}" height="16" '
            f'fill="{_BAR if value >= 0 else "#a9b8c6"}"/>'
            f'<line x1="{at(value - spread):.1f}" x2="{at(value + spread):.1f}" '
            f'y1="{top + 8}" y2="{top + 8}" stroke="{_INK}" stroke-width="1.5"/>'
            f'<text x="{_WIDTH - _RIGHT + 12}" y="{top + 13}" font-size="11">{value:.4g}</text>'
        )
    return _svg("How much features matter", len(shown) * _STEP + 34, marks)


def adds_svg(features: Sequence[Mapping[str, Any]]) -> str:
    """What each feature's value adds to one prediction, the largest first."""
    shown = [
        {
            "name": f"{each['name']} = {shortened(each['value'], 18)}",
            "importance": each["adds"],
            "deviation": 0.0,
        }
        for each in list(features)[:_MOST_FEATURES]
    ]
    return influence_svg(shown)


def _numbers_of(bar: Mapping[str, Any]) -> list[float]:
    ends = [each for each in bar["interval"] or () if each is not None]
    baseline = [] if bar["baseline"] is None else [bar["baseline"]]
    return [bar["value"], *ends, *baseline]


def _range(numbers: Sequence[float]) -> tuple[float, float]:
    """What the axis spans: from 0 where that is not far, else what there is."""
    low, high = min(numbers), max(numbers)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    low, high = min(0.0, low), max(0.0, high)
    return (low, high) if high > low else (low, low + 1.0)


def _grid(low: float, high: float, at: Any, height: float) -> list[str]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough * 0.999)
    marks = []
    tick = math.ceil(low / step - 1e-9)
    while tick * step <= high + step * 1e-9:
        value = tick * step
        marks.append(
            f'<line x1="{at(value):.1f}" x2="{at(value):.1f}" y1="0" y2="{height + 8:.0f}" '
            f'stroke="{_INK if tick == 0 else _GRID}"/>'
            f'<text x="{at(value):.1f}" y="{height + 24:.0f}" text-anchor="middle" '
            f'font-size="11" fill="{_MUTED}">{value:g}</text>'
        )
        tick += 1
    return marks


def _whiskers(bar: Mapping[str, Any], at: Any, top: int) -> list[str]:
    marks = []
    interval = bar["interval"]
    if interval and None not in interval:
        first, last = at(interval[0]), at(interval[1])
        marks.append(
            f'<path d="M{first:.1f} {top + 8} H{last:.1f} M{first:.1f} {top + 4} v8 '
            f'M{last:.1f} {top + 4} v8" stroke="{_INK}" stroke-width="1.4" fill="none"/>'
        )
    if bar["baseline"] is not None:
        x = at(bar["baseline"])
        marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3}" y2="{top + 19}" '
            f'stroke="#d1602b" stroke-width="3"><title>baseline: '
            f"{number(bar['baseline'])}</title></line>"
        )
    return marks


def _svg(described: str, height: float, marks: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" height="{height:.0f}" '
        f'role="img" font-size="12" fill="{_INK}" aria-label="{escape(described)}">'
        + "\n".join(marks)
        + "</svg>"
    )
