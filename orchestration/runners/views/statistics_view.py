# SPDX-License-Identifier: Apache-2.0
"""Statistics: every feature in a row with its histogram, and larger charts below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.artifact_types import ExampleStatistics
from ....components.validate.anomaly_report import Chart
from ....utils.readable import counted
from .splits import as_type, chosen_splits
from .view import CHARTS, Bars, Block, Cell, Fold, Spark, Table, View, Wanted, Words

_KINDS = {0: "whole number", 1: "number", 2: "text", 3: "bytes", 4: "struct"}
_NUMBERS = ("feature", "type", "missing %", "distribution", "mean", "std. dev.", "zeros %", "min",
            "median", "max")  # fmt: skip
_TEXTS = ("feature", "type", "missing %", "distribution", "distinct", "most frequent", "share %",
          "avg. length")  # fmt: skip


def statistics_view(artifact: Artifact, wanted: Wanted) -> View:
    """Statistics of splits side by side, or beside those of other artifacts.

    Raises:
        DataError: There are none, or no such split or feature.
    """
    statistics = as_type(artifact, ExampleStatistics)
    sides = _sides(statistics, wanted)
    title = "Statistics" if not wanted.beside else "Statistics compared"
    blocks: list[Block] = []
    for name, group in sides.items():
        found = _blocks(name, group, wanted)
        blocks += [Fold(name, found, is_open=True)] if len(sides) > 1 else found
    return View(title, blocks, artifact.uri)


def _sides(statistics: ExampleStatistics, wanted: Wanted) -> dict[str, dict[str, Any]]:
    """What is shown together: the splits of one artifact, or one split of several."""
    from ....components.validate.distribution import whole_dataset
    from ....components.validate.statistics_file import read_statistics

    splits = chosen_splits(statistics, wanted)
    if not wanted.beside:
        # The first split last: it is the largest, and drawn in the strongest colour.
        read = {split: whole_dataset(read_statistics(statistics, split)) for split in splits[::-1]}
        return {"": read}
    groups: dict[str, dict[str, Any]] = {}
    for split in splits:
        group = groups.setdefault(f"split {split}", {})
        for name, other in wanted.beside.items():
            beside = as_type(other, ExampleStatistics)
            if split in beside.splits:
                group[name] = whole_dataset(read_statistics(beside, split))
        group[wanted.name] = whole_dataset(read_statistics(statistics, split))
    return groups


def _blocks(title: str, sides: Mapping[str, Any], wanted: Wanted) -> list[Block]:
    from ....components.validate.distribution import features_by_name

    by_side = {name: features_by_name(dataset) for name, dataset in sides.items()}
    names = list(dict.fromkeys(each for found in reversed(by_side.values()) for each in found))
    names = _chosen(names, wanted.features)
    charts = {name: _chart(title, name, by_side) for name in names}
    counts = ", ".join(
        f"{side}: {counted(int(each.num_examples), 'record')}" for side, each in sides.items()
    )
    blocks: list[Block] = [Words(f"{counted(len(names), 'feature')}; {counts}", "dim")]
    if len(sides) > 1:
        blocks.append(_compared(by_side, names, charts))
    for side in reversed(list(by_side)):
        inner = _tables(by_side[side], names, {n: _one_side(c, side) for n, c in charts.items()})
        if len(sides) > 1:
            blocks.append(Fold(f"Figures of {side}", inner, is_open=len(names) <= 30))
        else:
            blocks += inner
    drawn = [charts[name] for name in _by_change(by_side, names)[:CHARTS]]
    bars = [Bars(chart) for chart in drawn if chart is not None]
    if bars:
        left = len(names) - len(bars)
        more = f" (the first {len(bars)}; features=[…] chooses)" if left > 0 else ""
        blocks.append(Fold(f"Distributions{more}", bars, is_open=True))
    return blocks


def _chosen(names: Sequence[str], features: Sequence[str]) -> list[str]:
    from ....utils.errors import DataError, nearest

    for feature in features:
        if feature not in names:
            raise DataError(
                f"there is no feature {feature!r}",
                expected=", ".join(list(names)[:20]),
                got=feature,
                suggestion=nearest(feature, names),
            )
    return list(features) or list(names)


def _chart(title: str, name: str, by_side: Mapping[str, Mapping[str, Any]]) -> Chart | None:
    from ....components.validate.distribution import distribution_of
    from ....components.validate.report_charts import chart_of

    found = {
        side: distribution_of(features[name]) if name in features else None
        for side, features in by_side.items()
    }
    if not any(each is not None and each.records and each.missing < 1 for each in found.values()):
        return None
    chart = chart_of(title.removeprefix("split "), name, found)
    return chart if any(share > 0 for side in chart.sides for share in side.shares) else None


def _one_side(chart: Chart | None, side: str) -> Spark | None:
    if chart is None:
        return None
    for each in chart.sides:
        if each.name == side and each.records is not None:
            return Spark([each.shares], _told(chart.labels, each.shares))
    return None


def _told(labels: Sequence[str], shares: Sequence[float]) -> str:
    return "\n".join(f"{label}: {share:.1%}" for label, share in zip(labels, shares, strict=True))


def _by_change(by_side: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Names in order; where two data sets are compared, what changed most first."""
    if len(by_side) < 2:
        return list(names)
    measured = {name: _distance(by_side, name) for name in names}
    far = {name: 2.0 if found is None else found for name, found in measured.items()}
    # What one of them lacks altogether comes before all else.
    return sorted(names, key=lambda name: -far[name])


