# SPDX-License-Identifier: Apache-2.0
"""Property values to ML Metadata's messages and back, exactly.

ML Metadata writes a float with six decimals whatever its size (1e-7 comes back as 0.0), cuts
a text at a NUL character, and refuses NaN, infinities and integers above 64 bits (32 bits in
MySQL and PostgreSQL, whose columns it makes so); on PostgreSQL its index refuses long texts,
and a backslash breaks its SQL. Such a value is written as closely as that allows,
for others to read, and exactly, as JSON, in the custom property `__exact__` (and
`__exact__1` and so on where that gets too long), from which it is read back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ...components.base.artifact import PropertyValue
from ...utils.errors import MetadataError
from .backslashes import hidden, look_alike, revealed
from .library import library
from .type_names import EXACT_PROPERTY, SCHEMA_PROPERTY

#: Longest name that every database behind ML Metadata can hold.
MAX_NAME_LENGTH = 255

_INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)
#: What ML Metadata writes for SQL's NULL; a text that equals it cannot be read back.
_NULL = "__MLMD_NULL__"


class Sidecar:
    """Collects the values of one message that have to be kept as JSON too.

    Args:
        longest_text: Longest text that the database takes, in bytes; 0 for any.
        short_integers: Whether its integers have 32 bits, not 64.
        backslashes: Whether it takes backslashes; see `backslashes`.
    """

    def __init__(
        self, longest_text: int = 0, *, short_integers: bool = False, backslashes: bool = True
    ) -> None:
        self._longest = longest_text
        self._backslashes = backslashes
        #: The integers that the database takes.
        self.integers = _INT32 if short_integers else _INT64
        self._kept: dict[str, dict[str, str]] = {}

    def keep(self, group: str, name: str, value: PropertyValue) -> None:
        """Remembers a value; `group` tells properties from custom properties."""
        self._kept.setdefault(group, {})[name] = f"{type(value).__name__}:{value!s}"

    def cut(self, text: str) -> str:
        """As much of a text as the database takes, in a form that it takes."""
        if not self._backslashes:
            text = look_alike(text)
        if not self._longest or len(text) * 4 <= self._longest:
            return text
        return text.encode()[: self._longest].decode(errors="ignore")

    def write(self, custom_properties: Any) -> None:
        """Adds what was kept to a message's custom properties."""
        if not self._kept:
            return
        # Escaped to ASCII, so that neither NUL nor a lone surrogate reaches the database.
        text = json.dumps(self._kept, sort_keys=True)
        if not self._backslashes:
            text = hidden(text)
        size = self._longest or len(text)
        for number, first in enumerate(range(0, len(text), size)):
            custom_properties[_piece(number)].string_value = text[first : first + size]


def _piece(number: int) -> str:
    """Name of the property that holds one piece of the JSON."""
    return f"{EXACT_PROPERTY}{number or ''}"


def write_properties(
    values: Mapping[str, PropertyValue], target: Any, sidecar: Sidecar, group: str
) -> None:
    """Writes values to a map field of a message, whole (`custom_properties`)."""
    for name, value in values.items():
        check_name(name)
        proto = target[name]
        if isinstance(value, bool):
            proto.bool_value = value
        elif isinstance(value, int) and value in sidecar.integers:
            proto.int_value = value
        elif isinstance(value, float) and math.isfinite(value):
            proto.double_value = value
            if not _survives(value):
                sidecar.keep(group, name, value)
        elif isinstance(value, (int, float, str)):
            text = str(value)
            proto.string_value = sidecar.cut(_storable(text))
            if not isinstance(value, str) or proto.string_value != text:
                sidecar.keep(group, name, value)
        else:
            raise MetadataError(
                f"property {name!r} cannot be recorded",
                expected="an int, float, str or bool",
                got=f"{value!r} ({type(value).__name__})",
                fix="record it as JSON text",
            )


def write_declared(
    values: Mapping[str, PropertyValue], types: Mapping[str, int], target: Any, sidecar: Sidecar
) -> None:
    """Writes values to the `properties` of a message whose type declares their types."""
    protos = library().protos
    fitting: dict[str, PropertyValue] = {}
    for name, value in values.items():
        declared = types.get(name)
        if declared == protos.DOUBLE and isinstance(value, int):
            fitting[name] = float(value)
        elif _fits(value, declared, sidecar.integers):
            fitting[name] = value
        elif isinstance(value, (int, float)) and declared in (protos.INT, protos.DOUBLE):
            # Not a number that the column can hold: only the exact form remains.
            sidecar.keep("properties", name, value)
        else:
            raise MetadataError(
                f"property {name!r} does not fit its type in the metadata store",
                expected=protos.PropertyType.Name(declared) if declared else "a declared property",
                got=f"{value!r} ({type(value).__name__})",
                fix="give the artifact type another name where its properties changed type",
            )
    write_properties(fitting, target, sidecar, "properties")


