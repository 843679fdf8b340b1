# SPDX-License-Identifier: Apache-2.0
"""Feeds metrics of tf-keras with arrays of rows, in place of TFMA's single ones.

TFMA prepares the label, prediction and weight of each row, collects them, stacks a thousand
for `update_state`, and adds up the states that such batches leave. Preparing a row takes
longer than all else. Here all rows are prepared at once (`prepared_rows`), and stacked as they
come. What cannot be prepared so goes the plain way, into the same accumulator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_model_analysis.metrics import (
    tf_metric_accumulators,
    tf_metric_wrapper,
)

from .metric_failures import named_failures
from .prepared_rows import Rows, prepared_rows

_Array = npt.NDArray[Any]

#: Rows that metrics of tf-keras take at once: however many, the states add up to the same.
_ROWS = 32_768
#: The same for users' own metrics, which may depend on it: as many as TFMA gives them.
_TFMA_ROWS = 1_000
#: Bytes of collected rows after which they are taken in, however few they are.
_MOST_BYTES = 4 << 20


class ArrayAccumulator(tf_metric_accumulators.TFMetricsAccumulator):  # type: ignore[misc]
    """States of metrics, and arrays of rows that they have not taken in yet.

    Args:
        metric_counts: How many metrics each output has.
        batch_rows: Rows that metrics take at once.
    """

    __slots__ = ["_bytes", "_rows"]

    def __init__(self, metric_counts: list[int], batch_rows: int) -> None:
        super().__init__([3] * len(metric_counts), metric_counts, _nbytes, batch_rows)
        self._rows = 0
        self._bytes = 0

    def add_input(self, output_index: int, *args: _Array) -> None:
        """Adds a single row."""
        label, prediction, weight = (each[np.newaxis] for each in args)
        self.add_rows(output_index, (label, prediction, weight))

    def add_rows(self, output_index: int, rows: Rows) -> None:
        """Adds any number of rows."""
        for pieces, array in zip(self._inputs[output_index], rows, strict=True):
            pieces.append(array)
            self._bytes += array.nbytes
        if output_index == 0:
            self._rows += len(rows[0])

    def len_inputs(self) -> int:
        """Rows that wait."""
        return self._rows

    def get_size_estimate(self) -> int:
        """Bytes of them."""
        return self._bytes

    def should_flush(self) -> bool:
        """Whether there are enough of them."""
        return self._rows >= self._desired_batch_size or self._bytes >= _MOST_BYTES

    def get_inputs(self, output_index: int) -> Rows:
        """All of an output's."""
        label, prediction, weight = map(np.concatenate, self._inputs[output_index])
        return label, prediction, weight

    def add_weights(self, output_index: int, metric_index: int, weights: list[_Array]) -> None:
        """Adds the state that a batch has left. TFMA fails where its parts differ in shape."""
        states = self._weights[output_index]
        before = states[metric_index]
        if before is not None:
            weights = [np.add(one, other) for one, other in zip(before, weights, strict=True)]
        states[metric_index] = weights

    def clear_inputs(self) -> None:
        """Forgets them."""
        super().clear_inputs()
        self._rows = self._bytes = 0


