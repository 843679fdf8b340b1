# SPDX-License-Identifier: Apache-2.0
"""Does the work of `SchemaGen`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils.errors import ParameterError, nearest
from ..base.artifact import PropertyValue
from ..base.artifact_types import ExampleStatistics, Schema
from ..base.executor import Task
from .schema_inference import MAX_DOMAIN_SIZE, infer_schema
from .schema_text import write_schema
from .split_selection import remaining_splits


class SchemaExecutor:
    """Reads `ExampleStatistics`, writes a `Schema`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `schema`.

        Raises:
            ParameterError: A split to exclude, or a feature that an environment lacks, is not
                there.
            DataError: The statistics cannot be read.
        """
        statistics = task.input("statistics", ExampleStatistics)
        excluded = task.parameter("exclude_splits", list[str])
        limit = task.parameter("max_string_domain_size", int | None)
        schema = infer_schema(
            statistics,
            remaining_splits(statistics.splits, excluded, task.node_id),
            task.parameter("infer_feature_shape", bool),
            MAX_DOMAIN_SIZE if limit is None else limit,
        )
        environments = task.parameter("environments", dict[str, list[str]] | None) or {}
        _add_environments(schema, environments, task.node_id)
        write_schema(task.output("schema", Schema), schema)
        return {"features": len(schema.feature)}


def _add_environments(
    schema: schema_pb2.Schema, environments: Mapping[str, Sequence[str]], node: str
) -> None:
    features = {feature.name: feature for feature in schema.feature}
    for environment, lacking in environments.items():
        schema.default_environment.append(environment)
        for name in lacking:
            if name not in features:
                raise ParameterError(
                    f"environment {environment!r} lacks {name!r}, which is no feature anyway",
                    node=node,
                    expected=", ".join(features),
                    got=name,
                    suggestion=nearest(name, features),
                )
            features[name].not_in_environment.append(environment)
