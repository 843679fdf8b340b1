# SPDX-License-Identifier: Apache-2.0
"""What a search looked like: pictures by matplotlib, and a page that needs nothing.

Equal trials give equal files.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ....utils import storage
from ....utils.logs import get_logger
from .trial_records import Direction, TrialRecord, best_of, cell_text, parameter_names

HISTORY_PLOT = "optimization_history.png"
IMPORTANCE_PLOT = "parameter_importance.png"
PAGE = "report.html"

_log = get_logger(__name__)
_COLOURS = {"complete": "#2a6f97", "pruned": "#c98a1b"}
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;"
    "text-align:left;font-variant-numeric:tabular-nums}tr.best{background:#e8f4ec}"
    "tr.failed{color:#a33}tr.pruned{color:#97700d}img{max-width:100%}"
)


def write_plots(
    folder: str,
    trials: Sequence[TrialRecord],
    *,
    title: str,
    objective: str,
    direction: Direction,
    importance: Mapping[str, float],
) -> list[str]:
    """Draws the history and, where known, each parameter's importance; writes the page.

    Without matplotlib there is the page alone.

    Args:
        folder: A local folder.
        trials: The trials.
        title: Heading.
        objective: Name of what was optimized.
        direction: Whether less of it is better, or more.
        importance: Share of each parameter.

    Returns:
        Paths of what was written.
    """
    written: list[str] = []
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        _log.info("no pictures of the search: %s", error)
    else:
        history = Figure(figsize=(8, 4.2), layout="constrained")
        _draw_history(history.subplots(), trials, title, objective, direction)
        written.append(_save(history, os.path.join(folder, HISTORY_PLOT)))
        if importance:
            bars = Figure(figsize=(8, 1.2 + 0.4 * len(importance)), layout="constrained")
            _draw_importance(bars.subplots(), importance, objective)
            written.append(_save(bars, os.path.join(folder, IMPORTANCE_PLOT)))
    page = os.path.join(folder, PAGE)
    text = _page(trials, title, objective, direction, importance, written)
    storage.write_text_atomic(page, text)
    return [*written, page]


def _save(figure: Any, path: str) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    # Without the name of the program, equal searches are equal files.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def _draw_history(
    axes: Any, trials: Sequence[TrialRecord], title: str, objective: str, direction: Direction
) -> None:
    for state, colour in _COLOURS.items():
        shown = [each for each in trials if each.state == state and each.value is not None]
        if shown:
            axes.scatter(
                [each.number for each in shown],
                [each.value for each in shown],
                s=22,
                color=colour,
                label=state,
                zorder=3,
            )
    numbers, best = [], []
    for index, each in enumerate(trials):
        found = best_of(trials[: index + 1], direction)
        if found is not None:
            numbers.append(each.number)
            best.append(found.value)
    if numbers:
        axes.step(numbers, best, where="post", color="#1b7f4b", label="best so far")
        axes.legend(frameon=False, fontsize=8)
    for each in trials:
        if each.state == "failed":
            axes.axvline(each.number, color="#cc4444", alpha=0.25, linewidth=1)
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{objective} ({direction})", parse_math=False)
    axes.grid(alpha=0.25)


def _draw_importance(axes: Any, importance: Mapping[str, float], objective: str) -> None:
    names = list(importance)[::-1]
    axes.barh(range(len(names)), [importance[name] for name in names], color="#2a6f97")
    axes.set_yticks(range(len(names)), labels=names)
    axes.set_xlim(0, 1)
    axes.set_title(f"importance for {objective}", loc="left", fontsize=11, parse_math=False)


def _page(
    trials: Sequence[TrialRecord],
    title: str,
    objective: str,
    direction: Direction,
    importance: Mapping[str, float],
    pictures: Sequence[str],
) -> str:
    best = best_of(trials, direction)
    names = parameter_names(trials)
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if best is None:
        parts.append("<p>No trial is complete.</p>")
    else:
        found = ", ".join(f"{name} = {cell_text(v)}" for name, v in best.parameters.items())
        parts.append(
            f"<p>Best {html.escape(objective)} ({direction}): <b>{best.value:.6g}</b>, "
            f"trial {best.number}: {html.escape(found)}</p>"
        )
    for path in pictures:
        with open(path, "rb") as file:
            encoded = base64.b64encode(file.read()).decode()
        name = html.escape(os.path.basename(path))
        parts.append(f'<p><img alt="{name}" src="data:image/png;base64,{encoded}"></p>')
    if importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in importance.items())
        parts.append(f"<p>Importance: {html.escape(shares)}</p>")
    parts.append(_table(trials, names, objective, best))
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html>\n<html><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _table(
    trials: Sequence[TrialRecord], names: Sequence[str], objective: str, best: TrialRecord | None
) -> str:
    def row(cells: Sequence[str], tag: str = "td", kind: str = "") -> str:
        inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f'<tr class="{kind}">{inner}</tr>'

    rows = [row(["trial", "state", objective, *names, "run or reason"], "th")]
    for each in trials:
        value = "" if each.value is None else f"{each.value:.6g}"
        tried = [cell_text(each.parameters.get(name, "")) for name in names]
        kind = "best" if each is best else each.state
        cells = [str(each.number), each.state, value, *tried, each.reason or each.run_id]
        rows.append(row(cells, kind=kind))
    return f"<table>{''.join(rows)}</table>"
