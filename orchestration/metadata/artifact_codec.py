# SPDX-License-Identifier: Apache-2.0
"""Artifacts to ML Metadata's messages and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# The standard types must be known before artifacts of them are read.
from ...components.base import artifact_types as _standard_types  # noqa: F401
from ...components.base.artifact import Artifact, declare_artifact_type
from .codec import Sidecar, read_properties, storable_uri, write_declared, write_properties
from .library import library
from .records import ArtifactRecord, ArtifactState
from .type_names import (
    EXACT_PROPERTY,
    NAME_PROPERTY,
    PIPELINE_NAME_PROPERTY,
    PRODUCER_COMPONENT_PROPERTY,
    SYSTEM_PROPERTIES,
    TFX_VERSION,
    TFX_VERSION_PROPERTY,
)
from .type_registry import declared_properties


def encode_artifact(
    artifact: Artifact,
    artifact_type: Any,
    sidecar: Sidecar,
    *,
    pipeline: str,
    node_id: str,
    external_id: str,
) -> Any:
    """The message of a new artifact, live, as its producer publishes it.

    Raises:
        MetadataError: A property or the URI cannot be recorded.
    """
    protos = library().protos
    made = protos.Artifact(
        type_id=artifact_type.id,
        uri=storable_uri(artifact.uri),
        state=protos.Artifact.LIVE,
        external_id=external_id,
    )
    write_declared(artifact.properties, artifact_type.properties, made.properties, sidecar)
    custom = {
        name: value
        for name, value in artifact.custom_properties.items()
        if name not in SYSTEM_PROPERTIES
    }
    write_properties(custom, made.custom_properties, sidecar, "custom_properties")
    system = {
        TFX_VERSION_PROPERTY: TFX_VERSION,
        PIPELINE_NAME_PROPERTY: pipeline,
        PRODUCER_COMPONENT_PROPERTY: node_id,
    }
    if artifact.name:
        # Not the field `name`, which ML Metadata wants unique among artifacts of a type.
        system[NAME_PROPERTY] = artifact.name
    write_properties(system, made.custom_properties, sidecar, "custom_properties")
    sidecar.write(made.custom_properties)
    return made


def decode_artifact(found: Any, artifact_type: Any) -> Artifact:
    """The artifact of a message, of the class loaded for its type or of one made for it."""
    cls = declare_artifact_type(artifact_type.name, declared_properties(artifact_type))
    custom = read_properties(found.custom_properties, "custom_properties", found.custom_properties)
    artifact = cls(found.uri, id=found.id, name=str(custom.get(NAME_PROPERTY, "")))
    # Past the checks of `set_property`: what the store has need not be what the class declares.
    artifact.properties.update(
        read_properties(found.properties, "properties", found.custom_properties)
    )
    artifact.custom_properties.update(
        (name, value) for name, value in custom.items() if name not in SYSTEM_PROPERTIES
    )
    return artifact


def decode_artifact_record(found: Any, artifact_type: Any) -> ArtifactRecord:
    """The artifact of a message, with what is recorded beside it."""
    state = library().protos.Artifact.State.Name(found.state)
    return ArtifactRecord(
        artifact=decode_artifact(found, artifact_type),
        state=ArtifactState(state.lower()),
        pipeline=recorded(found, PIPELINE_NAME_PROPERTY),
        node_id=recorded(found, PRODUCER_COMPONENT_PROPERTY),
        created_at=found.create_time_since_epoch / 1000,
    )


def recorded(found: Any, name: str) -> str:
    """A custom property that is text; empty where it is missing."""
    if name not in found.custom_properties or EXACT_PROPERTY in found.custom_properties:
        values = read_properties(
            found.custom_properties, "custom_properties", found.custom_properties
        )
        return str(values.get(name, ""))
    return str(found.custom_properties[name].string_value)


def is_live(found: Any) -> bool:
    """Whether an artifact's message says that its payload is there."""
    return bool(found.state == library().protos.Artifact.LIVE)


def encode_events(artifacts: Mapping[str, Sequence[Artifact]], event_type: int) -> dict[int, Any]:
    """One event for each recorded artifact, by its id; the path tells name and index.

    An artifact that is there under several names has one event with several paths, as ML
    Metadata allows one event of a type between an execution and an artifact.
    """
    events: dict[int, Any] = {}
    for name, listed in artifacts.items():
        for index, artifact in enumerate(listed):
            if artifact.id is not None:
                event = events.setdefault(artifact.id, _event(event_type, artifact.id))
                add_path(event, name, index)
    return events


def _event(event_type: int, artifact_id: int) -> Any:
    return library().protos.Event(type=event_type, artifact_id=artifact_id)


def add_path(event: Any, name: str, index: int) -> None:
    """Tells under which name and index an execution knows the artifact of an event."""
    event.path.steps.add().key = name
    event.path.steps.add().index = index


def paths_of(event: Any) -> Iterable[tuple[str, int]]:
    """Names and indexes under which an execution knows the artifact of an event."""
    steps = list(event.path.steps)
    for key, index in zip(steps[::2], steps[1::2], strict=False):
        yield key.key, index.index


def arrange(events: Iterable[Any], artifacts: Mapping[int, Artifact]) -> dict[str, list[Artifact]]:
    """Artifacts by name, in the order of their indexes, as the events' paths tell."""
    placed: dict[str, list[tuple[int, Artifact]]] = {}
    for event in events:
        for name, index in paths_of(event):
            if event.artifact_id in artifacts:
                placed.setdefault(name, []).append((index, artifacts[event.artifact_id]))
    return {
        name: [artifact for _, artifact in sorted(found, key=lambda pair: pair[0])]
        for name, found in placed.items()
    }
