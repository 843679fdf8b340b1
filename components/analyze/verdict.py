# SPDX-License-Identifier: Apache-2.0
"""Reads back what TFMA wrote: numbers by slice, and which threshold was missed by how much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.post_export_metrics import metric_keys
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from .eval_plan import EvalPlan
from .evaluation_summary import OVERALL, Miss, SliceMetrics, Verdict, finite


class EvaluationReader:
    """Reads one evaluation.

    Args:
        folder: Where it was written.
        plan: What was evaluated.
    """

    def __init__(self, folder: str, plan: EvalPlan) -> None:
        self._folder = folder
        self._plan = plan
        messages = list(tfma.load_metrics(folder))
        self._names = MetricNames(pair.key for m in messages for pair in m.metric_keys_and_values)
        #: Numbers of every slice, that of all rows first.
        self.slices = sorted(
            (_slice_metrics(message, plan, self._names) for message in messages),
            key=lambda each: (len(each.slice), each.name),
        )

    def verdict(self) -> Verdict:
        """What TFMA's validation says, miss by miss."""
        return _read_verdict(self._folder, self._plan, self.slices, self._names)


class MetricNames:
    """Names for metrics, with what tells them from others of their name.

    `auc`, `output/auc`, `precision@topK:3`, and `weighted auc` where there is an `auc`
    without weights as well.
    """

    def __init__(self, keys: Iterable[Any]) -> None:
        kinds: dict[str, set[bool]] = {}
        for key in keys:
            kinds.setdefault(_base_name(key), set()).add(key.example_weighted.value)
        self._both = {name for name, found in kinds.items() if len(found) > 1}

    def name(self, key: Any) -> str:
        """The name of the metric with this `MetricKey` message."""
        name = _base_name(key)
        return f"weighted {name}" if name in self._both and key.example_weighted.value else name


def _base_name(key: Any) -> str:
    name: str = key.name
    if key.HasField("aggregation_type"):
        kind = metric_types.AggregationType.from_proto(key.aggregation_type)
        name = f"{kind}_{name}"
    if key.output_name:
        name = f"{key.output_name}/{name}"
    if key.HasField("sub_key"):
        name = f"{name}@{metric_types.SubKey.from_proto(key.sub_key)}"
    return name


def _read_verdict(
    folder: str, plan: EvalPlan, slices: Iterable[SliceMetrics], names: MetricNames
) -> Verdict:
    if not plan.judged:
        return Verdict(judged=False, blessed=False)
    result = tfma.load_validation_result(folder)
    by_name = {each.name: each for each in slices}
    misses = []
    for validation in result.metric_validations_per_slice:
        name = _name_of(validation)
        for failure in validation.failures:
            misses.append(_miss(failure, names, name, by_name.get(name)))
    for spec in [*result.missing_slices, *result.missing_cross_slices]:
        misses.append(
            Miss(
                metric="any metric with a threshold",
                slice=_spec_name(spec),
                demand="rows in that slice",
                note="no rows" if not _is_unsliced(spec, plan) else "not in slicing_specs",
            )
        )
    return Verdict(
        judged=True,
        blessed=bool(result.validation_ok),
        rubber_stamped=plan.rubber_stamped,
        misses=tuple(sorted(misses, key=lambda miss: (miss.slice != OVERALL, miss.slice))),
    )


def _slice_metrics(message: Any, plan: EvalPlan, names: MetricNames) -> SliceMetrics:
    found = SliceMetrics(slice=_values_of(message), name=_name_of(message))
    if metric_keys.ERROR_METRIC in message.metrics:
        found.note = message.metrics[metric_keys.ERROR_METRIC].debug_message
    for pair in message.metric_keys_and_values:
        key, value = pair.key, pair.value
        number = _number_in(value)
        if number is None:
            continue
        name = names.name(key)
        if key.is_diff:
            found.change[name] = finite(number)
        elif plan.baseline is not None and key.model_name == plan.baseline:
            found.baseline[name] = finite(number)
        else:
            found.metrics[name] = finite(number)
            interval = _interval_of(pair)
            if interval is not None:
                found.intervals[name] = interval
    return found


