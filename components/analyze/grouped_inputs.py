# SPDX-License-Identifier: Apache-2.0
"""Hands rows to TFMA's combiners, many at a time where that gives the same numbers.

A TFMA combiner takes one row's labels, predictions and weight. Some flatten them and go
through the pairs, because one row of a model with many outputs has many. To such a
combiner a hundred rows of one label each are the same as one row of a hundred labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.utils import util

from .eval_predictions import EvalBatch

_Members = npt.NDArray[np.int64]

#: Combiners that flatten, by class name. One that is renamed is fed row by row again.
_FLATTENING = {
    "_BinaryConfusionMatrixCombiner",
    "_CalibrationHistogramCombiner",
    "_MeanRegressionErrorCombiner",
    "_SquaredPearsonCorrelationCombiner",
    "_TjurDiscriminationCombiner",
    "_WeightedLabelsPredictionsExamplesCombiner",
}
_COUNTING = "_ExampleCountCombiner"


class GroupedInputs:
    """The labels, predictions and weights of a batch, ready to be taken group by group."""

    def __init__(self, batch: EvalBatch, config: Any) -> None:
        self._values: dict[str, Any] = {
            tfma.LABELS_KEY: batch.labels,
            tfma.PREDICTIONS_KEY: batch.predictions,
            tfma.EXAMPLE_WEIGHTS_KEY: batch.weights,
        }
        self._label_keys = {spec.name: spec.label_key for spec in config.model_specs}
        self._row_inputs: list[Any] | None = None
        self._flat: dict[tuple[str, str], bool] = {}

    def take(self, members: _Members) -> Group:
        """Some of the rows."""
        return Group(self, members)

    def flat(self, members: _Members) -> Any:
        """All of some rows' labels, predictions and weights, as if they were one row's."""

        def pick(array: Any) -> Any:
            if not isinstance(array, np.ndarray):
                return array
            picked = array[members]
            return picked.reshape(-1) if array.size == len(array) else picked

        return metric_types.StandardMetricInputs(
            {name: _map_arrays(value, pick) for name, value in self._values.items()}
        )

    def rows(self, members: _Members) -> list[Any]:
        """The same, row by row, as TFMA gives them."""
        if self._row_inputs is None:
            split = util.split_extracts(dict(self._values))
            self._row_inputs = [metric_types.StandardMetricInputs(each) for each in split]
        return [self._row_inputs[i] for i in members]

    def has_one_number_a_row(self, model: str, output: str) -> bool:
        """Whether label and prediction of an output are plain single numbers."""
        if (model, output) not in self._flat:
            arrays = [
                _find(self._values[name], [*keys, model, output])
                for name, keys in (
                    (tfma.LABELS_KEY, [self._label_keys.get(model, "")]),
                    (tfma.PREDICTIONS_KEY, []),
                )
            ]
            # TFMA takes a label of -1 for "none of the classes" where a row has no other.
            self._flat[model, output] = (
                all(_is_flat(array) for array in arrays) and not (arrays[0] == -1).any()
            )
        return self._flat[model, output]

    def has_flat_weights(self, model: str, output: str) -> bool:
        """Whether rows have no weights, or one each."""
        weights = _find(self._values[tfma.EXAMPLE_WEIGHTS_KEY], [model, output])
        return weights is None or _is_flat(weights)


class Group:
    """Some rows of a batch."""

    def __init__(self, inputs: GroupedInputs, members: _Members) -> None:
        self._inputs = inputs
        self._members = members
        self._flat_input: Any = None

    def add_to(self, combiner: Any, accumulator: Any) -> Any:
        """The accumulator with these rows added."""
        names = {cls.__name__ for cls in type(combiner).__mro__}
        if _COUNTING in names and not getattr(combiner, "_example_weighted", True):
            # Without weights TFMA adds 1.0 for each row.
            return accumulator + float(len(self._members))
        if names & _FLATTENING and self._may_flatten(combiner):
            if self._flat_input is None:
                self._flat_input = self._inputs.flat(self._members)
            return combiner.add_input(accumulator, self._flat_input)
        return combiner.add_inputs(accumulator, self._inputs.rows(self._members))

    def _may_flatten(self, combiner: Any) -> bool:
        key = getattr(combiner, "_key", None) or getattr(combiner, "_metric_key", None)
        if key is None or key.sub_key is not None:
            return False
        if getattr(combiner, "_aggregation_type", None) is not None:
            return False
        if getattr(combiner, "_class_weights", None):
            return False
        model, output = key.model_name or "", key.output_name or ""
        return self._inputs.has_one_number_a_row(model, output) and self._inputs.has_flat_weights(
            model, output
        )


def _map_arrays(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _map_arrays(each, function) for key, each in value.items()}
    return function(value)


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
