# SPDX-License-Identifier: Apache-2.0
"""What of a schema a model's callers depend on, and what not.

A caller has to send the features that the schema names, of its types. A schema that was
inferred from data says much more, which changes with every day's data: how many values there
are, which ones, how often one is missing. So of such a schema only names and types are the
interface; of one that somebody wrote, also shapes and whether a feature is required.
"""

from __future__ import annotations

from typing import Any

from ...utils import storage
from ...utils.errors import StorageError
from ...utils.hashing import digest_bytes

_FILE = "schema.pbtxt"


def interface_of(uri: str, *, inferred: bool) -> dict[str, Any]:
    """Features by name, as JSON-compatible data.

    Where the file cannot be read as a schema, its digest stands for all of it.

    Args:
        uri: Folder of the Schema artifact.
        inferred: Whether it was inferred from data.
    """
    try:
        text = storage.read_text(storage.join(uri, _FILE))
    except StorageError:
        return {}
    try:
        from google.protobuf import text_format
        from tensorflow_metadata.proto.v0 import schema_pb2
    except ImportError:
        return {"(schema)": digest_bytes(text.encode())}
    try:
        schema = text_format.Parse(text, schema_pb2.Schema(), allow_unknown_field=True)
    except text_format.ParseError:
        return {"(schema)": digest_bytes(text.encode())}
    return {feature.name: _feature(feature, schema_pb2, inferred) for feature in schema.feature}


def _feature(feature: Any, schema_pb2: Any, inferred: bool) -> list[Any]:
    said: list[Any] = [schema_pb2.FeatureType.Name(feature.type)]
    if not inferred:
        required = feature.presence.min_fraction == 1
        shape = [dim.size for dim in feature.shape.dim] if feature.HasField("shape") else None
        counts = (
            [feature.value_count.min, feature.value_count.max]
            if feature.HasField("value_count")
            else None
        )
        said += [required, shape, counts]
    return said
