# SPDX-License-Identifier: Apache-2.0
"""Artifact types as TFX's users declare them, and the helpers of `artifact_utils`.

The standard types are the native ones. A type of one's own::

    class Report(tfx.dsl.Artifact):
        TYPE_NAME = "Report"
        PROPERTIES = {"rows": Property(type=PropertyType.INT)}
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Any

from ...utils.errors import DataError
from ..base import artifact as native
from ..base.artifact_types import ModelBlessing


class PropertyType(enum.Enum):
    """The types of declared properties in TFX."""

    INT = 1
    FLOAT = 2
    STRING = 3
    JSON_VALUE = 4
    PROTO = 5
    BOOLEAN = 6


#: As what each type is recorded: JSON and messages are texts, truth values 1 and 0.
_NATIVE = {
    PropertyType.INT: native.PropertyType.INT,
    PropertyType.FLOAT: native.PropertyType.FLOAT,
    PropertyType.STRING: native.PropertyType.STRING,
    PropertyType.JSON_VALUE: native.PropertyType.STRING,
    PropertyType.PROTO: native.PropertyType.STRING,
    PropertyType.BOOLEAN: native.PropertyType.INT,
}


class Property:
    """A declared property: `Property(type=PropertyType.INT)`."""

    def __init__(self, type: PropertyType | native.PropertyType) -> None:
        self.type = type

    @property
    def native(self) -> native.PropertyType:
        """The type as it is recorded."""
        return self.type if isinstance(self.type, native.PropertyType) else _NATIVE[self.type]


class ArtifactState:
    """States that an artifact may say it is in."""

    PENDING = "pending"
    PUBLISHED = "published"
    MISSING = "missing"
    MARKED_FOR_DELETION = "MARKED_FOR_DELETION"
    DELETED = "deleted"
    ABANDONED = "abandoned"
    REFERENCE = "reference"


class _AnyArtifact(type):
    """Lets every native artifact count as one of `Artifact`."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls.__dict__.get("_is_root"):
            return isinstance(instance, native.Artifact)
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls.__dict__.get("_is_root"):
            return issubclass(subclass, native.Artifact)
        return super().__subclasscheck__(subclass)


def _declare(cls: Any) -> None:
    declared = cls.__dict__.get("PROPERTIES")
    if declared is not None:
        cls.PROPERTIES = {
            name: found.native if isinstance(found, Property) else found
            for name, found in declared.items()
        }
    if cls.__dict__.get("TYPE_NAME", "") is None:
        del cls.TYPE_NAME


class Artifact(native.Artifact, metaclass=_AnyArtifact):
    """Base of artifact types: see the module's docstring."""

    # Not the native name: artifacts that are read back are native ones.
    TYPE_NAME = "TfxArtifact"
    _is_root = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        _declare(cls)
        super().__init_subclass__(**kwargs)


class ValueArtifact(native.ValueArtifact):
    """Base of artifact types that are one value."""

    TYPE_NAME = "TfxValueArtifact"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        _declare(cls)
        super().__init_subclass__(**kwargs)


#: Splits that example generators write by default.
DEFAULT_EXAMPLE_SPLITS = ["train", "eval"]


class DataView(native.Artifact):
    """How records of another format become tensors."""

    TYPE_NAME = "DataView"


class Dataset(native.Artifact):
    """Data of any kind."""

    TYPE_NAME = "Dataset"


class File(native.Artifact):
    """A file."""

    TYPE_NAME = "File"


class Metrics(native.Artifact):
    """Measures of any kind."""

    TYPE_NAME = "Metrics"


class Statistics(native.Artifact):
    """Statistics of any kind."""

    TYPE_NAME = "Statistics"


def get_single_instance(artifacts: Sequence[native.Artifact]) -> Any:
    """The only artifact of a list.

    Raises:
        DataError: There is none, or there are several.
    """
    if len(artifacts) != 1:
        raise DataError(
            "exactly one artifact is needed", expected="a list of one", got=str(len(artifacts))
        )
    return artifacts[0]


def get_single_uri(artifacts: Sequence[native.Artifact]) -> str:
    """URI of the only artifact of a list.

    Raises:
        DataError: There is none, or there are several.
    """
    return str(get_single_instance(artifacts).uri)


def get_split_uris(artifacts: Sequence[native.Artifact], split: str) -> list[str]:
    """Folder of a split in each artifact.

    Raises:
        DataError: An artifact has no such split.
    """
    found = []
    for artifact in artifacts:
        names = decode_split_names(getattr(artifact, "split_names", ""))
        if split not in names:
            raise DataError(
                f"{artifact.TYPE_NAME} has no split {split!r}",
                expected=", ".join(names) or "no splits at all",
                got=split,
                location=artifact.uri,
            )
        found.append(artifact.path(f"Split-{split}"))
    return found


def get_split_uri(artifacts: Sequence[native.Artifact], split: str) -> str:
    """Folder of a split in the only artifact that there is.

    Raises:
        DataError: There are several artifacts, or it has no such split.
    """
    return get_split_uris([get_single_instance(artifacts)], split)[0]


def encode_split_names(splits: Sequence[str]) -> str:
    """Names of splits, as the property `split_names` keeps them."""
    return json.dumps(list(splits))


def decode_split_names(split_names: str) -> list[str]:
    """The names in a property `split_names`."""
    return list(json.loads(split_names)) if split_names else []


def replicate_artifacts(source: native.Artifact, count: int) -> list[native.Artifact]:
    """Copies of an artifact."""
    return [native.artifact_from_dict(source.to_dict()) for _ in range(count)]


def is_model_blessed(model_blessing: native.Artifact) -> bool:
    """Whether an Evaluator blessed the model."""
    return isinstance(model_blessing, ModelBlessing) and model_blessing.blessed


def is_infra_validated(infra_blessing: native.Artifact) -> bool:
    """Whether an InfraValidator blessed the model."""
    return infra_blessing.custom_properties.get("blessed") in (1, "INFRA_BLESSED")
