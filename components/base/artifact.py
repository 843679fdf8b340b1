# SPDX-License-Identifier: Apache-2.0
"""Artifacts: typed references to what a node reads or writes.

An artifact is a URI with properties; the payload lies at the URI. Type and
property names are those of TFX (https://www.tensorflow.org/tfx/guide/mlmd), so that
a reader of a TFX store reads Penstock's.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...utils.errors import DataError, nearest
from .artifact_accessors import ArtifactAccessors

#: What a property may hold. Lists and dicts are kept as JSON strings, as TFX does.
PropertyValue = int | float | str | bool

#: Name of the custom property that holds an artifact's content digest.
CONTENT_DIGEST = "content_digest"
#: File of a value artifact, and TFX's custom property that says whether its value is None.
VALUE_FILE, IS_NULL = "value", "__is_null__"


class PropertyType(enum.Enum):
    """The value types that ML Metadata knows for declared properties."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"


_PYTHON_TYPES: dict[PropertyType, tuple[type, ...]] = {
    PropertyType.INT: (int,),
    PropertyType.FLOAT: (float, int),
    PropertyType.STRING: (str,),
}

_registry: dict[str, type[Artifact]] = {}


class Artifact(ArtifactAccessors):
    """A reference to one payload, with its type, URI and properties.

    Subclasses set `TYPE_NAME` (the name in the metadata store) and `PROPERTIES`
    (declared properties with their types); declared properties are attributes.
    Anything else worth recording goes to `custom_properties`.

    Args:
        uri: Where the payload lies: a folder, unless the type says otherwise.
        id: Id in the metadata store; None before the artifact is published.
        name: Name given by the producer, for people to read.
        properties: Declared properties.
        custom_properties: Any other properties.
    """

    TYPE_NAME: ClassVar[str] = "Artifact"
    PROPERTIES: ClassVar[Mapping[str, PropertyType]] = {}

    uri: str
    id: int | None
    name: str
    properties: dict[str, PropertyValue]
    custom_properties: dict[str, PropertyValue]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "TYPE_NAME" not in cls.__dict__:
            cls.TYPE_NAME = cls.__name__
        _registry[cls.TYPE_NAME] = cls

    def __init__(
        self,
        uri: str = "",
        *,
        id: int | None = None,
        name: str = "",
        properties: Mapping[str, PropertyValue] | None = None,
        custom_properties: Mapping[str, PropertyValue] | None = None,
    ) -> None:
        fields = self.__dict__
        fields["uri"] = uri
        fields["id"] = id
        fields["name"] = name
        fields["properties"] = {}
        fields["custom_properties"] = dict(custom_properties or {})
        for key, value in (properties or {}).items():
            self.set_property(key, value)

    def set_property(self, key: str, value: PropertyValue) -> None:
        """Sets a declared property.

        Raises:
            DataError: The type declares no such property, or another type for it.
        """
        declared = type(self).PROPERTIES.get(key)
        if declared is None:
            raise DataError(
                f"artifact type {self.TYPE_NAME} declares no property {key!r}",
                expected=", ".join(type(self).PROPERTIES) or "no properties at all",
                suggestion=nearest(key, type(self).PROPERTIES),
                fix="declare it in PROPERTIES, or set it in custom_properties",
            )
        if not isinstance(value, _PYTHON_TYPES[declared]) or isinstance(value, bool):
            raise DataError(
                f"property {key!r} of artifact type {self.TYPE_NAME} has the wrong type",
                expected=declared.value,
                got=f"{value!r} ({type(value).__name__})",
            )
        self.properties[key] = value

    def __getattr__(self, key: str) -> Any:
        declared = type(self).PROPERTIES.get(key)
        if declared is None:
            raise AttributeError(f"artifact type {self.TYPE_NAME} has no attribute {key!r}")
        default: PropertyValue = "" if declared is PropertyType.STRING else 0
        return self.properties.get(key, default)

    def __setattr__(self, key: str, value: Any) -> None:
        if key in type(self).PROPERTIES:
            self.set_property(key, value)
        elif key in self.__dict__ or isinstance(getattr(type(self), key, None), property):
            object.__setattr__(self, key, value)
        else:
            self.set_property(key, value)

    def __repr__(self) -> str:
        shown = {**self.properties, **self.custom_properties}
        return f"{self.TYPE_NAME}(uri={self.uri!r}, id={self.id}, {shown})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Artifact):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = object.__hash__

    @property
    def content_digest(self) -> str:
        """Digest of the payload, or an empty string before it was taken.

        An executor may set it itself where bytes on disk differ between equal
        payloads; else the launcher hashes the tree at `uri`.
        """
        return str(self.custom_properties.get(CONTENT_DIGEST, ""))

    @content_digest.setter
    def content_digest(self, value: str) -> None:
        self.custom_properties[CONTENT_DIGEST] = value

    def path(self, *parts: str) -> str:
        """`uri` with `parts` below it."""
        return "/".join([self.uri.rstrip("/"), *parts]) if parts else self.uri

    def to_dict(self) -> dict[str, Any]:
        """A plain, JSON-compatible form; `artifact_from_dict` reads it back."""
        return {
            "type": self.TYPE_NAME,
            "uri": self.uri,
            "id": self.id,
            "name": self.name,
            "properties": dict(self.properties),
            "custom_properties": dict(self.custom_properties),
        }


