# SPDX-License-Identifier: Apache-2.0
"""Metrics as a user defines them, with TFMA alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_model_analysis as tfma
import tf_keras
from tensorflow_model_analysis.metrics import metric_types, metric_util


class ShareAbove(tfma.metrics.Metric):
    """How many predictions lie above a bound."""

    def __init__(self, bound: float = 0.5, name: str = "share_above") -> None:
        super().__init__(_computations, bound=bound, name=name)


def _computations(
    bound: float,
    name: str,
    eval_config: Any,
    model_names: Iterable[str],
    output_names: Iterable[str],
    example_weighted: bool,
    **others: Any,
) -> list[Any]:
    found = []
    for model in model_names:
        for output in output_names:
            key = metric_types.MetricKey(
                name=name, model_name=model, output_name=output, example_weighted=example_weighted
            )
            counter = _Counter(key, bound, eval_config)
            found.append(
                metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=counter)
            )
    return found


class _Counter(beam.CombineFn):
    def __init__(self, key: Any, bound: float, eval_config: Any) -> None:
        self._key, self._bound, self._eval_config = key, bound, eval_config

    def create_accumulator(self) -> list[float]:
        return [0.0, 0.0]

    def add_input(self, accumulator: list[float], element: Any) -> list[float]:
        pairs = metric_util.to_label_prediction_example_weight(
            element, self._eval_config, self._key.model_name, self._key.output_name
        )
        for _, prediction, _ in pairs:
            accumulator[0] += float(prediction.item() > self._bound)
            accumulator[1] += 1
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[list[float]]) -> list[float]:
        above, rows = zip(*accumulators, strict=True)
        return [sum(above), sum(rows)]

    def extract_output(self, accumulator: list[float]) -> dict[Any, float]:
        return {self._key: accumulator[0] / accumulator[1]}


class KerasMean(tf_keras.metrics.Mean):
    """A metric in the manner of tf-keras: the mean prediction."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes in some rows."""
        return super().update_state(y_pred, sample_weight)


class MeanBatch(tf_keras.metrics.Mean):
    """A metric that depends on how many rows come at once: the mean of that."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes in some rows."""
        return super().update_state(tf.cast(tf.shape(y_pred)[0], tf.float32))


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
) -> list[Any]:
    """TFMA's own, and one that turns every label over."""
    found = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )

    def turn_over(extracts: dict[str, Any]) -> dict[str, Any]:
        return {**extracts, "labels": 1 - extracts["labels"]}

    place = [each.stage_name for each in found].index("ExtractLabels") + 1
    turned = tfma.extractors.Extractor("TurnLabelsOver", beam.Map(turn_over))
    return [*found[:place], turned, *found[place:]]


class NotAMetric:
    """Something else."""
