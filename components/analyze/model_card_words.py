# SPDX-License-Identifier: Apache-2.0
"""What a card says, section by section, as tables and texts: the same in HTML and Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...utils.readable import counted, size
from .evaluation_summary import OVERALL
from .influence_words import told

#: Metrics that count or describe; nobody wants them drawn.
_COUNTS = ("example_count", "weighted_example_count", "mean_label", "mean_prediction")
_MOST_DRAWN = 4
PASSED, MISSED, OPEN = "passed", "missed", "not compared"

_FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "size_on_disk_bytes": ("size on disk", lambda value: size(int(value))),
    "memory_bytes": ("memory, peak", lambda value: size(int(value))),
    "load_seconds": ("ready after", lambda value: f"{value:.2f} s"),
    "model_load_seconds": ("model loaded in", lambda value: f"{value:.2f} s"),
    "latency_p50_ms": ("latency, median", lambda value: f"{value:.2f} ms"),
    "latency_p99_ms": ("latency, 99 of 100", lambda value: f"{value:.2f} ms"),
    "latency_requests": ("requests measured", lambda value: f"{value:,}"),
    "max_difference": ("largest difference of answers", lambda value: f"{value:.3g}"),
    "compared_records": ("records compared", lambda value: f"{value:,}"),
    "server": ("server", str),
}


@dataclass(frozen=True)
class Table:
    """Rows under headings.

    Attributes:
        head: The headings.
        rows: The cells.
        numbers: Places of columns with numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class MetricChart:
    """A metric by slice.

    Attributes:
        metric: Its name.
        bars: `name`, `value`, `interval` (or None), `baseline` (or None), `missed`, `rows`.
        left_out: How many slices are not shown.
    """

    metric: str
    bars: Sequence[Mapping[str, Any]]
    left_out: int = 0


@dataclass
class Section:
    """A section of a card.

    Attributes:
        title: Its heading.
        parts: In order: Markdown texts that people wrote (`str`), lists of them (`list`),
            tables, metric charts, distributions (`dict`), influence charts.
    """

    title: str
    parts: list[Any] = field(default_factory=list)


def sections(card: Mapping[str, Any]) -> list[Section]:
    """Sections that have something to say, in the order of the paper."""
    made = [_details(card), _use(card), _factors(card), _metrics(card), _data(card)]
    made += [_features(card), _training(card), _influence(card), _serving(card)]
    made += [_ethics(card), _lineage(card)]
    return [each for each in made if each.parts]


def headline(card: Mapping[str, Any]) -> tuple[str, str]:
    """(what gates say, `passed`, `missed` or `open`)."""
    gates = card["gates"]
    refused = [gate["name"].lower() for gate in gates if not gate["blessed"]]
    if refused:
        return f"Refused by {' and '.join(refused)}", MISSED
    if gates:
        return "Passed: " + ", ".join(gate["name"].lower() for gate in gates), PASSED
    return "No gate has judged this model", "open"


