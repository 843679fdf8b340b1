# SPDX-License-Identifier: Apache-2.0
"""Lines over steps, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ....components.validate.report_html import shortened
from .view import Curves

#: They differ in lightness too; more lines than colours are told apart by dashes.
LINE_COLOURS = ("#d1602b", "#2f5d8a", "#6b9a3a", "#8a4f9e", "#b58900", "#3a3f4a")
#: Differences below this share of the values are rounding.
_NOISE = 1e-12
#: Larger numbers are not told apart, nor are smaller ones than its inverse from 0.
_MOST = 1e300
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 760, 300, 74, 46, 12, 200


def curves_svg(curves: Curves) -> str:
    """The picture."""
    lines = {
        name: [(x, within(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in curves.lines.items()
    }
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    if not xs:
        return f"<p>{escape(curves.title)}: nothing was recorded</p>"
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    (x0, x1), (y0, y1) = _span(xs, x_ticks, tight=True), _span(ys, y_ticks)
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (right - _LEFT) * (x - x0) / (x1 - x0),
            floor - (floor - _TOP) * (y - y0) / (y1 - y0),
        )

    marks = []
    for tick in y_ticks:
        _, y = at(x0, tick)
        marks.append(
            f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e7ed"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
        )
    for tick in x_ticks:
        x, _ = at(tick, y0)
        if _LEFT - 1 <= x <= right + 1:
            marks.append(
                f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{tick:,.10g}</text>'
            )
    marks.append(
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle" '
        f'font-weight="600">{escape(curves.x_label)}</text>'
        f'<text transform="translate(14 {(floor + _TOP) / 2}) rotate(-90)" text-anchor="middle" '
        f'font-weight="600">{escape(shortened(curves.y_label, 34))}</text>'
    )
    for index, (name, points) in enumerate(lines.items()):
        marks.append(_line(index, name, [at(*point) for point in thinned(points)], points))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'font-size="11.5" fill="#1d2430" font-family="system-ui, DejaVu Sans, sans-serif" '
        f'aria-label="{escape(curves.title)}">{"".join(marks)}</svg>'
    )


def _line(
    index: int,
    name: str,
    drawn: Sequence[tuple[float, float]],
    points: Sequence[tuple[float, float]],
) -> str:
    colour = LINE_COLOURS[index % len(LINE_COLOURS)]
    dash = ' stroke-dasharray="6 3"' if index >= len(LINE_COLOURS) else ""
    told = f"{name}: last {points[-1][1]:.4g}" if points else f"{name}: no values"
    y = _TOP + 10 + index * 18
    key = (
        f'<line x1="{_WIDTH - _RIGHT + 14}" x2="{_WIDTH - _RIGHT + 34}" y1="{y - 4}" '
        f'y2="{y - 4}" stroke="{colour}" stroke-width="2.5"{dash}/>'
        f'<text x="{_WIDTH - _RIGHT + 40}" y="{y}">{escape(shortened(told, 26))}'
        f"<title>{escape(told)}</title></text>"
    )
    if not drawn:
        return key
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
    line = (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}>'
        f"<title>{escape(told)}</title></polyline>"
    )
    dots = ""
    if len(drawn) <= 40:
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in drawn
        )
    return key + line + dots


def thinned(
    points: Sequence[tuple[float, float]], most: int = 600
) -> Sequence[tuple[float, float]]:
    """At most so many points, the last among them."""
    step = math.ceil(len(points) / most)
    return points if step <= 1 else [*points[:-1:step], points[-1]]


def within(value: float) -> float:
    """A value, or the largest that can be drawn: beyond that, differences overflow."""
    return max(-_MOST, min(_MOST, value))


def ticks(low: float, high: float) -> list[float]:
    """Round numbers that reach from `low` to `high`, about five of them."""
    low, high = within(low), within(high)
    largest = max(abs(low), abs(high))
    if largest < 1 / _MOST:
        low = high = largest = 0.0
    if high - low <= _NOISE * largest:
        # All the same, but for what floats cannot tell apart.
        low, high = low - (largest * 0.1 or 0.5), high + (largest * 0.1 or 0.5)
    raw = (high - low) / 4
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * each for each in (1, 2, 2.5, 5, 10) if scale * each >= raw * 0.999)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    digits = 12 - math.floor(math.log10(step))
    return [round(index * step, digits) for index in range(first, last + 1)]


def _span(
    values: Sequence[float], marks: Sequence[float], *, tight: bool = False
) -> tuple[float, float]:
    low, high = (min(values), max(values)) if tight else (marks[0], marks[-1])
    return (low, high) if high > low else (low - 0.5, high + 0.5)
