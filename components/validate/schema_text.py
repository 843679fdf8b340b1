# SPDX-License-Identifier: Apache-2.0
"""Schemas as protocol buffer text."""

from __future__ import annotations

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils.errors import DataError
from ...utils.storage_errors import storage_errors
from ..base.artifact_types import Schema
from .schema_file import SCHEMA_FILE


def read_schema(artifact: Schema) -> schema_pb2.Schema:
    """The schema of an artifact.

    Raises:
        DataError: The file is not a schema.
    """
    return parse_schema(artifact.path(SCHEMA_FILE))


def write_schema(artifact: Schema, schema: schema_pb2.Schema) -> None:
    """Writes a schema as an artifact's payload."""
    path = artifact.path(SCHEMA_FILE)
    with storage_errors(path, "write"), open(path, "w", encoding="utf-8") as file:
        file.write(text_format.MessageToString(schema, as_utf8=True))


def parse_schema(path: str) -> schema_pb2.Schema:
    """Reads a schema file.

    Raises:
        DataError: The file is not a schema.
    """
    try:
        with open(path, encoding="utf-8") as file:
            schema: schema_pb2.Schema = text_format.Parse(file.read(), schema_pb2.Schema())
    except text_format.ParseError as error:
        line = error.GetLine()
        raise DataError(
            "the file is not a schema",
            expected="a tensorflow_metadata Schema as protocol buffer text",
            got=str(error),
            location=f"{path}:{line}" if line else path,
            fix="correct the line",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("the schema file cannot be read", got=str(error), location=path) from error
    if not schema.feature:
        raise DataError(
            "the schema has no features",
            expected="at least one `feature { … }`",
            got="none",
            location=path,
        )
    return schema
