# SPDX-License-Identifier: Apache-2.0
"""Types of artifacts, executions and contexts, registered once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...components.base.artifact import PropertyType
from ...utils.errors import MetadataError
from .connection import Connection
from .library import library
from .type_names import ARTIFACT_BASE_TYPES, EXECUTION_BASE_TYPES


class TypeRegistry:
    """Knows the ids of types; asks the store for each once per process.

    Call it while the connection is held, as its memory has no lock of its own.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._artifact_types: dict[str, Any] = {}
        self._artifact_types_by_id: dict[int, Any] = {}
        self._ids: dict[tuple[str, str], int] = {}

    def artifact_type(self, name: str, properties: Mapping[str, PropertyType]) -> Any:
        """The `ArtifactType` with at least these properties, registered where it is missing.

        Raises:
            MetadataError: The store has the type with a property of another type.
        """
        wanted = {key: _property_type(declared) for key, declared in properties.items()}
        known = self._artifact_types.get(name)
        if known is None:
            known = self._look_up("get_artifact_type", name)
        if known is None or any(known.properties.get(key) != t for key, t in wanted.items()):
            protos = library().protos
            made = protos.ArtifactType(name=name, properties=wanted)
            if name in ARTIFACT_BASE_TYPES:
                made.base_type = protos.ArtifactType.SystemDefinedBaseType.Value(
                    ARTIFACT_BASE_TYPES[name]
                )
            self._put("put_artifact_type", made)
            known = self._connection.read("get_artifact_type", name)
        self._artifact_types[name] = known
        self._artifact_types_by_id[known.id] = known
        return known

    def artifact_type_if_known(self, name: str) -> Any | None:
        """The `ArtifactType` of a name, or None where nothing of it was ever recorded."""
        if name not in self._artifact_types:
            found = self._look_up("get_artifact_type", name)
            if found is None:
                return None
            self._artifact_types[name] = found
        return self._artifact_types[name]

    def artifact_types_by_id(self, ids: Iterable[int]) -> Mapping[int, Any]:
        """The `ArtifactType`s with these ids."""
        missing = sorted(set(ids) - self._artifact_types_by_id.keys())
        if missing:
            for found in self._connection.read("get_artifact_types_by_id", missing):
                self._artifact_types_by_id[found.id] = found
        return self._artifact_types_by_id

    def execution_type_id(self, name: str) -> int:
        """Id of an execution type, registered where it is missing."""
        protos = library().protos

        def make() -> Any:
            made = protos.ExecutionType(name=name)
            if name in EXECUTION_BASE_TYPES:
                made.base_type = protos.ExecutionType.SystemDefinedBaseType.Value(
                    EXECUTION_BASE_TYPES[name]
                )
            return made

        return self._id("execution", name, make)

    def context_type_id(self, name: str) -> int:
        """Id of a context type, registered where it is missing."""
        return self._id("context", name, lambda: library().protos.ContextType(name=name))

    def _id(self, kind: str, name: str, make: Callable[[], Any]) -> int:
        if (kind, name) not in self._ids:
            found = self._look_up(f"get_{kind}_type", name)
            found_id = found.id if found is not None else self._put(f"put_{kind}_type", make())
            self._ids[kind, name] = found_id
        return self._ids[kind, name]

    def _look_up(self, method: str, name: str) -> Any | None:
        try:
            return self._connection.read(method, name)
        except library().errors.NotFoundError:
            return None

    def _put(self, method: str, made: Any) -> int:
        try:
            # Another program may know fewer or more properties of the type than this one.
            written: int = self._connection.write(
                method, made, can_add_fields=True, can_omit_fields=True
            )
        except library().errors.AlreadyExistsError as error:
            raise MetadataError(
                f"the metadata store has a type {made.name!r} with other properties",
                expected=", ".join(sorted(made.properties)) or "no properties",
                got=str(error).partition("\n")[0][:200],
                fix="give the artifact type another name where its properties changed type",
            ) from error
        return written


def _property_type(declared: PropertyType) -> int:
    protos = library().protos
    kinds: dict[PropertyType, int] = {
        PropertyType.INT: protos.INT,
        PropertyType.FLOAT: protos.DOUBLE,
        PropertyType.STRING: protos.STRING,
    }
    return kinds[declared]


def declared_properties(artifact_type: Any) -> dict[str, PropertyType]:
    """The properties of an `ArtifactType` that Penstock has types for."""
    protos = library().protos
    kinds = {
        protos.INT: PropertyType.INT,
        protos.DOUBLE: PropertyType.FLOAT,
        protos.STRING: PropertyType.STRING,
    }
    return {name: kinds[kind] for name, kind in artifact_type.properties.items() if kind in kinds}
