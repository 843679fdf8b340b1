# SPDX-License-Identifier: Apache-2.0
"""A model card as Markdown (GitHub's, with tables), for repositories and model hubs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .model_card_prose import to_markdown
from .model_card_words import MetricChart, Section, Table, headline, number, sections

_BAR = 24
_ESCAPED = re.compile(r"([\\`*_\[\]|~])")


def render_markdown(card: Mapping[str, Any]) -> str:
    """The text."""
    lines = [f"# {_plain(card['name'])}", f"**{_plain(headline(card)[0])}**"]
    for section in sections(card):
        lines += _section(section)
    return "\n\n".join(line for line in lines if line) + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## {_plain(section.title)}"]
    distributions = [each for each in section.parts if isinstance(each, dict) and "sides" in each]
    for part in section.parts:
        if isinstance(part, str):
            lines.append(to_markdown(part))
        elif isinstance(part, list):
            lines.append("\n".join(f"- {' '.join(to_markdown(each).split())}" for each in part))
        elif isinstance(part, Table):
            lines.append(_table(part.head, part.rows, part.numbers))
        elif isinstance(part, MetricChart):
            lines += [f"### {_plain(part.metric)}", _metric(part)]
        elif "influence" in part:
            lines.append(_influence(part["influence"]["features"]))
    if distributions:
        lines.append(_distributions(distributions))
    return lines


def _metric(chart: MetricChart) -> str:
    longest = max(abs(bar["value"]) for bar in chart.bars) or 1.0
    rows = []
    for bar in chart.bars:
        interval = bar["interval"]
        rows.append(
            (
                bar["name"],
                number(bar["value"]) + (" ⚠" if bar["missed"] else ""),
                "" if not interval else f"{number(interval[0])} to {number(interval[1])}",
                number(bar["baseline"]) if bar["baseline"] is not None else "",
                "█" * max(1, round(_BAR * abs(bar["value"]) / longest)),
            )
        )
    head = ("slice", chart.metric, "interval", "the model before", "")
    used = [i for i in range(5) if any(row[i] for row in rows)]
    return _table(
        [head[i] for i in used],
        [[row[i] for i in used] for row in rows],
        [place for place, i in enumerate(used) if i in (1, 3)],
    )


def _influence(features: Sequence[Mapping[str, Any]]) -> str:
    longest = max((abs(each["importance"]) for each in features), default=0.0) or 1.0
    rows = [
        (
            each["name"],
            f"{each['importance']:.4g} ± {each['deviation']:.2g}",
            "█" * round(_BAR * max(0.0, each["importance"]) / longest),
        )
        for each in features
    ]
    return _table(("feature", "influence", ""), rows, (1,))


def _distributions(charts: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (chart["feature"], side["name"], side["summary"])
        for chart in charts
        for side in chart["sides"]
    ]
    return _table(("feature", "split", "distribution"), rows, ())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    rule = ["---:" if i in set(numbers) else "---" for i in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join(
        "| " + " | ".join(each if place == 1 else _plain(each) for each in line) + " |"
        for place, line in enumerate(lines)
    )


def _plain(text: str) -> str:
    """A text that is no Markdown, on one line."""
    text = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return _ESCAPED.sub(r"\\\1", text.replace(">", "&gt;"))
