# SPDX-License-Identifier: Apache-2.0
"""A graph drawn as SVG, without Graphviz."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ....components.validate.report_html import shortened
from .graph_layout import layered
from .letters import text_width
from .view import Graph, GraphNode

#: Fill and border by state. States differ in their words too, which stand in the box.
STATE_COLOURS = {
    "complete": ("#e3f1e6", "#3b7d4f"),
    "live": ("#f4f6f8", "#8a97a6"),
    "cached": ("#e0eef8", "#3a7aa8"),
    "running": ("#fff3d6", "#b58900"),
    "failed": ("#fbe3e1", "#b3261e"),
    "parked": ("#efe6f7", "#7a4fa3"),
    "skipped": ("#f1f1f1", "#9a9a9a"),
    "cancelled": ("#f6ead9", "#a3733a"),
    "canceled": ("#f6ead9", "#a3733a"),
    "interrupted": ("#f6ead9", "#a3733a"),
}
_PLAIN = ("#eef2f7", "#5f7f9e")
#: Sizes of letters, height of a line, longest line in letters.
_SIZE, _SMALL, _LINE, _LONGEST = 12.5, 11.5, 16, 34


def graph_svg(graph: Graph) -> str:
    """The picture."""
    if not graph.nodes:
        return "<p>There is nothing to draw.</p>"
    known = {node.key for node in graph.nodes}
    edges = [edge for edge in graph.edges if edge[0] in known and edge[1] in known]
    layout = layered(
        {node.key: _size(node) for node in graph.nodes}, [(edge[0], edge[1]) for edge in edges]
    )
    marks = [
        _arrow(route, label) for (_, _, label), route in zip(edges, layout.routes, strict=True)
    ]
    marks += [_box(node, *layout.centers[node.key]) for node in graph.nodes]
    width, height = round(layout.width), round(layout.height)
    # Wider than a page, it scrolls rather than shrinks: letters have to stay legible.
    wide = ' class="wide"' if width > 1100 else ""
    return (
        f'<svg{wide} viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'font-size="{_SIZE}" fill="#1d2430" font-family="system-ui, DejaVu Sans, sans-serif" '
        f'aria-label="{escape(graph.title)}">{"".join(marks)}</svg>'
    )


def _size(node: GraphNode) -> tuple[float, float]:
    longest = max(
        text_width(shortened(line, _LONGEST), _SIZE if index == 0 else _SMALL, bold=index == 0)
        for index, line in enumerate(node.lines)
    )
    room = 30 if node.shape == "pill" else 18
    return max(70.0, longest + room), len(node.lines) * _LINE + 12.0


def _box(node: GraphNode, x: float, y: float) -> str:
    width, height = _size(node)
    fill, border = STATE_COLOURS.get(node.state, _PLAIN)
    radius = height / 2 if node.shape == "pill" else 6
    dash = ' stroke-dasharray="4 3"' if node.state == "skipped" else ""
    lines = "".join(
        f'<text x="{x:.1f}" y="{y - height / 2 + 17 + index * _LINE:.1f}" text-anchor="middle"'
        + (' font-weight="600"' if index == 0 else f' font-size="{_SMALL}" fill="#44505f"')
        + f">{escape(shortened(line, _LONGEST))}</text>"
        for index, line in enumerate(node.lines)
    )
    told = node.told or "\n".join(node.lines)
    return (
        f'<g data-node="{escape(node.key)}"><title>{escape(told)}</title>'
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{radius:.1f}" fill="{fill}" stroke="{border}" '
        f'stroke-width="1.3"{dash}/>{lines}</g>'
    )


def _arrow(route: Sequence[tuple[float, float]], label: str) -> str:
    (x, y), *rest = route
    path = f"M{x:.1f},{y:.1f}"
    for x1, y1 in rest:
        middle = (y + y1) / 2
        path += f" C{x:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
        x, y = x1, y1
    down = 1 if y >= route[0][1] else -1
    head = f"{x:.1f},{y:.1f} {x - 4:.1f},{y - 8 * down:.1f} {x + 4:.1f},{y - 8 * down:.1f}"
    told = f"<title>{escape(label)}</title>" if label else ""
    return (
        f'<g>{told}<path d="{path}" fill="none" stroke="#8a97a6" stroke-width="1.3"/>'
        f'<polygon points="{head}" fill="#8a97a6"/></g>'
    )