def _miss(failure: Any, names: MetricNames, slice_name: str, numbers: SliceMetrics | None) -> Miss:
    name = names.name(failure.metric_key)
    threshold = failure.metric_threshold
    note = (numbers.note if numbers else "") or " ".join(failure.message.split())
    value = None
    if failure.HasField("metric_value"):
        value = _number_in(failure.metric_value)
    if threshold.HasField("change_threshold"):
        baseline = numbers.baseline.get(name) if numbers else None
        return _missed_change(name, slice_name, threshold.change_threshold, value, baseline, note)
    bounds = threshold.value_threshold
    demand, by = [], None
    if bounds.HasField("lower_bound"):
        demand.append(f"at least {bounds.lower_bound.value:g}")
        if value is not None and value < bounds.lower_bound.value:
            by = bounds.lower_bound.value - value
    if bounds.HasField("upper_bound"):
        demand.append(f"at most {bounds.upper_bound.value:g}")
        if value is not None and value > bounds.upper_bound.value:
            by = value - bounds.upper_bound.value
    return _make_miss(name, slice_name, " and ".join(demand), value, by, None, note)


def _missed_change(
    name: str, slice_name: str, bounds: Any, value: float | None, baseline: float | None, note: str
) -> Miss:
    higher = bounds.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER
    side = "at least" if higher else "at most"
    demand, by = [], None
    for kind in ("absolute", "relative"):
        if not bounds.HasField(kind):
            continue
        bound = getattr(bounds, kind).value
        if kind == "absolute":
            demand.append(f"a change of {side} {bound:+g}")
            measured = value
        else:
            demand.append(f"a change of {side} {bound:+.4%}")
            measured = value / baseline if value is not None and baseline else None
        if by is None and measured is not None:
            distance = bound - measured if higher else measured - bound
            by = distance if distance > 0 else None
            if by is not None and kind == "relative" and baseline:
                by *= abs(baseline)
    return _make_miss(
        f"change of {name}", slice_name, " and ".join(demand), value, by, baseline, note
    )


def _make_miss(
    name: str,
    slice_name: str,
    demand: str,
    value: float | None,
    by: float | None,
    baseline: float | None,
    note: str,
) -> Miss:
    if value is None or value != value:  # NaN: nothing to compare with
        note = note or "could not be computed"
    return Miss(
        metric=name,
        slice=slice_name,
        demand=demand,
        value=None if value is None else finite(value),
        by=None if by is None else finite(by),
        baseline=baseline,
        note=note,
    )


def _number_in(value: Any) -> float | None:
    """The number in a MetricValue, or None where it holds something else."""
    kind = value.WhichOneof("type")
    if kind == "double_value":
        return float(value.double_value.value)
    if kind == "bounded_value":
        return float(value.bounded_value.value.value)
    return None


def _interval_of(pair: Any) -> list[float | None] | None:
    if not pair.HasField("confidence_interval"):
        return None
    bounds = (pair.confidence_interval.lower_bound, pair.confidence_interval.upper_bound)
    numbers = [_number_in(bound) for bound in bounds]
    return [None if number is None else finite(number) for number in numbers]


def _values_of(message: Any) -> dict[str, Any]:
    if message.HasField("cross_slice_key"):
        base, other = slicer_lib.deserialize_cross_slice_key(message.cross_slice_key)
        return {"baseline": dict(base), "comparison": dict(other)}
    return dict(slicer_lib.deserialize_slice_key(message.slice_key))


def _name_of(message: Any) -> str:
    values = _values_of(message)
    if message.HasField("cross_slice_key"):
        return f"{slice_name(values['comparison'])} against {slice_name(values['baseline'])}"
    return slice_name(values)


def slice_name(values: dict[str, Any]) -> str:
    """A slice for people: `product: Mortgage, state: TX`."""
    return ", ".join(f"{key}: {value}" for key, value in values.items()) or OVERALL


def _spec_name(spec: Any) -> str:
    if isinstance(spec, config_pb2.CrossSlicingSpec):
        return "cross slice"
    parts = [f"{key}: (any)" for key in spec.feature_keys]
    parts += [f"{key}: {value}" for key, value in sorted(spec.feature_values.items())]
    return ", ".join(parts) or OVERALL


def _is_unsliced(spec: Any, plan: EvalPlan) -> bool:
    """Whether a threshold names a slice that slicing_specs do not compute."""
    if isinstance(spec, config_pb2.CrossSlicingSpec):
        return False
    columns = {*spec.feature_keys, *spec.feature_values}
    return not any(
        columns == {*each.feature_keys, *each.feature_values} for each in plan.config.slicing_specs
    )
