# SPDX-License-Identifier: Apache-2.0
"""The importer: brings a payload from outside into a pipeline as an artifact.

See https://www.tensorflow.org/tfx/guide/mlmd and the TFX guide's page on importers.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...utils.errors import WiringError
from ...utils.source_location import caller_location
from ..base.artifact import Artifact, PropertyValue
from ..base.channel import Channel
from ..base.expression import Expression
from ..base.node import Node, OutputMapping


class Importer(Node):
    """Brings what lies at a URI into the pipeline as an artifact.

    The payload stays where it is; its content is digested, so that a change of it is
    noticed. An artifact recorded before with the same content is used again.

    Args:
        source_uri: Where the payload lies.
        artifact_type: The type to record it as.
        reimport: Whether to record a new artifact even if one with this content exists.
        properties: Declared properties to set.
        custom_properties: Other properties to set.
        output_key: Name of the output.

    Raises:
        WiringError: `artifact_type` is not an artifact type.
    """

    type_name = "tfx.dsl.components.common.importer.Importer"
    kind = "control"
    executor = "penstock.components.control.importer_executor:ImporterExecutor"

    def __init__(
        self,
        source_uri: str | Expression,
        artifact_type: type[Artifact],
        *,
        reimport: bool = False,
        properties: Mapping[str, PropertyValue] | None = None,
        custom_properties: Mapping[str, PropertyValue] | None = None,
        output_key: str = "result",
    ) -> None:
        super().__init__(type(self).__name__)
        if not (isinstance(artifact_type, type) and issubclass(artifact_type, Artifact)):
            raise WiringError(
                "the importer needs an artifact type",
                node=self.id,
                expected="a subclass of penstock.Artifact",
                got=repr(artifact_type),
                location=caller_location(),
            )
        # Setting the properties on an artifact checks their names and types here and now.
        artifact_type(properties=properties, custom_properties=custom_properties)
        self.parameters = {
            "source_uri": source_uri,
            "reimport": reimport,
            "properties": dict(properties or {}),
            "custom_properties": dict(custom_properties or {}),
            "output_key": output_key,
        }
        self.outputs = OutputMapping(self, {output_key: Channel(artifact_type, self, output_key)})

    @property
    def description(self) -> str:
        """What is imported."""
        uri = self.parameters["source_uri"]
        # What an expression will be is known in a run only; its repr is of this process.
        return f"Imports {uri if isinstance(uri, str) else 'what the run names'}."
