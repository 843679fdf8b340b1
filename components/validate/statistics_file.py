# SPDX-License-Identifier: Apache-2.0
"""Statistics and anomalies on disk: one protocol buffer for each split."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from ...utils.errors import DataError
from ...utils.storage_errors import storage_errors
from ..base.artifact import SplitArtifact
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics

#: Names of the files in a split's folder.
STATISTICS_FILE = "FeatureStats.pb"
SHARDED_STATISTICS_PREFIX = "FeatureStats.tfrecords"
ANOMALIES_FILE = "SchemaDiff.pb"

M = TypeVar("M", bound=Message)


def read_statistics(artifact: ExampleStatistics, split: str) -> Any:
    """The `DatasetFeatureStatisticsList` of a split.

    Raises:
        DataError: There is none, or it is damaged.
    """
    message = statistics_pb2.DatasetFeatureStatisticsList()
    return _read(artifact, split, STATISTICS_FILE, message)


def write_statistics(artifact: ExampleStatistics, split: str, statistics: Message) -> None:
    """Writes a split's `DatasetFeatureStatisticsList`."""
    _write(artifact, split, STATISTICS_FILE, statistics)


def write_sharded_statistics(
    artifact: ExampleStatistics, split: str, statistics: Any, partitions: int
) -> None:
    """Writes a split's statistics once more, in files of some features each.

    `tensorflow_data_validation.load_sharded_statistics(<folder>/FeatureStats.tfrecords)`
    reads them.
    """
    import tensorflow as tf

    prefix = os.path.join(artifact.split_uri(split), SHARDED_STATISTICS_PREFIX)
    for part in range(partitions):
        shard = type(statistics)()
        for dataset in statistics.datasets:
            cut = shard.datasets.add()
            cut.CopyFrom(dataset)
            del cut.features[:]
            cut.features.extend(dataset.features[part::partitions])
        path = f"{prefix}-{part:05d}-of-{partitions:05d}"
        with storage_errors(path, "write"), tf.io.TFRecordWriter(path) as file:
            file.write(shard.SerializeToString(deterministic=True))


def read_anomalies(artifact: ExampleAnomalies, split: str) -> Any:
    """The `Anomalies` of a split.

    Raises:
        DataError: There are none, or they are damaged.
    """
    return _read(artifact, split, ANOMALIES_FILE, anomalies_pb2.Anomalies())


def write_anomalies(artifact: ExampleAnomalies, split: str, anomalies: Message) -> None:
    """Writes a split's `Anomalies`."""
    _write(artifact, split, ANOMALIES_FILE, anomalies)


def _read(artifact: SplitArtifact, split: str, name: str, message: M) -> M:
    path = os.path.join(artifact.split_uri(split), name)
    try:
        with open(path, "rb") as file:
            message.ParseFromString(file.read())
    except (OSError, DecodeError) as error:
        raise DataError(
            f"the {artifact.TYPE_NAME} of split {split!r} cannot be read",
            got=str(error),
            location=path,
            fix="run the node that writes them again",
        ) from error
    return message


def _write(artifact: SplitArtifact, split: str, name: str, message: Message) -> None:
    folder = artifact.split_uri(split)
    path = os.path.join(folder, name)
    with storage_errors(path, "write"):
        os.makedirs(folder, exist_ok=True)
        with open(path, "wb") as file:
            file.write(message.SerializeToString(deterministic=True))
