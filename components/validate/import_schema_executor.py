# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ImportSchemaGen`."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import schema_pb2

from ..base.artifact import PropertyValue
from ..base.artifact_types import ExampleStatistics, Schema
from ..base.executor import Task
from .schema_diff import SchemaDifference, diff_schemas
from .schema_file import SCHEMA_FILE, schema_path
from .schema_text import parse_schema

_log = logging.getLogger(__name__)

#: Name of the artifact's custom property that lists the differences, as JSON.
DIFFERENCES = "differences"
#: Most of them that are kept there; the log has all.
_MOST_KEPT = 100


class ImportSchemaExecutor:
    """Reads a schema file, writes a `Schema`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `schema`: the file as it is, comments and all.

        Raises:
            DataError: The file is not there or not a schema; statistics cannot be read.
            ParameterError: A split to exclude is not there.
        """
        path = schema_path(task.parameter("schema_file", str))
        schema = parse_schema(path)
        artifact = task.output("schema", Schema)
        shutil.copyfile(path, artifact.path(SCHEMA_FILE))
        statistics = task.optional_input("statistics", ExampleStatistics)
        if statistics is None:
            return {"features": len(schema.feature)}
        found = _differences(schema, statistics, task)
        kept = [str(each) for each in found[:_MOST_KEPT]]
        artifact.custom_properties[DIFFERENCES] = json.dumps(kept, ensure_ascii=False)
        return {"features": len(schema.feature), DIFFERENCES: len(found)}


def _differences(
    schema: schema_pb2.Schema, statistics: ExampleStatistics, task: Task
) -> list[SchemaDifference]:
    # Loaded where it is needed: bringing in a schema alone is light.
    from .schema_inference import infer_schema
    from .split_selection import remaining_splits

    excluded = task.parameter("exclude_splits", list[str] | None) or []
    splits = remaining_splits(statistics.splits, excluded, task.node_id)
    found = diff_schemas(schema, infer_schema(statistics, splits))
    for each in found:
        _log.warning("%s: %s", task.node_id, each)
    if not found:
        _log.info("%s: the schema says nothing else than the data", task.node_id)
    return found
