# SPDX-License-Identifier: Apache-2.0
"""Brings the most frequent values of a feature into an order that equal data always has.

TFDV counts values in hash maps whose order differs from process to process, and with it the
order of equally frequent values, and which of them are cut off at the end of a list.
"""

from __future__ import annotations

from typing import Any


def settle_ties(statistics: Any, top_values: int, rank_buckets: int) -> None:
    """Orders equally frequent values by their text, in place.

    Where a list is full, the least frequent values in it may stand for others that are just
    as frequent; they are left out together, so that none is there by chance.

    Args:
        statistics: A `DatasetFeatureStatisticsList`.
        top_values: How many top values were asked for.
        rank_buckets: How many buckets of the rank histogram were asked for.
    """
    for dataset in statistics.datasets:
        for feature in dataset.features:
            if not feature.HasField("string_stats"):
                continue
            found = feature.string_stats
            _settle(found, found.unique, top_values, rank_buckets)
            if found.HasField("weighted_string_stats"):
                _settle(found.weighted_string_stats, found.unique, top_values, rank_buckets)


def _settle(found: Any, unique: int, top_values: int, rank_buckets: int) -> None:
    ranked = _ordered(
        [(bucket.sample_count, bucket.label) for bucket in found.rank_histogram.buckets],
        unique,
        rank_buckets,
    )
    top = _ordered([(value.frequency, value.value) for value in found.top_values], unique, 0)
    if len(top) >= top_values and unique > len(top):
        # The histogram reaches further down: at this cut it knows all that are as frequent.
        top = ranked[:top_values]
    if found.HasField("rank_histogram"):
        del found.rank_histogram.buckets[:]
        for rank, (count, label) in enumerate(ranked):
            found.rank_histogram.buckets.add(
                low_rank=rank, high_rank=rank, sample_count=count, label=label
            )
    del found.top_values[:]
    for frequency, value in top:
        found.top_values.add(frequency=frequency, value=value)


def _ordered(values: list[tuple[float, str]], unique: int, limit: int) -> list[tuple[float, str]]:
    """The values by descending frequency, then by text; without those cut off by chance."""
    ordered = sorted(values, key=lambda value: (-value[0], value[1]))
    if limit and len(ordered) >= limit and unique > len(ordered):
        least = ordered[-1][0]
        ordered = [value for value in ordered if value[0] > least]
    return ordered
