# SPDX-License-Identifier: Apache-2.0
"""Adds many rows at once to those of TFMA's accumulators that are sums.

Histograms of predictions, from which come AUC and calibration; confusion matrices at
thresholds; totals, from which come means, mean errors and correlations. TFMA adds to them row
by row, in Python. The sums are the same, but for the order in which numbers are added up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as matrices
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    mean_regression_error,
    metric_util,
    squared_pearson_correlation,
    tjur_discrimination,
)

_Numbers = npt.NDArray[np.float64]
#: Takes a combiner of TFMA's, an accumulator of its, labels, predictions and weights. Returns
#: whether they were added; if not, the accumulator is as it was.
AddRows = Callable[[Any, Any, _Numbers, _Numbers, _Numbers], bool]


def sums_of(combiner: Any) -> AddRows | None:
    """What adds rows to a combiner's accumulators; None where nothing here does."""
    add = _ADDING.get(type(combiner))
    key = key_of(combiner)
    if add is None or key is None:
        return None
    if add in (_add_to_products, _add_to_discrimination) and key.sub_key is not None:
        return None  # For TFMA it is part of their names only.
    if add is _add_to_totals and key.sub_key is not None and key.sub_key.top_k is not None:
        return None  # TFMA expects the best k predictions in one.
    if add is _add_to_matrices:
        plain = metric_util.to_label_prediction_example_weight
        own = combiner._extract_label_prediction_and_weight is not plain
        return None if own or combiner._example_id_key else add
    return add


def key_of(combiner: Any) -> Any:
    """TFMA's key of what a combiner computes."""
    return getattr(combiner, "_key", None) or getattr(combiner, "_metric_key", None)


def _add_to_histogram(
    combiner: Any, accumulator: Any, label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> bool:
    if combiner._fractional_labels:
        whole = _without_fractions(label, prediction, weight)
        if whole is None:
            return False
        label, prediction, weight = whole
    by = prediction if combiner._prediction_based_bucketing else label
    if np.isnan(by).any():
        return False  # What is no number has no bucket.
    last = combiner._num_buckets + 1
    place = (by - combiner._left) / combiner._range * combiner._num_buckets + 1
    found, inverse = np.unique(np.clip(place, 0, last).astype(np.int64), return_inverse=True)
    sums = [
        np.bincount(inverse.reshape(-1), each, len(found)).tolist()
        for each in (label * weight, prediction * weight, weight)
    ]
    for number, labels, predictions, examples in zip(found.tolist(), *sums, strict=True):
        bucket = accumulator.get(number)
        if bucket is None:
            accumulator[number] = calibration_histogram.Bucket(
                number, labels, predictions, examples
            )
        else:
            bucket.weighted_labels += labels
            bucket.weighted_predictions += predictions
            bucket.weighted_examples += examples
    return True


def _add_to_totals(
    combiner: Any, accumulator: Any, label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> bool:
    del combiner
    accumulator.total_weighted_labels += float((label * weight).sum())
    accumulator.total_weighted_predictions += float((prediction * weight).sum())
    accumulator.total_weighted_examples += float(weight.sum())
    return True


def _add_to_matrices(
    combiner: Any, accumulator: Any, label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> bool:
    fractional = combiner._enable_fractional_labels
    if fractional:
        whole = _without_fractions(label, prediction, weight)
        if whole is None:
            return False
        label, prediction, weight = whole
    sums = combiner._binary_confusion_matrices
    for threshold in sums._thresholds:
        positive = label == 1.0 if fractional else label > threshold
        chosen = prediction > threshold
        tp, fn, fp, tn = (
            float(weight[each].sum())
            for each in (
                positive & chosen,
                positive & ~chosen,
                ~positive & chosen,
                ~positive & ~chosen,
            )
        )
        entry = matrices._ThresholdEntry(
            matrices.Matrix(tp=tp, tn=tn, fp=fp, fn=fn),
            tp_examples=[],
            tn_examples=[],
            fp_examples=[],
            fn_examples=[],
        )
        accumulator[threshold] = sums._merge_entry(accumulator, threshold, entry)
    return True


def _add_to_errors(
    combiner: Any, accumulator: Any, label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> bool:
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = _ERRORS[type(combiner)](label, prediction)
    there = ~np.isnan(errors)
    accumulator.total_regression_error += float((errors * weight)[there].sum())
    accumulator.total_example_weights += float(weight[there].sum())
    return True


def _add_to_products(
    combiner: Any, accumulator: Any, label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> bool:
    del combiner
    accumulator.total_weighted_labels += float((weight * label).sum())
    accumulator.total_weighted_predictions += float((weight * prediction).sum())
    accumulator.total_weighted_squared_labels += float((weight * label**2).sum())
    accumulator.total_weighted_squared_predictions += float((weight * prediction**2).sum())
    products = weight * label * prediction
    accumulator.total_weighted_labels_times_predictions += float(products.sum())
    accumulator.total_weighted_examples += float(weight.sum())
    return True


def _add_to_discrimination(
    combiner: Any, accumulator: Any, label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> bool:
    del combiner
    negative, positive = (1.0 - label) * weight, label * weight
    accumulator.total_negative_weighted_labels += float(negative.sum())
    accumulator.total_positive_weighted_labels += float(positive.sum())
    accumulator.total_negative_weighted_predictions += float((negative * prediction).sum())
    accumulator.total_positive_weighted_predictions += float((positive * prediction).sum())
    return True


def _percentage_error(label: _Numbers, prediction: _Numbers) -> _Numbers:
    # Rows with a label of 0 do not count.
    errors: _Numbers = 100 * np.abs((label - prediction) / np.where(label == 0, np.nan, label))
    return errors


_ERRORS: dict[type, Callable[[_Numbers, _Numbers], _Numbers]] = {
    mean_regression_error._MeanAbsoluteErrorCombiner: lambda a, b: np.abs(a - b),
    mean_regression_error._MeanSquaredErrorCombiner: lambda a, b: (a - b) ** 2,
    mean_regression_error._MeanAbsolutePercentageErrorCombiner: _percentage_error,
    mean_regression_error._MeanSquaredLogarithmicErrorCombiner: lambda a, b: (
        (np.log(a + 1) - np.log(b + 1)) ** 2
    ),
}


def _without_fractions(
    label: _Numbers, prediction: _Numbers, weight: _Numbers
) -> tuple[_Numbers, _Numbers, _Numbers] | None:
    """A label between 0 and 1 as one of 0 and one of 1, which share its weight.

    None where a label is another number.
    """
    if not (np.abs(label - 0.5) <= 0.5 + metric_util._EPSILON).all():
        return None
    weights = np.stack([weight * (1 - label), weight * label], axis=1).reshape(-1)
    labels = np.tile([0.0, 1.0], len(label))
    there = weights != 0
    return labels[there], np.repeat(prediction, 2)[there], weights[there]


_ADDING: dict[type, AddRows] = {
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: _add_to_matrices,
    calibration._WeightedLabelsPredictionsExamplesCombiner: _add_to_totals,
    calibration_histogram._CalibrationHistogramCombiner: _add_to_histogram,
    squared_pearson_correlation._SquaredPearsonCorrelationCombiner: _add_to_products,
    tjur_discrimination._TjurDiscriminationCombiner: _add_to_discrimination,
    **dict.fromkeys(_ERRORS, _add_to_errors),
}