class SplitArtifact(Artifact):
    """An artifact whose payload is divided into named splits below its URI."""

    TYPE_NAME = "SplitArtifact"

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in order."""
        raw = self.properties.get("split_names") or "[]"
        return list(json.loads(str(raw)))

    @splits.setter
    def splits(self, names: Sequence[str]) -> None:
        self.set_property("split_names", json.dumps(list(names)))

    def split_uri(self, split: str) -> str:
        """Folder of one split.

        Raises:
            DataError: There is no such split.
        """
        if split not in self.splits:
            raise DataError(
                f"{self.TYPE_NAME} has no split {split!r}",
                expected=", ".join(self.splits) or "no splits at all",
                got=split,
                suggestion=nearest(split, self.splits),
                location=self.uri,
            )
        return self.path(f"Split-{split}")


class ValueArtifact(Artifact):
    """An artifact that is one value, in a file of TFX's form named `value` below its URI.

    In TFX the URI is that of the file; such URIs are read as well.
    """

    TYPE_NAME = "ValueArtifact"
    #: What a value may be; any Python type where it names none.
    PYTHON_TYPES: ClassVar[tuple[type, ...]] = ()

    @property
    def value_file(self) -> str:
        """The file that holds the value."""
        alone = self.uri.rpartition("/")[2] == VALUE_FILE and not os.path.isdir(self.uri)
        return self.uri if alone else self.path(VALUE_FILE)

    def read(self) -> Any:
        """The value."""
        if self.custom_properties.get(IS_NULL) == 1:
            return None
        with open(self.value_file, "rb") as file:
            return self.decode(file.read())

    def write(self, value: Any) -> None:
        """Keeps a value.

        Raises:
            DataError: It is not of the artifact's type.
        """
        data = b"" if value is None else self.encode(self._checked(value))
        self.custom_properties[IS_NULL] = int(value is None)
        os.makedirs(os.path.dirname(self.value_file), exist_ok=True)
        with open(self.value_file, "wb") as file:
            file.write(data if isinstance(data, bytes) else str(data).encode())

    def encode(self, value: Any) -> bytes:
        """The bytes of a value other than None: here its JSON."""
        return json.dumps(value).encode()

    def decode(self, serialized_value: bytes) -> Any:
        """The value of such bytes."""
        return json.loads(serialized_value)

    @classmethod
    def annotate_as(cls, type_annotation: type | None = None) -> type[ValueArtifact]:
        """A type of its own for values of one meaning: `String_Model`, as TFX names it.

        Args:
            type_annotation: One of TFX's standard annotations, `Model` for instance.
        """
        if type_annotation is None:
            return cls
        name = f"{cls.__name__}_{type_annotation.__name__}"
        fields = {"TYPE_NAME": f"{cls.TYPE_NAME}_{type_annotation.__name__}"}
        return type(name, (cls,), {**fields, "__module__": cls.__module__})

    def written_as_json(self, data: bytes) -> Any:
        """What Penstock's first stores hold, all of whose values are JSON; None for others."""
        try:
            return None if IS_NULL in self.custom_properties else json.loads(data)
        except ValueError:
            return None

    def _checked(self, value: Any) -> Any:
        """The value; NumPy's scalars become what they hold."""
        if not self.PYTHON_TYPES:
            return value
        found = value.item() if hasattr(value, "item") else value
        misled = isinstance(found, bool) and bool not in self.PYTHON_TYPES
        if misled or not isinstance(found, self.PYTHON_TYPES):
            raise DataError(
                f"an artifact of type {self.TYPE_NAME} cannot hold this value",
                expected=" or ".join(each.__name__ for each in self.PYTHON_TYPES),
                got=f"{found!r} ({type(found).__name__})",
            )
        return found

    @property
    def value(self) -> Any:
        """The value."""
        return self.read()

    @value.setter
    def value(self, value: Any) -> None:
        self.write(value)


def artifact_class(type_name: str) -> type[Artifact]:
    """The Python class of an artifact type, made on the spot where none is loaded."""
    found = _registry.get(type_name)
    return found if found is not None else type(type_name, (Artifact,), {"TYPE_NAME": type_name})


def declare_artifact_type(type_name: str, properties: Mapping[str, PropertyType]) -> type[Artifact]:
    """The class of a type known only by name and properties, as read from an IR."""
    found = _registry.get(type_name)
    if found is None:
        found = type(type_name, (Artifact,), {"TYPE_NAME": type_name, "PROPERTIES": properties})
    return found


def artifact_from_dict(raw: Mapping[str, Any]) -> Artifact:
    """Reads the form that `Artifact.to_dict` wrote."""
    cls = artifact_class(raw["type"])
    if not cls.PROPERTIES and raw["properties"]:
        # The class may live in code this process has not loaded; keep what was recorded.
        artifact = cls(raw["uri"], id=raw["id"], name=raw["name"])
        artifact.properties.update(raw["properties"])
        artifact.custom_properties.update(raw["custom_properties"])
        return artifact
    return cls(
        raw["uri"],
        id=raw["id"],
        name=raw["name"],
        properties=raw["properties"],
        custom_properties=raw["custom_properties"],
    )


def is_artifact_type(found: object) -> bool:
    """Whether something is a type of artifacts."""
    return isinstance(found, type) and issubclass(found, Artifact)
