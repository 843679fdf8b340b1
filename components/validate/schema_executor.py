# SPDX-License-Identifier: Apache-2.0
"""Does the work of `SchemaGen`."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow_data_validation as tfdv

from ..base.artifact import PropertyValue
from ..base.artifact_types import ExampleStatistics, Schema
from ..base.executor import Task
from .schema_text import write_schema
from .split_selection import remaining_splits
from .statistics_file import read_statistics


class SchemaExecutor:
    """Reads `ExampleStatistics`, writes a `Schema`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `schema`.

        Raises:
            ParameterError: A split to exclude is not there.
            DataError: The statistics cannot be read.
        """
        statistics = task.input("statistics", ExampleStatistics)
        excluded = task.parameter("exclude_splits", list[str])
        shapes = task.parameter("infer_feature_shape", bool)
        splits = remaining_splits(statistics.splits, excluded, task.node_id)
        schema = tfdv.infer_schema(read_statistics(statistics, splits[0]), shapes)
        for split in splits[1:]:
            schema = tfdv.update_schema(schema, read_statistics(statistics, split), shapes)
        write_schema(task.output("schema", Schema), schema)
        return {"features": len(schema.feature)}
