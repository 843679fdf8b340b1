# SPDX-License-Identifier: Apache-2.0
"""Payload formats of `Examples`, and what their files are called.

Names are `Split-<name>/data_parquet-00000-of-00001.parquet` or, for TFRecord,
`Split-<name>/data_tfrecord-00000-of-00001`, with `.gz` where it is compressed.
"""

from __future__ import annotations

import enum

#: Custom properties of an `Examples` artifact.
PAYLOAD_FORMAT = "payload_format"
ARROW_SCHEMA = "arrow_schema"
ROW_COUNTS = "row_counts"
BYTE_COUNTS = "byte_counts"
SOURCE_FILES = "source_files"
SPANS = "spans"


class PayloadFormat(str, enum.Enum):
    """How records are written.

    `PARQUET` keeps types as they are. `TFRECORD` holds serialized `tf.Example`s: texts as
    bytes, whole numbers and truth values as int64, other numbers as float32.
    """

    PARQUET = "parquet"
    TFRECORD = "tfrecord"
    TFRECORD_GZIP = "tfrecord_gzip"

    @property
    def family(self) -> str:
        """`parquet` or `tfrecord`: what the artifact records."""
        return "parquet" if self is PayloadFormat.PARQUET else "tfrecord"

    def file_name(self, shard: int, shards: int) -> str:
        """Name of one file of a split."""
        ending = {"parquet": ".parquet", "tfrecord": "", "tfrecord_gzip": ".gz"}[self.value]
        return f"data_{self.family}-{shard:05d}-of-{shards:05d}{ending}"
