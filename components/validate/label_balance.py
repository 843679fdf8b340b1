# SPDX-License-Identifier: Apache-2.0
"""Whether labels are distributed alike over splits, and as they were before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2

from .distribution import Distribution, distance, distribution_of, features_by_name

#: What the two anomalies are called.
IMBALANCE, CHANGE = "Label imbalance between splits", "Label distribution has changed"

#: A difference within so many standard errors may be chance.
_STANDARD_ERRORS = 3.0


def label_distributions(label: str, datasets: Mapping[str, Any]) -> dict[str, Distribution]:
    """The label's distribution by split, where a split has the label."""
    found: dict[str, Distribution] = {}
    for split, dataset in datasets.items():
        feature = features_by_name(dataset).get(label)
        told = distribution_of(feature) if feature is not None else None
        if told is not None and told.records:
            found[split] = told
    return found


def check_labels(
    label: str,
    threshold: float,
    current: Mapping[str, Distribution],
    previous: Mapping[str, Distribution],
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
) -> None:
    """Adds to `anomalies` where labels differ by more than `threshold`, and more than chance.

    Each split is compared with the first, and with the same split of the previous span.

    Args:
        label: Name of the label.
        threshold: Largest difference between shares of a label that is none.
        current: Its distribution by split.
        previous: The same of the previous span.
        anomalies: Anomalies by split.
    """
    if not current:
        return
    first = next(iter(current))
    for split, found in current.items():
        if split != first:
            text = _difference(found, current[first], threshold, f"in {split}", f"in {first}")
            if text:
                _add(anomalies[split], label, IMBALANCE, text)
        if split in previous:
            text = _difference(found, previous[split], threshold, "now", "in the previous span")
            if text:
                _add(anomalies[split], label, CHANGE, text)


def _difference(
    one: Distribution, other: Distribution, threshold: float, here: str, there: str
) -> str:
    apart, value = distance(one, other)
    shares = [each.shares.get(value, 0.0) for each in (one, other)]
    pooled = (shares[0] * one.records + shares[1] * other.records) / (one.records + other.records)
    if not one.is_categories:
        pooled = 0.5
    chance = math.sqrt(pooled * (1 - pooled) * (1 / one.records + 1 / other.records))
    if apart <= max(threshold, _STANDARD_ERRORS * chance):
        return ""
    if not one.is_categories:
        text = f"The share of labels {value} differs by {apart:.1%} between {here} and {there}"
    else:
        text = f"The share of label {value!r} is {shares[0]:.1%} {here} and {shares[1]:.1%} {there}"
    return f"{text}; more than {threshold:.1%} apart."


def _add(anomalies: anomalies_pb2.Anomalies, label: str, short: str, text: str) -> None:
    for info in anomalies.anomaly_info.values():
        if list(info.path.step) == [label]:
            break
    else:
        info = anomalies.anomaly_info[label]
        info.path.step.append(label)
    info.severity = anomalies_pb2.AnomalyInfo.ERROR
    info.reason.add(
        type=anomalies_pb2.AnomalyInfo.CUSTOM_VALIDATION,
        short_description=short,
        description=text,
    )
    info.description = " ".join(reason.description for reason in info.reason)
    info.short_description = short if len(info.reason) == 1 else "Multiple errors"
