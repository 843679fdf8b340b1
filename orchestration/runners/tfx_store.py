# SPDX-License-Identifier: Apache-2.0
"""TFX's own ways into a metadata store and to pictures, as notebooks of its guide use them.

with Metadata(connection_config) as handle:
    executions = handle.store.get_executions_by_type("tfx.components.….StatisticsGen")
    found = get_output_artifacts(handle, executions[-1].id)["statistics"]
get_registry().get_visualization("ExampleStatistics").display(found[0])
"""

from __future__ import annotations

import abc
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from ...components.base.artifact import Artifact
from ..metadata.artifact_codec import decode_artifact
from ..metadata.library import library


class Metadata:
    """A metadata store, for a `with` statement.

    Args:
        connection_config: What `sqlite_metadata_connection_config` and its kin give.
    """

    def __init__(self, connection_config: Any) -> None:
        self._config = connection_config
        self._store: Any = None

    def __enter__(self) -> Metadata:
        self._store = library().mlmd.MetadataStore(self._config)
        return self

    def __exit__(self, *raised: object) -> None:
        self._store = None

    @property
    def store(self) -> Any:
        """ML Metadata's own `MetadataStore`.

        Raises:
            RuntimeError: It is asked for outside of the `with` statement.
        """
        if self._store is None:
            raise RuntimeError("metadata are read inside `with Metadata(config) as handle:`")
        return self._store


def get_input_artifacts(metadata_handle: Metadata, execution_id: int) -> dict[str, list[Artifact]]:
    """Input artifacts of an execution by input name."""
    event = library().protos.Event
    return _artifacts(metadata_handle, execution_id, (event.INPUT, event.DECLARED_INPUT))


def get_output_artifacts(metadata_handle: Metadata, execution_id: int) -> dict[str, list[Artifact]]:
    """Output artifacts of an execution by output name."""
    event = library().protos.Event
    return _artifacts(metadata_handle, execution_id, (event.OUTPUT, event.DECLARED_OUTPUT))


def _artifacts(
    handle: Metadata, execution_id: int, kinds: tuple[int, ...]
) -> dict[str, list[Artifact]]:
    events = handle.store.get_events_by_execution_ids([execution_id])
    wanted = [event for event in events if event.type in kinds]
    messages = handle.store.get_artifacts_by_id([event.artifact_id for event in wanted])
    by_id = {message.id: message for message in messages}
    types = handle.store.get_artifact_types_by_id(list({each.type_id for each in messages}))
    type_by_id = {each.id: each for each in types}
    found: dict[str, list[Artifact]] = defaultdict(list)
    for event in wanted:
        message = by_id[event.artifact_id]
        name = next(step.key for step in event.path.steps if step.HasField("key"))
        found[name].append(decode_artifact(message, type_by_id[message.type_id]))
    return dict(found)


def deserialize_artifact(artifact_type: Any, artifact: Any = None) -> Artifact:
    """The artifact of ML Metadata's messages: of a type, and of an artifact."""
    message = library().protos.Artifact() if artifact is None else artifact
    return decode_artifact(message, artifact_type)


def deserialize_artifacts(artifact_type: Any, artifacts: Iterable[Any]) -> list[Artifact]:
    """The artifacts of several such messages of one type."""
    return [deserialize_artifact(artifact_type, each) for each in artifacts]


class ArtifactVisualization(abc.ABC):
    """Base of pictures of one's own: `ARTIFACT_TYPE`, and `display`."""

    ARTIFACT_TYPE: ClassVar[type[Artifact]]

    @abc.abstractmethod
    def display(self, artifact: Artifact) -> Any:
        """Shows an artifact in a notebook."""


class _Picture(ArtifactVisualization):
    """How every artifact is shown that nobody has registered a picture for."""

    def display(self, artifact: Artifact) -> None:
        """Shows an artifact in a notebook."""
        from .views.showing import show

        show(artifact)


class ArtifactVisualizationRegistry:
    """Pictures by type of artifact."""

    def __init__(self) -> None:
        self.visualizations: dict[str, ArtifactVisualization] = {}

    def register(self, visualization_class: type[ArtifactVisualization]) -> None:
        """Shows artifacts of a class's `ARTIFACT_TYPE` by it."""
        name = visualization_class.ARTIFACT_TYPE.TYPE_NAME
        self.visualizations[name] = visualization_class()

    def get_visualization(self, artifact_type_name: str) -> ArtifactVisualization:
        """What shows artifacts of a type."""
        return self.visualizations.get(artifact_type_name) or _Picture()


_REGISTRY = ArtifactVisualizationRegistry()


def get_registry() -> ArtifactVisualizationRegistry:
    """The one registry there is."""
    return _REGISTRY


def register_standard_visualizations() -> None:
    """Does nothing: artifacts of standard types show themselves."""
