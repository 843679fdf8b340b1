# SPDX-License-Identifier: Apache-2.0
"""Statistics before and after a transform, with options that the user's function changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from google.protobuf import text_format

from ...utils import storage
from ..base.artifact_types import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Schema,
    TransformGraph,
)
from ..base.executor import Task
from ..ingest.examples_reader import iter_tfdv_batches, tfdv_schema
from ..transform.splits_config import SplitsConfig
from ..validate.local_statistics import compute_statistics
from ..validate.schema_text import read_schema
from ..validate.statistics_file import read_statistics, write_anomalies, write_statistics
from ..validate.validation import validate
from .stats_options import StatsType

_SCHEMA_FILE = "schema.pbtxt"


def write_updated_statistics(task: Task, updater: Callable[[Any, Any], Any]) -> None:
    """Writes the outputs `pre_transform_…` and `post_transform_…`.

    Args:
        task: The Transform's execution, whose other outputs are written.
        updater: The user's function: of the kind of statistics and the options, which it
            returns changed. The schema in them is what is written beside the statistics.
    """
    examples = task.input_list("examples", Examples)
    splits = task.parameter("splits_config", SplitsConfig | None) or SplitsConfig()
    raw = read_schema(task.input("schema", Schema))
    before = updater(StatsType.PRE_TRANSFORM, tfdv.StatsOptions(schema=raw))
    _write_schema(task.output("pre_transform_schema", Schema), before.schema or raw)
    target = task.output("pre_transform_stats", ExampleStatistics)
    _compute(target, examples, splits.analyze, before)

    graph = task.output("transform_graph", TransformGraph)
    made = tft.TFTransformOutput(storage.local_path(graph.uri)).transformed_metadata.schema
    after = updater(StatsType.POST_TRANSFORM, tfdv.StatsOptions(schema=made))
    schema = after.schema or made
    _write_schema(task.output("post_transform_schema", Schema), schema)
    transformed = task.output("transformed_examples", Examples)
    found = task.output("post_transform_stats", ExampleStatistics)
    _compute(found, [transformed], transformed.splits, after)
    anomalies = task.output("post_transform_anomalies", ExampleAnomalies)
    anomalies.splits = found.splits
    for split in found.splits:
        message = validate(read_statistics(found, split), schema, node=task.node_id)
        write_anomalies(anomalies, split, message)


def _write_schema(artifact: Schema, schema: Any) -> None:
    storage.write_text_atomic(artifact.path(_SCHEMA_FILE), text_format.MessageToString(schema))


def _compute(
    target: ExampleStatistics, examples: Sequence[Examples], splits: Sequence[str], options: Any
) -> None:
    target.splits = list(splits)
    if len(examples) == 1:
        target.span = examples[0].span
    columns = tfdv_schema(examples[0])
    for split in splits:
        batches = (batch for each in examples for batch in iter_tfdv_batches(each, split))
        os.makedirs(storage.local_path(target.split_uri(split)), exist_ok=True)
        write_statistics(target, split, compute_statistics(batches, options, columns))
