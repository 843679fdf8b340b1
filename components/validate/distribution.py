# SPDX-License-Identifier: Apache-2.0
"""The distribution of a feature's values, read from its statistics.

Nothing here loads a library: the statistics' messages are only looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Stand for the records without a value, and for values that statistics do not list.
MISSING, OTHER = "(missing)", "(other values)"
#: Stands for values that are no text.
BINARY = "(bytes)"

#: The first of TFDV's `FeatureNameStatistics.Type`, whole numbers.
_INT = 0
#: `Histogram.HistogramType` of buckets of equal weight.
_QUANTILES = 1


@dataclass(frozen=True)
class Distribution:
    """How the values of a feature are distributed over the records of a split.

    Attributes:
        records: Number of records.
        missing: Share of records without a value.
        shares: Share of records by value, where values are categories, with `(missing)` and
            `(other values)`; shares of numbers 0 and 1, where there are no others.
        distinct: Number of different values, where they are categories.
        buckets: (low, high, share of values) of histograms of numbers: of equal width.
        quantiles: The same, of equal weight.
        mean: Of numbers.
        std_dev: Of numbers.
    """

    records: int
    missing: float
    shares: Mapping[str, float] = field(default_factory=dict)
    distinct: int = 0
    buckets: Sequence[tuple[float, float, float]] = ()
    quantiles: Sequence[tuple[float, float, float]] = ()
    mean: float = 0.0
    std_dev: float = 0.0

    @property
    def is_categories(self) -> bool:
        """Whether values are categories, not numbers on a scale."""
        return bool(self.shares)


def features_by_name(dataset: Any) -> dict[str, Any]:
    """Statistics of features, by name."""
    return {".".join(each.path.step) or each.name: each for each in dataset.features}


def whole_dataset(statistics: Any) -> Any:
    """Statistics of all records, where there may be slices beside them."""
    for dataset in statistics.datasets:
        if dataset.name in ("", "All Examples"):
            return dataset
    return statistics.datasets[0]


def distribution_of(feature: Any) -> Distribution | None:
    """The distribution of a feature, or None where its statistics do not tell."""
    kind = feature.WhichOneof("stats")
    if kind not in ("num_stats", "string_stats"):
        return None
    stats = getattr(feature, kind)
    present, absent = stats.common_stats.num_non_missing, stats.common_stats.num_missing
    records = int(present + absent)
    missing = absent / records if records else 0.0
    if kind == "string_stats":
        return _categories(stats, records, missing)
    buckets = {_QUANTILES: (), 0: ()} | {
        histogram.type: _buckets(histogram) for histogram in stats.histograms
    }
    shares: dict[str, float] = {}
    if feature.type == _INT and present and stats.min >= 0 and stats.max <= 1:
        shares = {"0": (1 - stats.mean) * (1 - missing), "1": stats.mean * (1 - missing)}
        shares |= {MISSING: missing} if missing else {}
    return Distribution(
        records,
        missing,
        shares,
        distinct=2,
        buckets=buckets[0],
        quantiles=buckets[_QUANTILES],
        mean=stats.mean,
        std_dev=stats.std_dev,
    )


def _categories(stats: Any, records: int, missing: float) -> Distribution:
    counted = {b.label: b.sample_count for b in stats.rank_histogram.buckets}
    counted = counted or {v.value: v.frequency for v in stats.top_values}
    counted = {plain_label(value): count for value, count in counted.items()}
    shares = {value: count / records for value, count in counted.items()} if records else {}
    rest = 1 - missing - sum(shares.values())
    if rest > 1e-9 and records:
        shares[OTHER] = rest
    if missing:
        shares[MISSING] = missing
    return Distribution(records, missing, shares or {MISSING: 0.0}, distinct=int(stats.unique))


def plain_label(value: str) -> str:
    """A value as people read it: TFDV writes `__BYTES_VALUE__` for bytes that are no text."""
    return BINARY if value == "__BYTES_VALUE__" else value


def _buckets(histogram: Any) -> tuple[tuple[float, float, float], ...]:
    total = sum(bucket.sample_count for bucket in histogram.buckets) or 1.0
    return tuple((b.low_value, b.high_value, b.sample_count / total) for b in histogram.buckets)


def largest_changes(now: Distribution, before: Distribution, most: int = 3) -> list[str]:
    """Values whose shares differ most, largest difference first, what rose before what fell."""
    values = {*now.shares, *before.shares}
    change = {value: now.shares.get(value, 0) - before.shares.get(value, 0) for value in values}
    differing = [value for value in values if change[value]]
    differing.sort(key=lambda v: (-round(abs(change[v]), 9), change[v] < 0, v))
    return differing[:most]


def rebinned(
    buckets: Sequence[tuple[float, float, float]], edges: Sequence[float]
) -> tuple[float, ...]:
    """Shares of values between edges, taking values as evenly spread within buckets."""
    last = len(edges) - 2
    shares = [0.0] * (last + 1)
    for low, high, share in buckets:
        if high <= low:
            if edges[0] <= low <= edges[-1]:
                shares[min(bisect_right(edges, low) - 1, last)] += share
            continue
        for index in range(last + 1):
            overlap = min(high, edges[index + 1]) - max(low, edges[index])
            if overlap > 0:
                shares[index] += share * overlap / (high - low)
    return tuple(shares)


def distance(now: Distribution, before: Distribution) -> tuple[float, str]:
    """Largest difference between shares of a value, and which value it is.

    For numbers, the largest difference between the shares of values up to any number.
    """
    if now.is_categories or before.is_categories:
        value = (largest_changes(now, before, 1) or [""])[0]
        return abs(now.shares.get(value, 0) - before.shares.get(value, 0)), value
    edges = sorted({e for d in (now, before) for b in d.buckets for e in b[:2]})
    if len(edges) < 2:
        return 0.0, ""
    worst, at, above = 0.0, "", 0.0
    parts = zip(rebinned(now.buckets, edges), rebinned(before.buckets, edges), strict=True)
    for (mine, other), edge in zip(parts, edges[1:], strict=False):
        above += mine - other
        if abs(above) > worst:
            worst, at = abs(above), f"up to {edge:.4g}"
    return worst, at
