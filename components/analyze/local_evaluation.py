# SPDX-License-Identifier: Apache-2.0
"""Evaluates in this process: TFMA's own arithmetic without a pipeline around it.

TFMA spends nearly all its time in handing single rows to metrics that could take many,
once for every slice a row is in. Here rows are grouped by the slices they share; every
metric takes a group at a time, once; and the slices are put together from their groups
with the metrics' own `merge_accumulators`. Every number still comes from TFMA's code.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import keras_util
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.post_export_metrics import metric_keys
from tensorflow_model_analysis.utils import util

from .cross_slices import CrossSliceKey, cross_slices
from .eval_plan import TENSORFLOW, EvalPlan, acceptable
from .eval_predictions import EvalBatch
from .grouped_inputs import Group, GroupedInputs
from .keras_batches import array_fed
from .metric_failures import name_of, named_failures
from .resampling import resampling_for
from .slice_groups import SliceGroups, SliceKey

#: Metrics of one slice, as TFMA keys them.
Metrics = dict[Any, Any]

_LABELS_ETC = {tfma.LABELS_KEY, tfma.PREDICTIONS_KEY, tfma.EXAMPLE_WEIGHTS_KEY}


class LocalEvaluation:
    """One evaluation, batch by batch.

    Args:
        plan: What to evaluate; `unsupported(plan)` must be None for it.
    """

    def __init__(self, plan: EvalPlan) -> None:
        self.plan = plan
        self.groups = SliceGroups(plan.config.slicing_specs)
        self.rows = 0
        self._computations = Computations(plan)
        self._resampling = resampling_for(plan.config)
        #: Of each group, of each of its parts.
        self._accumulators: dict[int, dict[int, list[Any]]] = {}
        self._group_rows: dict[int, int] = {}

    def add(self, batch: EvalBatch) -> None:
        """Takes in some rows with their predictions."""
        numbers = self.groups.number(batch.rows, batch.columns, batch.transformed)
        self._resampling.deal(batch.rows)
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(numbers[order]) > 0])
        inputs = GroupedInputs(batch)
        for members in np.split(order, starts[1:]):
            number = int(numbers[members[0]])
            parts = self._accumulators.setdefault(number, {})
            for part, rows in self._resampling.parts(members):
                self._add_part(parts, part, inputs.take(rows))
            self._group_rows[number] = self._group_rows.get(number, 0) + len(members)
        self.rows += batch.rows

    def _add_part(self, parts: dict[int, list[Any]], part: int, group: Group) -> None:
        combiners = self._computations.combiners
        accumulators = parts.get(part)
        if accumulators is None:
            accumulators = [each.create_accumulator() for each in combiners]
        parts[part] = [
            group.add_to(combiner, accumulator)
            for combiner, accumulator in zip(combiners, accumulators, strict=True)
        ]

    def results(self) -> Iterator[tuple[SliceKey | CrossSliceKey, Metrics]]:
        """Metrics and plots of every slice, then of pairs of slices, in a fixed order."""
        for parts in self._accumulators.values():
            for part, accumulators in parts.items():
                # Else every slice would do it again, with its own copies.
                parts[part] = self._compacted(accumulators)
        members: dict[SliceKey, list[int]] = {}
        for number in sorted(self._accumulators):
            for key in self.groups.slices[number]:
                members.setdefault(key, []).append(number)
        smallest = self.plan.config.options.min_slice_size.value
        specs = self.plan.config.cross_slicing_specs
        compared: list[tuple[SliceKey, dict[int, Metrics]]] = []
        for key in sorted(members, key=lambda each: (len(each), repr(each))):
            rows = sum(self._group_rows[number] for number in members[key])
            if key and rows < smallest:
                note = f"the slice has {rows} rows, fewer than min_slice_size {smallest}"
                yield key, {metric_keys.ERROR_METRIC: note}
                continue
            samples = self._samples(members[key])
            if specs:
                compared.append((key, samples))
            yield key, self._finished(samples)
        between: dict[CrossSliceKey, dict[int, Metrics]] = {}
        for sample in self._resampling.samples:
            slices = [(key, each[sample]) for key, each in compared if sample in each]
            for pair, metrics in cross_slices(specs, slices, self._computations.between_slices):
                between.setdefault(pair, {})[sample] = metrics
        for pair, samples in between.items():
            yield pair, self._finished(samples)

    def _samples(self, numbers: list[int]) -> dict[int, Metrics]:
        """Metrics of several groups together, sample by sample."""
        parts: dict[int, list[list[Any]]] = {}
        for number in numbers:
            for part, accumulators in self._accumulators[number].items():
                parts.setdefault(part, []).append(accumulators)
        whole = {part: self._merged(parts[part]) for part in sorted(parts)}
        found = {}
        for sample in self._resampling.samples:
            chosen = self._resampling.made_of(sample, whole)
            if chosen:
                merged = self._merged([whole[part] for part in chosen])
                found[sample] = self._computations.extract(merged)
        return found

    def _finished(self, samples: Mapping[int, Metrics]) -> Metrics:
        changed = {
            sample: self._computations.with_changes(metrics) for sample, metrics in samples.items()
        }
        return self._computations.finish(self._resampling.combine(changed))

    def _merged(self, accumulators: list[list[Any]]) -> list[Any]:
        """Several accumulators of every computation, which stay as they are, as one."""
        # Merging may change its arguments, or keep parts of them.
        copies = [pickle.loads(pickle.dumps(each)) for each in accumulators]
        return self._compacted(
            # An iterator, not a list: some combiners step once and then loop "over the
            # rest", which with a list would count the first accumulator twice.
            combiner.merge_accumulators(iter(parts))
            for combiner, parts in zip(
                self._computations.combiners, zip(*copies, strict=True), strict=True
            )
        )

    def _compacted(self, accumulators: Iterable[Any]) -> list[Any]:
        """One accumulator of every computation, with all that it holds worked into it."""
        combiners = self._computations.combiners
        return [
            combiner.compact(each) for combiner, each in zip(combiners, accumulators, strict=True)
        ]


class Computations:
    """TFMA's computations for a plan, in the order in which they build on each other."""

    def __init__(self, plan: EvalPlan) -> None:
        self._baseline = plan.baseline
        with acceptable():
            found = metric_specs.to_computations(
                list(plan.config.metrics_specs), eval_config=plan.config, schema=plan.schema
            )
        # Metrics often share parts; equal ones are computed once, in the first's place.
        unique = list(dict.fromkeys([*_metrics_within_models(plan), *found]))
        kinds = metric_types
        self.basic = [c for c in unique if isinstance(c, kinds.MetricComputation)]
        self._last = [c for c in unique if isinstance(c, kinds.CIDerivedMetricComputation)]
        self._derived = [
            c
            for c in unique
            if isinstance(c, kinds.DerivedMetricComputation) and c not in self._last
        ]
        self.between_slices = [
            c for c in unique if isinstance(c, kinds.CrossSliceMetricComputation)
        ]
        self.combiners = [array_fed(c.combiner) for c in self.basic]
        for combiner in self.combiners:
            combiner.setup()

    def extract(self, accumulators: Iterable[Any]) -> Metrics:
        """The metrics that accumulators stand for, with what is derived from them."""
        metrics: Metrics = {}
        # Rates of slices without a positive or negative row are 0/0: NaN, and meant so.
        with np.errstate(divide="ignore", invalid="ignore"):
            for combiner, accumulator in zip(self.combiners, accumulators, strict=True):
                with named_failures(name_of(combiner)):
                    metrics.update(combiner.extract_output(accumulator))
            for computation in self._derived:
                metrics.update(computation.result(metrics))
        return metrics

    def with_changes(self, metrics: Metrics) -> Metrics:
        """Metrics with their changes against the baseline."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return {**metrics, **self._changes(metrics)}

    def finish(self, metrics: Metrics) -> Metrics:
        """Metrics with those that need confidence intervals, without private ones."""
        metrics = dict(metrics)
        with np.errstate(divide="ignore", invalid="ignore"):
            for computation in self._last:
                metrics.update(computation.result(metrics))
        return {key: value for key, value in metrics.items() if not _is_private(key)}

    def _changes(self, metrics: Mapping[Any, Any]) -> Metrics:
        """Candidate minus baseline, of every number that both have."""
        if self._baseline is None:
            return {}
        changes: Metrics = {}
        for key, value in metrics.items():
            if key.model_name == self._baseline or key.is_diff or _is_private(key):
                continue
            other = metrics.get(key.make_baseline_key(self._baseline))
            if other is not None and _is_number(value):
                changes[key.make_diff_key()] = value - other
        return changes


def unsupported(plan: EvalPlan) -> str | None:
    """What in a plan needs TFMA's own pipeline, or None where nothing does."""
    config = plan.config
    options = config.options
    needs: list[tuple[str, Callable[[], bool]]] = [
        (
            "cross slices with min_slice_size",
            lambda: bool(config.cross_slicing_specs) and options.min_slice_size.value > 1,
        ),
        ("slices by SQL", lambda: any(s.slice_keys_sql for s in config.slicing_specs)),
        ("a query key", lambda: any(spec.query_key for spec in config.metrics_specs)),
        ("disabled outputs", lambda: bool(options.disabled_outputs.values)),
        ("a model of another type", lambda: not _plain_models(plan)),
        ("metrics of features", lambda: _reads_features(Computations(plan))),
    ]
    return next((name for name, is_needed in needs if is_needed()), None)


