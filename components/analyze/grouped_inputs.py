# SPDX-License-Identifier: Apache-2.0
"""Hands rows to TFMA's combiners, many at a time where that gives the same numbers.

A TFMA combiner takes one row's labels, predictions and weight, and spends its time in taking
them. Those that are known here take arrays: metrics of Keras (`keras_batches`), what sums up
rows (`array_sums`), and counts. All others, users' own among them, are fed row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.utils import util

from .array_sums import key_of, sums_of
from .eval_predictions import EvalBatch
from .keras_batches import ArrayFedMetrics
from .metric_failures import name_of, named_failures
from .prepared_rows import Rows, batch_inputs, prepared_rows

_Members = npt.NDArray[np.int64]

_COUNTING = "_ExampleCountCombiner"


class GroupedInputs:
    """The labels, predictions and weights of a batch, ready to be taken group by group."""

    def __init__(self, batch: EvalBatch) -> None:
        self._values: dict[str, Any] = {
            tfma.LABELS_KEY: batch.labels,
            tfma.PREDICTIONS_KEY: batch.predictions,
            tfma.EXAMPLE_WEIGHTS_KEY: batch.weights,
        }
        self._row_inputs: list[Any] | None = None
        self._batch_inputs: Any = None
        self._prepared: dict[int, list[Rows] | None] = {}

    def take(self, members: _Members) -> Group:
        """Some of the rows."""
        return Group(self, members)

    def rows(self, members: _Members) -> list[Any]:
        """Labels, predictions and weights of some rows, one by one, as TFMA gives them."""
        if self._row_inputs is None:
            split = util.split_extracts(dict(self._values))
            self._row_inputs = [metric_types.StandardMetricInputs(each) for each in split]
        return [self._row_inputs[i] for i in members]

    def prepared(self, combiner: Any, members: _Members) -> list[Rows] | None:
        """Some rows as a combiner takes many of them; None where it takes single ones only.

        Those of an `ArrayFedMetrics` are of each output; those of any other are of the only
        one, and flat.
        """
        if self._batch_inputs is None:
            self._batch_inputs = batch_inputs(self._values)
        if id(combiner) not in self._prepared:
            self._prepared[id(combiner)] = self._prepare(combiner)
        found = self._prepared[id(combiner)]
        if found is None:
            return None
        return [
            (label[members], prediction[members], weight[members])
            for label, prediction, weight in found
        ]

    def _prepare(self, combiner: Any) -> list[Rows] | None:
        if isinstance(combiner, ArrayFedMetrics):
            return combiner.prepared(self._batch_inputs)
        key = key_of(combiner)
        rows = prepared_rows(
            combiner, self._batch_inputs, key.model_name, key.output_name, key.sub_key, flatten=True
        )
        if rows is None:
            return None
        # TFMA makes Python's numbers of them.
        label, prediction, weight = (each.astype(np.float64) for each in rows)
        return [(label, prediction, weight)]

    def count(self, combiner: Any, members: _Members) -> float | None:
        """How many rows these are, by weight if the combiner weighs; None if that is unclear."""
        keys = [combiner._model_name, combiner._output_name]
        weights = _find(self._values[tfma.EXAMPLE_WEIGHTS_KEY], keys)
        if not combiner._example_weighted or weights is None:
            return float(len(members))
        return float(weights[members].sum(dtype=np.float64)) if _is_flat(weights) else None


class Group:
    """Some rows of a batch."""

    def __init__(self, inputs: GroupedInputs, members: _Members) -> None:
        self._inputs = inputs
        self._members = members

    def add_to(self, combiner: Any, accumulator: Any) -> Any:
        """The accumulator with these rows added."""
        if self._added_at_once(combiner, accumulator):
            return accumulator
        if type(combiner).__name__ == _COUNTING:
            count = self._inputs.count(combiner, self._members)
            if count is not None:
                return accumulator + count
        rows = self._inputs.rows(self._members)
        with named_failures(name_of(combiner)):
            return combiner.add_inputs(accumulator, rows)

    def _added_at_once(self, combiner: Any, accumulator: Any) -> bool:
        """Whether these rows were added as arrays."""
        add = sums_of(combiner)
        if add is None and not isinstance(combiner, ArrayFedMetrics):
            return False
        rows = self._inputs.prepared(combiner, self._members)
        if rows is None:
            return False
        if add is None:
            combiner.add_rows(accumulator, rows)
            return True
        ((label, prediction, weight),) = rows
        return add(combiner, accumulator, label.ravel(), prediction.ravel(), weight.ravel())


def _find(value: Any, keys: list[str]) -> Any:
    """What lies under `keys`; those that a dict does not have are passed over, as TFMA does."""
    for key in keys:
        if key and isinstance(value, Mapping) and key in value:
            value = value[key]
    return value


def _is_flat(value: Any) -> bool:
    if not isinstance(value, np.ndarray) or value.size != len(value):
        return False
    return bool(np.issubdtype(value.dtype, np.number))
