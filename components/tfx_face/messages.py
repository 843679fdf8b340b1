# SPDX-License-Identifier: Apache-2.0
"""TFX's messages as real protocol buffers, made from `message_fields` when first used.

So they are built, set, compared, printed and parsed as authors of pipelines are used to:
by keyword, by nested dict, by attribute, with `add()` and `extend()`, from JSON and text.
Components take them as they take the native models of the same field names.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from .message_fields import FILES, FileFields

#: Package of the messages. Not TFX's own: both may be loaded in one process.
_PACKAGE = "penstock.tfx."
_MAP = "map"


def __getattr__(name: str) -> Any:
    """A `…_pb2` namespace."""
    if name not in FILES:
        raise AttributeError(name)
    return message_file(name)


@functools.cache
def message_file(name: str) -> SimpleNamespace:
    """Messages, enums and enum values of one file, as its `…_pb2` module has them.

    Args:
        name: For instance `trainer_pb2`.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.internal import enum_type_wrapper

    described = FILES[name]
    file = descriptor_pb2.FileDescriptorProto(
        name=f"penstock/tfx/{name}.proto", package=_PACKAGE + name, syntax="proto3"
    )
    for module in described.imports:
        file.dependency.append(importlib.import_module(module).DESCRIPTOR.name)
    for qualified, lines in described.messages.items():
        _describe(_message(file, qualified), lines, described, name)
    for qualified, values in described.enums.items():
        outer, _, last = qualified.rpartition(".")
        where = _message(file, outer) if outer else file
        enum = where.enum_type.add(name=last)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    pool = descriptor_pool.Default()
    pool.Add(file)
    found = SimpleNamespace(DESCRIPTOR=pool.FindFileByName(file.name))
    for top, descriptor in found.DESCRIPTOR.message_types_by_name.items():
        setattr(found, top, message_factory.GetMessageClass(descriptor))
    for top, descriptor in found.DESCRIPTOR.enum_types_by_name.items():
        setattr(found, top, enum_type_wrapper.EnumTypeWrapper(descriptor))
        for value in descriptor.values:
            setattr(found, value.name, value.number)
    return found


def _message(file: Any, qualified: str) -> Any:
    """The description of a message in `file`, added where it is not there yet."""
    found, members = None, file.message_type
    for part in qualified.split("."):
        found = next((each for each in members if each.name == part), None)
        found = found if found is not None else members.add(name=part)
        members = found.nested_type
    return found


def _describe(message: Any, lines: tuple[str, ...], described: FileFields, file: str) -> None:
    groups: list[str] = []
    for line in lines:
        number, *words = line.split()
        name, kind = words[-1], words[-2]
        field = message.field.add(name=name, number=int(number), label=1)
        if kind == _MAP:
            _describe_map(message, field, file)
            continue
        if words[0] == "repeated":
            field.label = 3
        if words[0].startswith("oneof:"):
            group = words[0][len("oneof:") :]
            if group not in groups:
                groups.append(group)
                message.oneof_decl.add(name=group)
            field.oneof_index = groups.index(group)
        _set_type(field, kind, described, file)


def _set_type(field: Any, kind: str, described: FileFields, file: str) -> None:
    scalars = {"int64": 3, "int32": 5, "bool": 8, "string": 9, "uint32": 13}
    if kind in scalars:
        field.type = scalars[kind]
        return
    own = kind in described.messages or kind in described.enums
    field.type = 14 if kind in described.enums else 11
    field.type_name = f".{_PACKAGE}{file}.{kind}" if own else f".{kind}"


def _describe_map(message: Any, field: Any, file: str) -> None:
    entry = message.nested_type.add(name=f"{field.name.title().replace('_', '')}Entry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), start=1):
        entry.field.add(name=name, number=number, label=1, type=9)
    field.label, field.type = 3, 11
    field.type_name = f".{_PACKAGE}{file}.{message.name}.{entry.name}"


def is_message(value: Any) -> bool:
    """Whether a value is a protocol buffer, of whichever package."""
    return hasattr(value, "DESCRIPTOR") and hasattr(value, "ListFields")


def parse_message(full_name: str, text: str) -> Any:
    """The message of a full name (`penstock.tfx.trainer_pb2.TrainArgs`) from its JSON text."""
    from google.protobuf import descriptor_pool, json_format, message_factory

    if full_name.startswith(_PACKAGE):
        message_file(full_name.removeprefix(_PACKAGE).split(".", 1)[0])
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    return json_format.Parse(text, message_factory.GetMessageClass(descriptor)())


def plain(value: Any) -> Any:
    """`value` with every protocol buffer in it as the dict of its fields that are set."""
    if is_message(value):
        from google.protobuf.json_format import MessageToDict

        return MessageToDict(value, preserving_proto_field_name=True)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def names_of(file: str) -> Iterator[str]:
    """Every public name of a `…_pb2` module, without building it."""
    described = FILES[file]
    yield from (name for name in described.messages if "." not in name)
    for enum, values in described.enums.items():
        if "." not in enum:
            yield enum
            yield from values