def _fits(value: PropertyValue, declared: int | None, integers: range) -> bool:
    protos = library().protos
    if declared == protos.INT:
        return isinstance(value, int) and value in integers
    if declared == protos.DOUBLE:
        return isinstance(value, float) and math.isfinite(value)
    if declared == protos.BOOLEAN:
        return isinstance(value, bool)
    return declared == protos.STRING and isinstance(value, str)


def read_properties(source: Any, group: str, custom_properties: Any) -> dict[str, PropertyValue]:
    """Values of a map field of a message, with those of the sidecar in their place."""
    found = {
        name: _plain(value) for name, value in source.items() if not name.startswith(EXACT_PROPERTY)
    }
    for name, text in _kept_exactly(custom_properties).get(group, {}).items():
        kind, _, exact = text.partition(":")
        found[name] = {"int": int, "float": float}.get(kind, str)(exact)
    return found


def _kept_exactly(custom_properties: Any) -> dict[str, dict[str, str]]:
    pieces: list[str] = []
    while _piece(len(pieces)) in custom_properties:
        pieces.append(custom_properties[_piece(len(pieces))].string_value)
    kept: dict[str, dict[str, str]] = json.loads(revealed("".join(pieces))) if pieces else {}
    return kept


def _plain(value: Any) -> PropertyValue:
    """The Python value of a `Value` message; structures and messages as JSON text."""
    kind = value.WhichOneof("value")
    if kind in ("int_value", "double_value", "string_value", "bool_value"):
        plain: PropertyValue = getattr(value, kind)
        return plain
    if kind is None:
        return ""
    from google.protobuf import json_format

    if kind == "struct_value":
        # TFX wraps what is not an object in one with this key.
        decoded = json_format.MessageToDict(value.struct_value)
        return json.dumps(decoded.get("__value__", decoded), sort_keys=True)
    return str(value.proto_value.type_url)


def encode_parameters(
    parameters: Mapping[str, Any],
) -> tuple[dict[str, PropertyValue], list[str]]:
    """Parameters as TFX records them, and the names of those that became JSON text.

    TFX writes booleans, lists and dicts as JSON and describes them in a property
    `__schema__<name>__` (`tfx/orchestration/data_types_utils.py`). It leaves out parameters
    that are None; so do we.

    Raises:
        MetadataError: A value is not JSON-compatible, or a name is reserved.
    """
    encoded: dict[str, PropertyValue] = {}
    as_json: list[str] = []
    for name, value in parameters.items():
        if name.startswith("__"):
            raise MetadataError(
                f"a parameter cannot be named {name!r}",
                expected="a name that does not begin with two underscores",
                fix="rename the parameter",
            )
        if value is None:
            continue
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            encoded[name] = value
            continue
        try:
            encoded[name] = json.dumps(value, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise MetadataError(
                f"parameter {name!r} cannot be recorded",
                expected="a JSON-compatible value",
                got=f"{type(value).__name__}: {error}",
            ) from None
        as_json.append(name)
        schema = _tfx_schema(value)
        if schema is not None:
            described = json.dumps({"value_type": schema}, indent=2, sort_keys=True)
            encoded[SCHEMA_PROPERTY.format(name)] = described
    return encoded, as_json


def _tfx_schema(value: Any) -> dict[str, Any] | None:
    """TFX's description of a value; None for nested ones, which TFX encodes twice over."""
    if isinstance(value, bool):
        return {"boolean_type": {}}
    items = list(value.values()) if isinstance(value, dict) else list(value)
    if any(item is None or isinstance(item, (list, tuple, dict)) for item in items):
        return None
    has_booleans = any(isinstance(item, bool) for item in items)
    inner: dict[str, Any] = {"boolean_type": {}} if has_booleans else {}
    return {"dict_type" if isinstance(value, dict) else "list_type": inner}


def check_name(name: str) -> None:
    """Checks that a name can be recorded everywhere.

    Raises:
        MetadataError: It is too long or holds characters that databases do not keep.
    """
    if len(name) > MAX_NAME_LENGTH or _storable(name) != name:
        raise MetadataError(
            f"the name {name[:80]!r} cannot be recorded",
            expected=f"at most {MAX_NAME_LENGTH} characters, none of them NUL",
            got=f"{len(name)} characters",
            fix="choose a shorter or plainer name",
        )


def storable_uri(uri: str) -> str:
    """`uri`, which must be recorded as it is.

    Raises:
        MetadataError: It holds characters that databases do not keep.
    """
    if _storable(uri) != uri:
        raise MetadataError(
            "a URI holds characters that cannot be recorded",
            expected="text in Unicode without NUL",
            got=ascii(uri),
            fix="rename the folder",
        )
    return uri


def _storable(text: str) -> str:
    """The nearest text that ML Metadata gives back as it was."""
    if text == _NULL:
        return "(null)"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _survives(value: float) -> bool:
    """Whether six decimals hold a float exactly, and no more digits than all databases keep."""
    if value == 0.0:
        return math.copysign(1.0, value) > 0
    return abs(value) < 1e9 and float(f"{value:.6f}") == value
