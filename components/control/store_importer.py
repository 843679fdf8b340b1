# SPDX-License-Identifier: Apache-2.0
"""An importer from another metadata store: of TFX's for one, to go on from what is there.

baseline = StoreImporter(
    "tfx/metadata/taxi/metadata.db", Model, pipeline="taxi", blessed=True
).with_id("tfx_baseline")
schema = StoreImporter("tfx/metadata/taxi/metadata.db", Schema, node_id="SchemaGen")
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...utils.errors import WiringError
from ...utils.source_location import caller_location
from ..base.artifact import Artifact, PropertyValue
from ..base.channel import Channel
from ..base.expression import Expression
from ..base.node import Node, OutputMapping


class StoreImporter(Node):
    """Brings the newest artifact of a type from another metadata store into the pipeline.

    The payload stays where it is; its content is digested. An artifact recorded here before
    with the same place, content and properties is used again. The other store is only read.

    Args:
        metadata: The other store, as text (a path, `sqlite:///…`, `mysql://…`, `grpc://…`).
        artifact_type: Which artifacts to look for.
        pipeline: Only those that this pipeline made.
        node_id: Only those that this node made.
        blessed: Only a model that an Evaluator blessed; needs `pipeline`.
        where: Values that properties or custom properties must have.
        required: Whether it is an error that there is none; else the output is empty.
        output_key: Name of the output.

    Raises:
        WiringError: `artifact_type` is not an artifact type, or `blessed` is asked for of
            something else than a model, or without a pipeline.
    """

    type_name = "penstock.components.control.store_importer.StoreImporter"
    kind = "control"
    executor = "penstock.components.control.store_importer_executor:StoreImporterExecutor"

    def __init__(
        self,
        metadata: str | os.PathLike[str] | Expression,
        artifact_type: type[Artifact],
        *,
        pipeline: str | None = None,
        node_id: str | None = None,
        blessed: bool = False,
        where: Mapping[str, PropertyValue] | None = None,
        required: bool = True,
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
        if blessed and (artifact_type.TYPE_NAME != "Model" or not pipeline or node_id or where):
            raise WiringError(
                "blessings are of the models of a pipeline",
                node=self.id,
                expected='StoreImporter(metadata, Model, pipeline="…", blessed=True)',
                got=f"{artifact_type.TYPE_NAME}, pipeline={pipeline!r}, node_id={node_id!r}, "
                f"where={dict(where or {})}",
                location=caller_location(),
            )
        self.parameters = {
            "metadata": metadata if isinstance(metadata, Expression) else os.fspath(metadata),
            "pipeline": pipeline,
            "node_id": node_id,
            "blessed": blessed,
            "where": dict(where or {}),
            "required": required,
            "output_key": output_key,
        }
        self.outputs = OutputMapping(self, {output_key: Channel(artifact_type, self, output_key)})

    @property
    def description(self) -> str:
        """What is imported."""
        return f"Imports from the store {self.parameters['metadata']}."
