# SPDX-License-Identifier: Apache-2.0
"""A value for each of several groups, drawn as dots with intervals on one scale."""

from __future__ import annotations

from html import escape

from ....components.validate.report_html import shortened
from .curves_svg import LINE_COLOURS, ticks, within
from .letters import text_width
from .view import Dots

_SIZE = 11.5
_WIDTH, _LABELS, _RIGHT, _ROW, _TOP, _BOTTOM = 760, 250, 84, 22, 26, 40


def dots_svg(dots: Dots) -> str:
    """The picture."""
    numbers = [each for row in dots.rows for each in row[1:] if each is not None]
    if not numbers:
        return "<p>There are no values.</p>"
    marks_at = ticks(min(numbers), max(numbers))
    low, high = marks_at[0], marks_at[-1]
    right = _WIDTH - _RIGHT
    height = _TOP + len(dots.rows) * _ROW + _BOTTOM
    floor = height - _BOTTOM

    def at(value: float) -> float:
        return _LABELS + (right - _LABELS) * (value - low) / (high - low)

    marks = [_key(dots.name, dots.other, _LABELS)]
    for tick in marks_at:
        x = at(tick)
        marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{floor}" stroke="#e2e7ed"/>'
            f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{tick:.4g}</text>'
        )
    marks.append(
        f'<text x="{(_LABELS + right) / 2}" y="{height - 6}" text-anchor="middle" '
        f'font-weight="600">{escape(dots.label)}</text>'
    )
    for index, (name, value, least, most, other) in enumerate(dots.rows):
        y = _TOP + index * _ROW + _ROW / 2
        marks.append(
            f'<text x="{_LABELS - 10}" y="{y + 4}" text-anchor="end">'
            f"{escape(shortened(name, 34))}<title>{escape(name)}</title></text>"
            f'<line x1="{_LABELS}" x2="{right}" y1="{y}" y2="{y}" stroke="#f0f3f6"/>'
        )
        if least is not None and most is not None:
            marks.append(
                f'<line x1="{at(within(least)):.1f}" x2="{at(within(most)):.1f}" y1="{y}" y2="{y}" '
                f'stroke="{LINE_COLOURS[0]}" stroke-width="3" stroke-opacity=".4">'
                f"<title>{least:.4g} to {most:.4g}</title></line>"
            )
        if other is not None:
            marks.append(_other(at(within(other)), y, f"{dots.other}: {other:.6g}"))
        marks.append(
            f'<circle cx="{at(within(value)):.1f}" cy="{y}" r="4.5" fill="{LINE_COLOURS[0]}">'
            f"<title>{escape(name)}: {value:.6g}</title></circle>"
            f'<text x="{right + 8}" y="{y + 4}">{value:.4g}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'font-size="{_SIZE}" fill="#1d2430" font-family="system-ui, DejaVu Sans, sans-serif" '
        f'aria-label="{escape(dots.title)}">{"".join(marks)}</svg>'
    )


def _key(name: str, other: str, x: float) -> str:
    if not other:
        return ""
    name = shortened(name, 30)
    beside = x + 40 + text_width(name, _SIZE)
    return (
        f'<circle cx="{x + 6}" cy="11" r="4.5" fill="{LINE_COLOURS[0]}"/>'
        f'<text x="{x + 16}" y="15">{escape(name)}</text>{_other(beside, 11, "")}'
        f'<text x="{beside + 10:.1f}" y="15">{escape(shortened(other, 30))}</text>'
    )


def _other(x: float, y: float, told: str) -> str:
    return (
        f'<rect x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" fill="#fff" '
        f'stroke="{LINE_COLOURS[1]}" stroke-width="2" transform="rotate(45 {x:.1f} {y})">'
        f"<title>{escape(told)}</title></rect>"
    )
