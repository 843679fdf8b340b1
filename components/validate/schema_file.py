# SPDX-License-Identifier: Apache-2.0
"""Schema files, as they lie on disk. Reads no schema: see `schema_text` for that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...utils.errors import DataError, nearest
from ..ingest.source_files import ExternalInputs

#: Name of the file in a `Schema` artifact.
SCHEMA_FILE = "schema.pbtxt"


def external_inputs(parameters: Mapping[str, Any]) -> ExternalInputs:
    """The file that `ImportSchemaGen` reads.

    Raises:
        DataError: It is not there.
    """
    return ExternalInputs([schema_path(parameters["schema_file"])])


def schema_path(schema_file: str) -> str:
    """Absolute path of a schema file.

    Raises:
        DataError: It is not there.
    """
    path = os.path.abspath(os.path.expanduser(schema_file))
    if os.path.isfile(path):
        return path
    folder, name = os.path.split(path)
    there = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    raise DataError(
        "there is no schema file",
        expected="a file with a schema as protocol buffer text",
        got=f"{folder} holds {', '.join(there[:8]) or 'nothing'}"
        if os.path.isdir(folder)
        else f"no folder {folder}",
        suggestion=nearest(name, there),
        location=path,
        fix="correct schema_file",
    )
