# SPDX-License-Identifier: Apache-2.0
"""Schema and statistics before and after a transform."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

import tensorflow_transform as tft

from ...utils import storage
from ...utils.errors import ParameterError
from ...utils.storage_errors import storage_errors
from ..base.artifact_types import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Schema,
    TransformGraph,
)
from ..base.executor import Task
from ..ingest.examples_reader import iter_tfdv_batches, tfdv_schema


def write_statistics_outputs(
    task: Task,
    examples: Sequence[Examples],
    analyzed: Sequence[str],
    graph: TransformGraph,
    transformed: Examples,
) -> None:
    """Writes the outputs `pre_transform_…` and `post_transform_…`.

    Statistics of the raw data are those of the input `statistics`, where it is connected.

    Args:
        task: The task.
        examples: The raw data.
        analyzed: Splits to describe before the transform.
        graph: The transform graph.
        transformed: The transformed data, all splits of which are described.

    Raises:
        ParameterError: The statistics given lack a split.
    """
    # Loaded where it is wanted: TFDV takes long.
    from ..validate.schema_text import read_schema
    from ..validate.statistics_file import read_statistics, write_anomalies
    from ..validate.validation import validate

    before = task.output("pre_transform_schema", Schema)
    _copy(task.input("schema", Schema).path(), before.path())
    after = task.output("post_transform_schema", Schema)
    metadata = storage.join(graph.uri, tft.TFTransformOutput.TRANSFORMED_METADATA_DIR)
    _copy(metadata, after.path())
    raw = task.output("pre_transform_stats", ExampleStatistics)
    given = task.optional_input("statistics", ExampleStatistics)
    if given is None:
        _compute(raw, examples, analyzed)
    else:
        _take_over(raw, given, analyzed, task.node_id)
    found = task.output("post_transform_stats", ExampleStatistics)
    _compute(found, [transformed], transformed.splits)
    anomalies = task.output("post_transform_anomalies", ExampleAnomalies)
    anomalies.splits = found.splits
    schema = read_schema(after)
    for split in found.splits:
        message = validate(read_statistics(found, split), schema, node=task.node_id)
        write_anomalies(anomalies, split, message)


def _copy(source: str, target: str) -> None:
    with storage_errors(target, "write"):
        shutil.copytree(source, target, dirs_exist_ok=True)


def _take_over(
    target: ExampleStatistics, given: ExampleStatistics, splits: Sequence[str], node_id: str
) -> None:
    lacking = [split for split in splits if split not in given.splits]
    if lacking:
        raise ParameterError(
            "the statistics given lack a split that is analyzed",
            node=node_id,
            expected=", ".join(splits),
            got=", ".join(given.splits),
            fix="compute them for all splits, or leave out the input `statistics`",
        )
    target.splits = list(splits)
    target.span = given.span
    for split in splits:
        _copy(given.split_uri(split), target.split_uri(split))


def _compute(
    target: ExampleStatistics, examples: Sequence[Examples], splits: Sequence[str]
) -> None:
    import tensorflow_data_validation as tfdv

    from ..validate.local_statistics import compute_statistics
    from ..validate.statistics_file import write_statistics

    target.splits = list(splits)
    if len(examples) == 1:
        target.span = examples[0].span
    schema = tfdv_schema(examples[0])
    for split in splits:
        batches = (batch for each in examples for batch in iter_tfdv_batches(each, split))
        os.makedirs(target.split_uri(split), exist_ok=True)
        write_statistics(target, split, compute_statistics(batches, tfdv.StatsOptions(), schema))
