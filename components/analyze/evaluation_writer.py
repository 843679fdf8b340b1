# SPDX-License-Identifier: Apache-2.0
"""Writes an evaluation in the files that TFMA's functions read.

eval_config.json                        what was evaluated
metrics-00000-of-00001.tfrecord         MetricsForSlice, slice by slice
plots-00000-of-00001.tfrecord           PlotsForSlice
attributions-00000-of-00001.tfrecord    AttributionsForSlice, where there are any
validations.tfrecord                    one ValidationResult
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as tfma_writer

from ...utils import storage
from .cross_slices import CrossSliceKey
from .eval_plan import EvalPlan
from .local_evaluation import Metrics
from .slice_groups import SliceKey


def write_evaluation(
    folder: str,
    plan: EvalPlan,
    results: Iterable[tuple[SliceKey | CrossSliceKey, Metrics]],
    data_location: str,
) -> None:
    """Writes metrics, plots and the verdict on them, and the configuration.

    Args:
        folder: An existing folder.
        plan: What was evaluated.
        results: Metrics and plots of every slice and pair of slices.
        data_location: Where the examples came from, for display.
    """
    combine = tfma_writer.CombineValidations(plan.config, rubber_stamp=plan.rubber_stamped)
    verdict = combine.create_accumulator()
    metrics, plots, attributions = [], [], []
    for key, values in results:
        kinds = _by_kind(values)
        metrics.append(tfma_writer.convert_slice_metrics_to_proto((key, kinds[0]), []))
        plots.append(tfma_writer.convert_slice_plots_to_proto((key, kinds[1]), []))
        if kinds[2]:
            attributions.append(tfma_writer.convert_slice_attributions_to_proto((key, kinds[2])))
        verdict = combine.add_input(
            verdict, metrics_validator.validate_metrics((key, kinds[0]), plan.config)
        )
    _write_records(folder, "metrics-00000-of-00001", metrics)
    _write_records(folder, "plots-00000-of-00001", plots)
    if attributions:
        _write_records(folder, "attributions-00000-of-00001", attributions)
    _write_records(folder, "validations", [combine.extract_output(verdict)])
    run = config_pb2.EvalRun(
        eval_config=plan.config,
        version=tfma.VERSION_STRING,
        data_location=data_location,
        file_format="<unknown>",
        model_locations={model.model_name: model.model_path for model in plan.models},
    )
    storage.write_text_atomic(
        storage.join(folder, "eval_config.json"), json_format.MessageToJson(run) + "\n"
    )


def _by_kind(values: Metrics) -> tuple[Metrics, Metrics, Metrics]:
    """(metrics, plots, attributions); error notes belong to each of them."""
    kinds: tuple[Metrics, Metrics, Metrics] = ({}, {}, {})
    for key, value in values.items():
        if isinstance(key, metric_types.PlotKey):
            kinds[1][key] = value
        elif isinstance(key, metric_types.AttributionsKey):
            kinds[2][key] = value
        else:
            kinds[0][key] = value
            if not isinstance(key, metric_types.MetricKey):
                kinds[1][key] = value
    return kinds


def _write_records(folder: str, name: str, messages: Iterable[Any]) -> None:
    with tf.io.TFRecordWriter(os.path.join(folder, f"{name}.tfrecord")) as writer:
        for message in messages:
            writer.write(message.SerializeToString(deterministic=True))
