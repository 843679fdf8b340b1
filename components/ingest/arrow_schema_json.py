# SPDX-License-Identifier: Apache-2.0
"""Arrow schemas as JSON that people can read: `[{"name": …, "type": …}, …]`.

The type is Arrow's name of it; of a list it is `list` or `large_list`, with the type of its
items under `items`.
"""

from __future__ import annotations

import json

import pyarrow as pa


def schema_to_json(schema: pa.Schema) -> str:
    """A schema as JSON."""
    return json.dumps([{"name": field.name, **_type_to_dict(field.type)} for field in schema])


def schema_from_json(text: str) -> pa.Schema:
    """The schema that `schema_to_json` wrote."""
    return pa.schema([(entry["name"], _type_from_dict(entry)) for entry in json.loads(text)])


def _type_to_dict(kind: pa.DataType) -> dict[str, str]:
    if pa.types.is_large_list(kind):
        return {"type": "large_list", "items": str(kind.value_type)}
    if pa.types.is_list(kind):
        return {"type": "list", "items": str(kind.value_type)}
    return {"type": str(kind)}


def _type_from_dict(entry: dict[str, str]) -> pa.DataType:
    if entry["type"] == "large_list":
        return pa.large_list(pa.type_for_alias(entry["items"]))
    if entry["type"] == "list":
        return pa.list_(pa.type_for_alias(entry["items"]))
    return pa.type_for_alias(entry["type"])
