# SPDX-License-Identifier: Apache-2.0
"""Finds or makes the artifact for a payload that lies outside the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...utils import storage
from ...utils.errors import StorageError
from ...utils.hashing import digest_tree
from ..base.artifact import Artifact, artifact_class
from ..base.control import ControlContext


class ImporterExecutor:
    """See `Importer`."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """The artifact at the source URI: one recorded before if its content is the same.

        Raises:
            StorageError: There is nothing at the URI.
        """
        parameters = context.parameters
        uri, key = str(parameters["source_uri"]), str(parameters["output_key"])
        if not storage.exists(uri):
            raise StorageError(
                "there is nothing to import",
                node=context.node_id,
                expected="a file or folder",
                got=uri,
                fix="check source_uri; a relative path is taken from where the run starts",
            )
        type_name = context.outputs[key]
        digest = digest_tree(uri)
        if not parameters["reimport"]:
            for found in context.store.artifacts_by_uri(uri):
                if self._same(found, type_name, digest, parameters):
                    return {key: [found]}
        made = artifact_class(type_name)(uri, custom_properties=parameters["custom_properties"])
        made.properties.update(parameters["properties"])
        made.custom_properties["is_external"] = 1
        made.content_digest = digest
        return {key: [made]}

    def _same(
        self, found: Artifact, type_name: str, digest: str, parameters: Mapping[str, object]
    ) -> bool:
        wanted = parameters["properties"]
        custom = parameters["custom_properties"]
        return (
            type_name == found.TYPE_NAME
            and found.content_digest == digest
            and isinstance(wanted, dict)
            and isinstance(custom, dict)
            and all(found.properties.get(key) == value for key, value in wanted.items())
            and all(found.custom_properties.get(key) == value for key, value in custom.items())
        )
