# SPDX-License-Identifier: Apache-2.0
"""Labels, predictions and weights of many rows at once, as TFMA prepares them row by row.

TFMA chooses by names of models and outputs, by class and by rank, and pairs labels with
predictions. It does so for single rows, but its function takes arrays with one more dimension
too. What this cannot prepare is left to the plain way, which knows what to say of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types, metric_util

_Array = npt.NDArray[Any]
#: Labels, predictions and weights, with one entry for each row.
Rows = tuple[_Array, _Array, _Array]


def batch_inputs(values: Mapping[str, Any]) -> Any:
    """TFMA's `StandardMetricInputs` of many rows, of values by TFMA's keys."""
    return metric_types.StandardMetricInputs(
        {name: _two_dimensional(value) for name, value in values.items()}
    )


def prepared_rows(
    combiner: Any,
    inputs: Any,
    model: str,
    output: str,
    sub_key: Any,
    *,
    flatten: bool,
    one_hot: bool = False,
) -> Rows | None:
    """The rows as a combiner of TFMA wants them; None where only the plain way will do.

    Args:
        combiner: Says whether and how rows are weighted and classes are averaged.
        inputs: What `batch_inputs` gave.
        model: Name of the model.
        output: Name of its output.
        sub_key: The class or rank that is looked at, if it is one.
        flatten: Whether each class counts as a row; they lie in the second dimension then.
        one_hot: Whether numbers of classes become one label for each class.
    """
    if combiner._class_weights and not flatten:
        return None
    try:
        ((label, prediction, weight),) = metric_util.to_label_prediction_example_weight(
            inputs,
            eval_config=combiner._eval_config,
            model_name=model,
            output_name=output,
            sub_key=sub_key,
            aggregation_type=combiner._aggregation_type,
            example_weighted=combiner._example_weighted,
            flatten=False,
            squeeze=False,
        )
        rows = len(prediction)
        if weight.size == 1:  # TFMA's, where there are none; or one row's own
            weight = np.broadcast_to(weight.reshape(1, 1), (rows, 1))
        if not all(_usable(each, rows) for each in (label, prediction, weight)):
            return None
        if sub_key is not None and prediction.ndim > 2:
            return None
        label, prediction, weight = map(_squeezed, (label, prediction, weight))
        if one_hot and label.shape != prediction.shape:
            label = metric_util.one_hot(label, prediction)
        if flatten:
            return _flattened(label, prediction, weight, combiner._class_weights or {})
        return label, prediction, weight
    except (ValueError, TypeError, LookupError, NotImplementedError, AttributeError):
        return None  # Row by row there will be an error that tells more.


def _flattened(
    label: _Array, prediction: _Array, weight: _Array, class_weights: Mapping[int, float]
) -> Rows | None:
    """Each class of a row with its own label and weight."""
    rows, classes = prediction.shape
    if label.shape != prediction.shape:
        if label.shape != (rows, 1):
            return None
        label = metric_util.one_hot(label, prediction)
    if weight.shape == (rows, 1):
        weight = np.repeat(weight.astype(np.float64), classes, axis=1)
    if weight.shape != prediction.shape:
        return None
    if class_weights:
        weight = weight * [class_weights.get(i, 0.0) for i in range(classes)]
    return label, prediction, weight


def _two_dimensional(value: Any) -> Any:
    """Single numbers as lists of one, as TFMA has them in rows."""
    if isinstance(value, Mapping):
        return {key: _two_dimensional(each) for key, each in value.items()}
    return value[:, np.newaxis] if isinstance(value, np.ndarray) and value.ndim == 1 else value


def _usable(value: Any, rows: int) -> bool:
    """Whether it is a plain array of numbers with an entry for each row."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return False
    return value.ndim > 1 and len(value) == rows


def _squeezed(rows: _Array) -> _Array:
    """Without dimensions of one, but for the last of them where there are no others."""
    shape = tuple(size for size in rows.shape[1:] if size != 1) or (1,)
    return rows.reshape(len(rows), *shape)
