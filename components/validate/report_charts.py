# SPDX-License-Identifier: Apache-2.0
"""Which distributions a report draws, and in which bars."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...utils.readable import counted
from .anomaly_report import Chart, Distance, Side
from .anomaly_table import WHOLE_SPLIT, Anomaly, gravest_first
from .distribution import (
    MISSING,
    OTHER,
    Distribution,
    distribution_of,
    features_by_name,
    largest_changes,
    rebinned,
)

#: Most values and ranges in a chart, and most charts in a report.
MAX_VALUES, RANGES, MAX_CHARTS = 12, 20, 40
#: Where so much lies in one range of a histogram, the middle is shown larger.
_CROWDED = 0.9

_MEASURES = {
    1: "infinity norm",
    2: "Jensen-Shannon divergence",
    3: "normalized absolute difference",
}


def charts_of(
    anomalies: Sequence[Anomaly],
    split: str,
    sides: Mapping[str, Any],
    domains: Mapping[str, Collection[str]],
) -> list[Chart]:
    """Charts of the features of a split that have anomalies, the gravest first.

    Args:
        anomalies: Of this split.
        split: Its name.
        sides: Statistics of data sets by what they are, the current one last.
        domains: Values that the schema allows, by feature.
    """
    names = dict.fromkeys(a.feature for a in gravest_first(anomalies) if a.feature != WHOLE_SPLIT)
    by_side = {side: features_by_name(dataset) for side, dataset in sides.items()}
    charts = []
    for name in list(names)[:MAX_CHARTS]:
        found = {
            side: distribution_of(features[name]) if name in features else None
            for side, features in by_side.items()
        }
        if any(found.values()):
            charts.append(chart_of(split, name, found, domains.get(name)))
    return charts


def chart_of(
    split: str,
    feature: str,
    sides: Mapping[str, Distribution | None],
    domain: Collection[str] | None = None,
) -> Chart:
    """The chart of a feature; None stands for data that has not got it."""
    present = [each for each in sides.values() if each is not None]
    if any(each.is_categories for each in present):
        labels = _values(present, domain)
        shares = [
            [each.shares.get(label, 0.0) for label in labels] if each else [0.0] * len(labels)
            for each in sides.values()
        ]
        for row, each in zip(shares, sides.values(), strict=True):
            if each is not None and OTHER in labels:
                row[labels.index(OTHER)] += max(0.0, 1 - sum(row)) if each.records else 0.0
        kind = "categories"
    else:
        edges, quantiles = _edges(present)
        labels = [f"{_short(a)} – {_short(b)}" for a, b in pairwise(edges)]
        shares = [
            list(rebinned((each.quantiles if quantiles else each.buckets) if each else (), edges))
            for each in sides.values()
        ]
        kind = "numbers"
    known = domain if domain else None
    return Chart(
        split,
        feature,
        kind,
        labels,
        [
            Side(name, each.records if each else None, _summary(each), row)
            for (name, each), row in zip(sides.items(), shares, strict=True)
        ],
        [v for v in labels if known and v not in known and v not in (MISSING, OTHER)],
        changes(list(sides.values())),
    )


def changes(sides: Sequence[Distribution | None]) -> str:
    """What changed most from the first of the sides to the last, in words."""
    if len(sides) < 2 or sides[0] is None or sides[-1] is None:
        return ""
    before, now = sides[0], sides[-1]
    if not before.records or not now.records:
        return ""
    if now.is_categories:
        return ", ".join(
            f"{value} {before.shares.get(value, 0):.1%} → {now.shares.get(value, 0):.1%}"
            for value in largest_changes(now, before)
        )
    known = all(math.isfinite(each.mean) and each.missing < 1 for each in (before, now))
    texts = [f"mean {_short(before.mean)} → {_short(now.mean)}"] if known else []
    if round(before.missing, 3) != round(now.missing, 3):
        texts.append(f"missing {before.missing:.1%} → {now.missing:.1%}")
    return ", ".join(texts)


def distances_of(split: str, anomalies: Any) -> list[Distance]:
    """The distances in an `Anomalies` message, the largest first."""
    found = []
    for info in anomalies.drift_skew_info:
        for comparison in ("drift", "skew"):
            for each in getattr(info, f"{comparison}_measurements"):
                measure = _MEASURES.get(each.type, str(each.type))
                feature = ".".join(info.path.step)
                found.append(
                    Distance(split, feature, comparison, measure, each.value, each.threshold)
                )
    return sorted(found, key=lambda d: (d.comparison, -d.value, d.feature, d.measure))


def _values(present: Sequence[Distribution], domain: Collection[str] | None) -> list[str]:
    """Values to show: those that are frequent, that changed, or that are unexpected."""
    values = {value for each in present for value in each.shares} - {MISSING, OTHER}
    first, last = present[0], present[-1]

    def weight(value: str) -> tuple[float, str]:
        mine, other = last.shares.get(value, 0.0), first.shares.get(value, 0.0)
        surprise = 1.0 if domain and value not in domain and mine else 0.0
        return -(max(mine, other) + 3 * abs(mine - other) + surprise), value

    chosen = sorted(values, key=weight)[:MAX_VALUES]
    chosen.sort(key=lambda v: (-max(d.shares.get(v, 0.0) for d in present), v))
    if len(values) > len(chosen) or any(OTHER in each.shares for each in present):
        chosen.append(OTHER)
    if any(MISSING in each.shares for each in present):
        chosen.append(MISSING)
    return chosen


def _edges(present: Sequence[Distribution]) -> tuple[list[float], bool]:
    """Bounds of the ranges to show, and whether to count by quantiles."""
    ends = [end for each in present for bucket in each.buckets for end in bucket[:2]]
    ends = [end for end in ends if math.isfinite(end)]
    if not ends:
        return [0.0, 1.0], False
    edges = _even(min(ends), max(ends))
    if all(max(rebinned(each.buckets, edges), default=0) < _CROWDED for each in present):
        return edges, False
    inner = [q for each in present for q in each.quantiles[1:-1]]
    if not inner or min(q[0] for q in inner) >= max(q[1] for q in inner):
        return edges, False
    return _even(min(q[0] for q in inner), max(q[1] for q in inner)), True


def _even(low: float, high: float) -> list[float]:
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return [low + (high - low) * index / RANGES for index in range(RANGES)] + [high]


def _summary(found: Distribution | None) -> str:
    if found is None:
        return "not there"
    told = [counted(found.records, "record")]
    if not found.records:
        return told[0]
    if found.is_categories:
        told.append(counted(found.distinct, "value"))
    elif found.missing == 1:
        told.append("no values")
    elif math.isfinite(found.mean):
        told.append(f"mean {_short(found.mean)}, standard deviation {_short(found.std_dev)}")
    else:
        told.append("no mean, as some values are infinite or NaN")
    return ", ".join([*told, f"{found.missing:.1%} missing"])


def _short(number: float) -> str:
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e9 else f"{number:.4g}"
