# SPDX-License-Identifier: Apache-2.0
"""Finds an artifact in another store, and the one that stands for it here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...orchestration.metadata.store import MetadataStore
from ...utils.errors import MetadataError
from ..base.artifact import CONTENT_DIGEST, Artifact
from ..base.control import ControlContext
from .importer_executor import ImporterExecutor

#: Custom properties that say how the other store keeps it, not what it is.
_LEFT_OUT = frozenset({CONTENT_DIGEST, "is_external"})


class StoreImporterExecutor:
    """See `StoreImporter`."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """The newest artifact that fits, as an artifact of this store.

        Raises:
            MetadataError: The other store cannot be read, or has none where one is required.
            StorageError: The payload is no longer where it was.
        """
        parameters = context.parameters
        key = str(parameters["output_key"])
        with MetadataStore(str(parameters["metadata"]), create=False) as other:
            found = _newest(other, context.outputs[key], parameters)
            if found is None:
                if parameters["required"]:
                    raise _none_there(other, context, key)
                return {key: []}
        custom = {k: v for k, v in found.custom_properties.items() if k not in _LEFT_OUT}
        custom["imported_artifact"] = found.id or 0
        importing = {
            "source_uri": found.uri,
            "output_key": key,
            "reimport": False,
            "properties": dict(found.properties),
            "custom_properties": custom,
        }
        return ImporterExecutor().resolve(
            ControlContext(
                store=context.store,
                outputs=context.outputs,
                parameters=importing,
                pipeline_name=context.pipeline_name,
                node_id=context.node_id,
                run_id=context.run_id,
            )
        )


def _newest(other: MetadataStore, type_name: str, parameters: Mapping[str, Any]) -> Artifact | None:
    if parameters["blessed"]:
        blessed = other.latest_blessed_model(parameters["pipeline"])
        return blessed[0] if blessed else None
    found = other.latest_artifacts(
        type_name,
        pipeline=parameters["pipeline"],
        node_id=parameters["node_id"],
        where=parameters["where"],
    )
    return found[0] if found else None


def _none_there(other: MetadataStore, context: ControlContext, key: str) -> MetadataError:
    parameters = context.parameters
    wanted = f"a live {context.outputs[key]}"
    for name, words in (("pipeline", "of pipeline"), ("node_id", "made by")):
        if parameters[name]:
            wanted += f" {words} {parameters[name]}"
    records = other.list_artifacts(limit=200)
    there = sorted({f"{each.pipeline}: {each.artifact.TYPE_NAME}" for each in records})
    return MetadataError(
        "the other store has nothing to import",
        node=context.node_id,
        expected=wanted + (" that was blessed" if parameters["blessed"] else ""),
        got="; ".join(there) or "no artifacts at all",
        location=other.config.url,
        fix="look at what there is: penstock artifacts list --metadata " + other.config.url,
    )
