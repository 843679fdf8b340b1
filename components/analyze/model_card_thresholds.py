# SPDX-License-Identifier: Apache-2.0
"""Which thresholds an evaluation had, and which of them were met. Loads no library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...utils import storage
from ..base.artifact_types import ModelEvaluation

#: File with TFMA's `EvalRun` beside the metrics.
_CONFIG_FILE = "eval_config.json"

#: One threshold: `metric`, `slice`, `demand`, `value` (or None), `passed` (None where there
#: was nothing to compare with).
Threshold = dict[str, Any]


def thresholds_of(evaluation: ModelEvaluation, summary: Mapping[str, Any]) -> list[Threshold]:
    """Thresholds of an evaluation, on every slice that they were demanded of.

    Args:
        evaluation: The evaluation.
        summary: Its summary.
    """
    path = evaluation.path(_CONFIG_FILE)
    if not storage.exists(path):
        return []
    config = json.loads(storage.read_text(path)).get("evalConfig", {})
    misses = summary["verdict"]["misses"]
    missed = {(each["metric"], each["slice"], each["demand"]) for each in misses}
    stamped = bool(summary["verdict"]["rubber_stamped"])
    found: list[Threshold] = []
    for name, specs, threshold in _demands(config):
        for part in summary["slices"]:
            if specs is None or any(_matches(spec, part["slice"]) for spec in specs):
                for metric in part["metrics"]:
                    if _plain(metric) == _plain(name):
                        found += _rows(metric, part, threshold, missed, stamped)
    unique = {(each["metric"], each["slice"], each["demand"]): each for each in found}
    return sorted(unique.values(), key=lambda each: (each["passed"] is not False, each["metric"]))


def _demands(
    config: Mapping[str, Any],
) -> Iterator[tuple[str, list[Any] | None, Mapping[str, Any]]]:
    """(metric, slicing specs or None for every slice, threshold)."""
    for group in config.get("metricsSpecs", []):
        for metric in group.get("metrics", []):
            given = json.loads(metric.get("config") or "{}")
            name = given.get("name") or metric["className"]
            if "threshold" in metric:
                yield name, None, metric["threshold"]
            for each in metric.get("perSliceThresholds", []):
                yield name, each.get("slicingSpecs", []), each.get("threshold", {})
        for name, threshold in group.get("thresholds", {}).items():
            yield name, None, threshold
        for name, several in group.get("perSliceThresholds", {}).items():
            for each in several.get("thresholds", []):
                yield name, each.get("slicingSpecs", []), each.get("threshold", {})


def _matches(spec: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a slice is one of those that a slicing spec means."""
    fixed: Mapping[str, str] = spec.get("featureValues", {})
    if set(values) != {*spec.get("featureKeys", []), *fixed}:
        return False
    return all(str(values[key]) == str(value) for key, value in fixed.items())


def _plain(name: str) -> str:
    """A metric's name without its output, sub key and weights: `weighted out/auc@3` is `auc`."""
    base = name.rpartition("/")[2].removeprefix("weighted ").partition("@")[0]
    return base.replace("_", "").lower()


def _rows(
    metric: str,
    part: Mapping[str, Any],
    threshold: Mapping[str, Any],
    missed: set[tuple[str, str, str]],
    stamped: bool,
) -> Iterator[Threshold]:
    for kind, name, words in (
        ("valueThreshold", metric, _value_demand),
        ("changeThreshold", f"change of {metric}", _change_demand),
    ):
        if kind not in threshold:
            continue
        change = kind == "changeThreshold"
        demand = words(threshold[kind])
        passed: bool | None = (name, part["name"], demand) not in missed
        if change and (stamped or metric not in part["change"]):
            passed = None
        yield {
            "metric": name,
            "slice": part["name"],
            "demand": demand,
            "value": (part["change"] if change else part["metrics"]).get(metric),
            "passed": passed,
        }


# In the words of the verdict's misses, by which both are found to be the same.


def _value_demand(bounds: Mapping[str, Any]) -> str:
    words = (("lowerBound", "at least"), ("upperBound", "at most"))
    return " and ".join(f"{word} {bounds[key]:g}" for key, word in words if key in bounds)


def _change_demand(bounds: Mapping[str, Any]) -> str:
    side = "at least" if bounds.get("direction") == "HIGHER_IS_BETTER" else "at most"
    told = []
    if "absolute" in bounds:
        told.append(f"a change of {side} {bounds['absolute']:+g}")
    if "relative" in bounds:
        told.append(f"a change of {side} {bounds['relative']:+.4%}")
    return " and ".join(told)