def _plain_models(plan: EvalPlan) -> bool:
    kinds = zip(plan.models, plan.flavors, strict=True)
    return all(
        flavor != TENSORFLOW or model.model_type in (tfma.TF_GENERIC, tfma.TF_KERAS)
        for model, flavor in kinds
    )


def _reads_features(computations: Computations) -> bool:
    for computation in computations.basic:
        for preprocessor in computation.preprocessors or ():
            if type(preprocessor) is not metric_types.StandardMetricInputsPreprocessor:
                return True
            if not set(preprocessor.include_filter) <= _LABELS_ETC:
                return True
    return False


def _metrics_within_models(plan: EvalPlan) -> Iterator[Any]:
    """Computations of the metrics that Keras models were compiled with."""
    options = plan.config.options
    if options.HasField("include_default_metrics") and not options.include_default_metrics.value:
        return
    for model in plan.models:
        if model.model_type == tfma.TF_KERAS and model.include_default_metrics:
            yield from keras_util.metric_computations_using_keras_saved_model(
                model.model_name, model.model_loader, plan.config
            )


def _is_private(key: Any) -> bool:
    name = str(key.name)
    return name.startswith("_") and not name.startswith("__")


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(np.issubdtype(value.dtype, np.number))
    return isinstance(value, (int, float, np.number, tfma.types.StructuredMetricValue))


__all__ = ["Computations", "LocalEvaluation", "Metrics", "unsupported", "util"]
