# SPDX-License-Identifier: Apache-2.0
"""Parameter values: checked against their declared type, and turned to JSON and back."""

from __future__ import annotations

import contextlib
import functools
import json
import types
import typing
from typing import Any

from ...utils.errors import ParameterError, nearest
from .expression import Expression

_PLAIN = (int, float, str, bool)


@functools.lru_cache(maxsize=512)
def _adapter(kind: Any) -> Any:
    # pydantic costs a tenth of a second to load: plain values never need it.
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:
        # A model or dataclass brings its own configuration.
        return TypeAdapter(kind)


def _field_names(kind: Any) -> list[str]:
    names = list(getattr(kind, "model_fields", {}))
    for argument in typing.get_args(kind):
        names.extend(_field_names(argument))
    return names


def _type_name(kind: Any) -> str:
    members = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, members))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join("None" if each is type(None) else _type_name(each) for each in members)
    return getattr(kind, "__name__", None) or str(kind)


def validate(value: Any, kind: Any, *, name: str, node: str | None, location: str | None) -> Any:
    """`value` as `kind`.

    Raises:
        ParameterError: It is not acceptable; the message names the exact place within it.
    """
    if kind is Any or (kind in _PLAIN and type(value) is kind):
        return value
    if isinstance(value, str) and kind in (int, float, bool):
        # Lenient reading would turn "3" into 3 here and fail elsewhere.
        raise _mismatch(value, kind, name, node, location)
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(_plain_proto(value))
    except ValidationError as error:
        # With a union each member complains; the most nested complaint is the exact one.
        first = max(error.errors(), key=lambda found: len(found["loc"]))
        fields = _field_names(kind)
        place = ".".join(str(part) for part in first["loc"] if not _is_member_name(part))
        unknown = first["type"] == "extra_forbidden"
        last = str(first["loc"][-1]) if first["loc"] else ""
        raise ParameterError(
            f"parameter {name!r} is not acceptable",
            node=node,
            expected=f"one of {', '.join(fields)}" if unknown else _type_name(kind),
            got=f"{place + ': ' if place else ''}{first['msg']}, got {first['input']!r}",
            suggestion=nearest(last, fields) if unknown else None,
            location=location,
        ) from None


def _is_member_name(part: object) -> bool:
    # pydantic adds the union member's class name to the place; readers do not know it.
    return isinstance(part, str) and part[:1].isupper()


def _plain_proto(value: Any) -> Any:
    """A protocol buffer as the dict that its JSON form would be, others unchanged."""
    if not hasattr(value, "DESCRIPTOR"):
        return value
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(value, preserving_proto_field_name=True)


def _mismatch(
    value: Any, kind: Any, name: str, node: str | None, location: str | None
) -> ParameterError:
    return ParameterError(
        f"parameter {name!r} has the wrong type",
        node=node,
        expected=_type_name(kind),
        got=f"{value!r} ({type(value).__name__})",
        location=location,
    )


def decode(value: Any, kind: Any, *, name: str, node: str | None = None) -> Any:
    """Reads what `encode` wrote, as `kind`; a model also from its JSON text.

    Such a text is what a runtime parameter, or an earlier node, gives where a model is wanted.

    Raises:
        ParameterError: The value is not acceptable as `kind`.
    """
    if isinstance(value, str) and value.lstrip().startswith("{") and _field_names(kind):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    return validate(value, kind, name=name, node=node, location=None)


def encode(value: Any, kind: Any, *, name: str, node: str | None, location: str | None) -> Any:
    """`value`, checked as `kind`, in its JSON form.

    Raises:
        ParameterError: It is not acceptable, or has no JSON form.
    """
    if type(value) in _PLAIN and (kind is Any or type(value) is kind):
        return value
    checked = validate(value, kind, name=name, node=node, location=location)
    try:
        plain = _adapter(kind).dump_python(
            checked, mode="json", exclude_unset=False, warnings=False
        )
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"parameter {name!r} cannot be written into the compiled pipeline",
            node=node,
            expected="numbers, texts, lists, dicts, or a pydantic model of these",
            got=f"{type(value).__name__}: {error}",
            location=location,
            fix=(
                "pass plain data; or the path of a file that holds it; "
                "or build it inside the component"
            ),
        ) from None
    return plain


def holds_expression(value: Any) -> bool:
    """Whether `value` is an expression or a list or dict with one somewhere inside."""
    if isinstance(value, Expression):
        return True
    if isinstance(value, dict):
        return any(holds_expression(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(holds_expression(item) for item in value)
    return False