class ArrayFedMetrics(tf_metric_wrapper._CompilableMetricsCombiner):  # type: ignore[misc]
    """TFMA's combiner of Keras metrics, with a second way in: many rows at once.

    Args:
        combiner: TFMA's.
    """

    def __init__(self, combiner: Any) -> None:
        self.__dict__.update(combiner.__dict__)
        self._batch_rows = _TFMA_ROWS
        self._without_autograph = False

    def setup(self) -> None:
        """Makes the metrics."""
        super().setup()
        metrics = [each for found in self._metrics.values() for each in found]
        if all(type(each).__module__.startswith("tf_keras.") for each in metrics):
            self._batch_rows = _ROWS
            # Their code runs eagerly, where its translation changes nothing and takes seconds.
            self._without_autograph = True

    def create_accumulator(self) -> ArrayAccumulator:
        """See `beam.CombineFn`."""
        counts = [len(self._metrics[name]) for name in self._output_names]
        return ArrayAccumulator(counts, self._batch_rows)

    def prepared(self, inputs: Any) -> list[Rows] | None:
        """What `add_rows` takes, of each output; None where only the plain way will do.

        Args:
            inputs: What `batch_inputs` gave.
        """
        in_config = bool(self._sub_key_in_config)
        found = [
            prepared_rows(
                self,
                inputs,
                self._model_name,
                name,
                None if in_config else self._sub_key,
                flatten=self._flattens,
                one_hot=in_config,
            )
            for name in self._output_names
        ]
        whole = [rows for rows in found if rows is not None]
        return whole if len(whole) == len(found) else None

    def add_rows(self, accumulator: ArrayAccumulator, outputs: list[Rows]) -> ArrayAccumulator:
        """The accumulator with some of the prepared rows added."""
        for output_index, rows in enumerate(outputs):
            if self._flattens:
                label, prediction, weight = (each.reshape(-1, 1) for each in rows)
                rows = label, prediction, weight
            accumulator.add_rows(output_index, rows)
        if accumulator.should_flush():
            self._process_batch(accumulator, rest=False)
        return accumulator

    def extract_output(self, accumulator: ArrayAccumulator) -> dict[Any, Any]:
        """See `beam.CombineFn`."""
        found: dict[Any, Any] = self._called(super().extract_output, accumulator)
        return found

    @property
    def _flattens(self) -> bool:
        # Micro averages take each class for a row of its own.
        return bool(self._aggregation_type and self._aggregation_type.micro_average)

    def _called(self, function: Any, *args: Any) -> Any:
        if self._without_autograph:
            function = tf.autograph.experimental.do_not_convert(function)
        return function(*args)

    def _process_batch(self, accumulator: ArrayAccumulator, rest: bool = True) -> None:
        """Lets the metrics take in the rows that wait; without `rest` in whole batches only."""
        rows, size = accumulator.len_inputs(), accumulator.get_size_estimate()
        if not rows:
            return
        outputs = [accumulator.get_inputs(i) for i in range(len(self._output_names))]
        step = min(self._batch_rows, max(1, rows * _MOST_BYTES // size))
        end = rows if rest else rows - rows % step
        for start in range(0, end, step):
            for output_index, (name, arrays) in enumerate(
                zip(self._output_names, outputs, strict=True)
            ):
                label, prediction, weight = (
                    each[start : min(start + step, end)] for each in arrays
                )
                for index, metric in enumerate(self._metrics[name]):
                    self._update(metric, (label, prediction, weight))
                    accumulator.add_weights(output_index, index, metric.get_weights())
        accumulator.clear_inputs()
        if end < rows:
            for output_index, (label, prediction, weight) in enumerate(outputs):
                left = label[end:].copy(), prediction[end:].copy(), weight[end:].copy()
                accumulator.add_rows(output_index, left)

    def _update(self, metric: Any, rows: Rows) -> None:
        label, prediction, _ = rows
        given = f"{_described(label)} as label and {_described(prediction)} as prediction"
        metric.reset_states()
        with named_failures(f"the metric {metric.name}", given):
            self._called(metric.update_state, *rows)


def array_fed(combiner: Any) -> Any:
    """A combiner that takes arrays if this is TFMA's of Keras metrics; else the same."""
    if type(combiner) is not tf_metric_wrapper._CompilableMetricsCombiner:
        return combiner
    padded = any(spec.HasField("padding_options") for spec in combiner._eval_config.model_specs)
    return combiner if padded else ArrayFedMetrics(combiner)


def _described(rows: _Array) -> str:
    shape = " by ".join(map(str, rows.shape[1:]))
    return f"{shape} value{'s' if shape != '1' else ''} ({rows.dtype})"


def _nbytes(array: _Array) -> int:
    return array.nbytes