def number(value: float | None) -> str:
    """A measured number, short."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"


def _details(card: Mapping[str, Any]) -> Section:
    text, model = card["text"], card["model"]
    rows = [
        ("version", text["version"]),
        ("flavor", model.get("flavor", "")),
        ("size", size(model["size_bytes"]) if "size_bytes" in model else ""),
        ("files", str(model.get("files", ""))),
        ("digest", model.get("digest", "")),
        ("pipeline", card["pipeline"]),
        ("licence", text["license"]),
        ("citation", text["citation"]),
    ]
    section = Section("Model details", [text["overview"]] if text["overview"] else [])
    section.parts.append(Table(("", ""), [row for row in rows if row[1]]))
    section.parts += _lists(text, (("owners", "Owners"), ("references", "References")))
    return section


def _use(card: Mapping[str, Any]) -> Section:
    names = (
        ("use_cases", "Use cases"),
        ("users", "Users"),
        ("out_of_scope", "Out of scope"),
        ("limitations", "Limitations"),
        ("tradeoffs", "Trade-offs"),
    )
    return Section("Intended use", _lists(card["text"], names))


def _factors(card: Mapping[str, Any]) -> Section:
    return Section("Factors", [card["text"]["factors"]] if card["text"]["factors"] else [])


def _metrics(card: Mapping[str, Any]) -> Section:
    section = Section("Evaluation", [each for each in (card["text"]["metrics"],) if each])
    evaluation = card["evaluation"]
    if evaluation is None:
        return section
    section.parts.append(f"Measured on {counted(evaluation['rows'], 'record')}.")
    verdict = evaluation["verdict"]
    if verdict["rubber_stamped"]:
        section.parts.append("There was no earlier model to compare with: changes were not judged.")
    if evaluation["thresholds"]:
        words = {True: PASSED, False: MISSED, None: OPEN}
        section.parts.append(
            Table(
                ("threshold", "slice", "demanded", "measured", "result"),
                [
                    (each["metric"], each["slice"], each["demand"], number(each["value"]),
                     words[each["passed"]])
                    for each in evaluation["thresholds"]
                ],
                (3,),
            )
        )  # fmt: skip
    section.parts += metric_charts(card)
    section.parts.append(_slice_table(evaluation, card["max_slices"]))
    return section


def metric_charts(card: Mapping[str, Any]) -> list[MetricChart]:
    """Charts of the metrics by slice: those asked for, else those with thresholds and more."""
    evaluation = card["evaluation"]
    slices = evaluation["slices"]
    there = list(dict.fromkeys(name for each in slices for name in each["metrics"]))
    judged = [each["metric"].removeprefix("change of ") for each in evaluation["thresholds"]]
    wanted = list(card["metrics"])
    if not wanted:
        wanted = [*dict.fromkeys(judged), *(name for name in there if name not in _COUNTS)]
        wanted = list(dict.fromkeys(wanted))[:_MOST_DRAWN]
    missed = {
        (each["metric"].removeprefix("change of "), each["slice"])
        for each in evaluation["thresholds"]
        if each["passed"] is False
    }
    found = []
    for metric in wanted:
        bars = [
            {
                "name": each["name"],
                "value": each["metrics"][metric],
                "interval": each["intervals"].get(metric),
                "baseline": each["baseline"].get(metric),
                "missed": (metric, each["name"]) in missed,
                "rows": each["metrics"].get("example_count"),
            }
            for each in slices
            if each["metrics"].get(metric) is not None
        ]
        if bars:
            shown = _largest(bars, card["max_slices"])
            found.append(MetricChart(metric, shown, len(bars) - len(shown)))
    return found


def _largest(bars: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """All rows, slices that missed a threshold, and the largest of the others, in order."""
    ranked = sorted(
        bars, key=lambda bar: (bar["name"] != OVERALL, not bar["missed"], -(bar["rows"] or 0))
    )
    chosen = {bar["name"] for bar in ranked[: max(1, most)]}
    return [bar for bar in bars if bar["name"] in chosen]


def _slice_table(evaluation: Mapping[str, Any], most: int) -> Table:
    slices = evaluation["slices"]
    names = list(dict.fromkeys(name for each in slices for name in each["metrics"]))
    rows = [
        (each["name"], *(number(each["metrics"].get(name)) for name in names))
        for each in slices[: max(1, most)]
    ]
    return Table(("slice", *names), rows, range(1, len(names) + 1))


def _data(card: Mapping[str, Any]) -> Section:
    text, data = card["text"], card["data"]
    parts: list[Any] = []
    for key, title in (("training_data", "Training data"), ("evaluation_data", "Evaluation data")):
        if text[key]:
            parts += [f"**{title}**", text[key]]
    if data:
        parts.append(_data_table(data))
        parts.append(
            Table(
                ("split", "records", "bytes"),
                [
                    (each["name"], number(each["rows"]),
                     "–" if each["bytes"] is None else size(each["bytes"]))
                    for each in data["splits"]
                ],
                (1, 2),
            )
        )  # fmt: skip
    return Section("Data", parts)


def _data_table(data: Mapping[str, Any]) -> Table:
    sources = data["sources"] or {}
    rows = [
        ("spans", ", ".join(f"{span} (version {version})" for span, version in data["spans"])),
        ("digest", data["digest"]),
        ("format", data["payload_format"]),
        ("source files", str(sources.get("count", ""))),
        ("SHA-256 of the sources", sources.get("sha256", "")),
    ]
    return Table(("", ""), [row for row in rows if row[1]])


def _features(card: Mapping[str, Any]) -> Section:
    parts: list[Any] = []
    if card["features"]:
        rows = [
            (each["name"], each["type"], "always" if each["required"] else "", each["domain"])
            for each in card["features"]
        ]
        parts.append(Table(("feature", "type", "present", "values"), rows))
    return Section("Features", [*parts, *card["distributions"]])


def _training(card: Mapping[str, Any]) -> Section:
    parts: list[Any] = []
    transform = card["transform"]
    if transform:
        rows = [("transform", transform["digest"])]
        if transform["features"]:
            rows.append(("transformed features", ", ".join(transform["features"])))
        parts.append(Table(("", ""), rows))
    if card["hyperparameters"]:
        rows = [
            (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for name, value in sorted(card["hyperparameters"].items())
        ]
        parts.append(Table(("hyperparameter", "value"), rows))
    return Section("Training", parts)


def _influence(card: Mapping[str, Any]) -> Section:
    found = card["influence"]
    if not found:
        return Section("What features matter")
    return Section("What features matter", [told(found), {"influence": found["slices"][0]}])


def _serving(card: Mapping[str, Any]) -> Section:
    parts: list[Any] = []
    for gate in card["gates"]:
        word = "passed" if gate["blessed"] else "refused"
        parts.append(f"**{gate['name']}**: {word}")
        if gate["reason"]:
            # Not Markdown: texts of the data's own may be in it.
            parts.append(Table(("reason",), [(gate["reason"],)]))
        figures = gate["figures"]
        rows = [
            (word, write(figures[key]))
            for key, (word, write) in _FIGURES.items()
            if figures.get(key) is not None
        ]
        if rows:
            parts.append(Table(("measured in a server", ""), rows))
    return Section("Gates and serving", parts)


def _ethics(card: Mapping[str, Any]) -> Section:
    text = card["text"]
    parts: list[Any] = []
    for each in text["ethical_considerations"]:
        parts.append(f"**{each['name']}**")
        if each["mitigation_strategy"]:
            parts.append(each["mitigation_strategy"])
    if text["caveats"]:
        parts += ["**Caveats and recommendations**", text["caveats"]]
    return Section("Ethical considerations", parts)


def _lineage(card: Mapping[str, Any]) -> Section:
    found = card.get("lineage")
    return Section("Lineage", list(_lineage_parts(found)) if found else [])


def _lineage_parts(found: Mapping[str, Any]) -> Iterator[Any]:
    yield Table(("", ""), [(name, value) for name, value in found["facts"] if value])
    head = ("node", "run", "finished", "code", "parameters")
    yield Table(head, [tuple(row) for row in found["nodes"]])


def _lists(text: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> list[Any]:
    found: list[Any] = []
    for key, title in names:
        if text[key]:
            found += [f"**{title}**", list(text[key])]
    return found