def _distance(by_side: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    """How far the last data set is from the first: 0 to 1; None where one has it not."""
    from ....components.validate.distribution import distance, distribution_of

    first, *_, last = by_side.values()
    if name not in first or name not in last:
        return None
    before, now = distribution_of(first[name]), distribution_of(last[name])
    if now is None or before is None:
        return 0.0
    return distance(now, before)[0] if now.records and before.records else None


def _compared(
    by_side: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
    charts: Mapping[str, Chart | None],
) -> Table:
    rows: list[list[Cell]] = []
    for name in names:
        chart = charts[name]
        there = [side for side, features in by_side.items() if name in features]
        absent = [side for side in by_side if side not in there]
        change = f"not in {', '.join(absent)}" if absent else chart.note if chart else ""
        far = _distance(by_side, name)
        sides = [side.shares for side in chart.sides] if chart else []
        rows.append(
            [
                name,
                _KINDS.get(by_side[there[0]][name].type, ""),
                Spark(sides, _change_told(chart)) if chart else None,
                far,
                change,
            ]
        )
    first, *_, last = by_side
    return Table(
        ("feature", "type", "side by side", "distance", f"change from {first} to {last}"),
        rows,
        note=f"side by side: {', then '.join(by_side)}; distance: the largest difference between "
        "shares of a value, or of the values up to any number (0: equal, 1: nothing in common)",
    )


def _change_told(chart: Chart) -> str:
    return "\n".join(f"{side.name}: {side.summary}" for side in chart.sides)


def _tables(
    features: Mapping[str, Any], names: Sequence[str], sparks: Mapping[str, Spark | None]
) -> list[Block]:
    numbers: list[Sequence[Cell]] = []
    texts: list[Sequence[Cell]] = []
    for name in names:
        if name not in features:
            continue
        feature = features[name]
        kind = feature.WhichOneof("stats")
        if kind == "num_stats":
            numbers.append([*_head(name, feature, sparks[name]), *_number_cells(feature.num_stats)])
        else:
            texts.append([*_head(name, feature, sparks[name]), *_text_cells(feature)])
    blocks: list[Block] = []
    if numbers:
        blocks.append(Table(_NUMBERS, numbers, f"Numbers ({len(numbers):,})"))
    if texts:
        blocks.append(Table(_TEXTS, texts, f"Texts and others ({len(texts):,})"))
    return blocks


def _head(name: str, feature: Any, spark: Spark | None) -> list[Cell]:
    kind = feature.WhichOneof("stats")
    common = getattr(feature, kind).common_stats if kind and kind != "common_stats" else None
    missing: Cell = None
    if common is not None:
        records = common.num_non_missing + common.num_missing
        missing = round(100.0 * common.num_missing / records, 2) if records else None
    return [name, _KINDS.get(feature.type, str(feature.type)), missing, spark]


def _number_cells(stats: Any) -> list[Cell]:
    present = stats.common_stats.num_non_missing
    if not present:
        return [None] * 6
    total = stats.common_stats.tot_num_values or present
    zeros = round(100.0 * stats.num_zeros / total, 2)
    # Where a value is infinite or NaN, there is no deviation from the mean.
    deviation = stats.std_dev if math.isfinite(stats.mean) else math.nan
    return [stats.mean, deviation, zeros, stats.min, stats.median, stats.max]


def _text_cells(feature: Any) -> list[Cell]:
    if feature.WhichOneof("stats") != "string_stats":
        return [None] * 4
    from ....components.validate.distribution import plain_label

    stats = feature.string_stats
    top = stats.top_values[0] if stats.top_values else None
    values = stats.common_stats.tot_num_values or stats.common_stats.num_non_missing
    share = round(100.0 * top.frequency / values, 2) if top is not None and values else None
    most = plain_label(top.value) if top is not None else None
    return [int(stats.unique), most, share, stats.avg_length]
