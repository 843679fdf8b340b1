# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ImportSchemaGen`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from ..base.artifact import PropertyValue
from ..base.artifact_types import Schema
from ..base.executor import Task
from .schema_file import SCHEMA_FILE, schema_path
from .schema_text import parse_schema


class ImportSchemaExecutor:
    """Reads a schema file, writes a `Schema`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `schema`: the file as it is, comments and all.

        Raises:
            DataError: The file is not there or not a schema.
        """
        path = schema_path(task.parameter("schema_file", str))
        schema = parse_schema(path)
        shutil.copyfile(path, task.output("schema", Schema).path(SCHEMA_FILE))
        return {"features": len(schema.feature)}
