# SPDX-License-Identifier: Apache-2.0
"""A schema that the data of several splits fits."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from ..base.artifact_types import ExampleStatistics
from .statistics_file import read_statistics

#: Most values of a text feature that make a domain, as TFDV has it.
MAX_DOMAIN_SIZE = 100


def infer_schema(
    statistics: ExampleStatistics,
    splits: Sequence[str],
    infer_feature_shape: bool = True,
    max_string_domain_size: int = MAX_DOMAIN_SIZE,
) -> schema_pb2.Schema:
    """Infers a schema.

    Args:
        statistics: Statistics of the data.
        splits: Which of its splits must fit.
        infer_feature_shape: Whether features with always as many values get a shape.
        max_string_domain_size: Most values of a text feature that make a domain.

    Raises:
        DataError: The statistics cannot be read.
    """
    limit = max_string_domain_size
    first = read_statistics(statistics, splits[0])
    schema = tfdv.infer_schema(first, infer_feature_shape, limit)
    for split in splits[1:]:
        found = read_statistics(statistics, split)
        schema = tfdv.update_schema(schema, found, infer_feature_shape, limit)
        _keep_rare_features(schema)
    return schema


def _keep_rare_features(schema: schema_pb2.Schema) -> None:
    """Lets features be missing where a split has no value of them.

    TFDV would call such a feature deprecated, and then nothing reads it any more.
    """
    for feature in schema.feature:
        if feature.lifecycle_stage == schema_pb2.DEPRECATED:
            feature.ClearField("lifecycle_stage")
            feature.presence.Clear()
            feature.presence.min_count = 0
