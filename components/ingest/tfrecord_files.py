# SPDX-License-Identifier: Apache-2.0
"""TFRecord files, read and written without TensorFlow.

    one record: length (8 bytes, little-endian), masked CRC-32C of the length (4 bytes),
                the data, masked CRC-32C of the data (4 bytes)

See https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, cast

import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...utils.errors import DataError
from .binary_columns import by_length, from_offsets, join, lengths_of

_HEAD = struct.Struct("<QI")
_BUFFER = 1 << 20


class TFRecordWriter:
    """Writes records to one file; gzip where the name ends in `.gz`. Equal input, equal bytes."""

    def __init__(self, path: str) -> None:
        self._raw = open(path, "wb")  # noqa: SIM115 - closed by `close`
        self._file: IO[bytes] = self._raw
        if path.endswith(".gz"):
            # Without a name and a time in its header, so that bytes depend on records alone.
            zipped = gzip.GzipFile("", "wb", compresslevel=1, fileobj=self._raw, mtime=0)
            self._file = cast("IO[bytes]", zipped)

    def write(self, records: pa.Array) -> None:
        """Appends records, a binary array without missing elements."""
        heads = by_length(lengths_of(records), _head)
        digests = np.fromiter(
            map(google_crc32c.value, records.to_pylist()), np.uint32, len(records)
        )
        tails = from_offsets(
            np.arange(len(records) + 1) * 4, pa.py_buffer(_mask(digests).astype("<u4"))
        )
        self._file.write(join([heads, records, tails]).buffers()[2])

    def close(self) -> None:
        """Completes the file."""
        try:
            self._file.close()
        finally:
            self._raw.close()


def read_tfrecords(path: str, batch_size: int) -> Iterator[list[bytes]]:
    """Records of a file, plain or gzip whatever its name, at most `batch_size` at a time.

    Raises:
        DataError: The file is cut off or damaged.
    """
    with _open(path) as file:
        batch: list[bytes] = []
        number = 0
        try:
            while head := file.read(12):
                number += 1
                batch.append(_read_record(file, head))
                if len(batch) == batch_size:
                    yield batch
                    batch = []
        except (ValueError, struct.error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                "a TFRecord file is cut off or damaged",
                got=f"record {number}: {error}",
                location=path,
                fix="write or copy the file again",
            ) from None
        if batch:
            yield batch


def _open(path: str) -> IO[bytes]:
    with open(path, "rb") as file:
        head = file.read(12)
    # The first bytes of a plain file are a length, which may look like those of gzip.
    plain = len(head) == 12 and _mask_one(google_crc32c.value(head[:8])) == _HEAD.unpack(head)[1]
    if head[:2] == b"\x1f\x8b" and not plain:
        return io.BufferedReader(cast("io.RawIOBase", gzip.open(path, "rb")), _BUFFER)
    return open(path, "rb", buffering=_BUFFER)


def _read_record(file: IO[bytes], head: bytes) -> bytes:
    length, digest = _HEAD.unpack(head)
    if _mask_one(google_crc32c.value(head[:8])) != digest:
        raise ValueError("the checksum of its length is wrong")
    data = file.read(length + 4)
    if len(data) < length + 4:
        raise ValueError("it ends too early")
    record = data[:-4]
    if _mask_one(google_crc32c.value(record)) != int.from_bytes(data[-4:], "little"):
        raise ValueError("its checksum is wrong")
    return record


def _head(length: int) -> bytes:
    packed = length.to_bytes(8, "little")
    return packed + _mask_one(google_crc32c.value(packed)).to_bytes(4, "little")


def _mask(digests: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    rotated = (digests >> np.uint32(15)) | (digests << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


def _mask_one(digest: int) -> int:
    return (((digest >> 15) | (digest << 17)) + 0xA282EAD8) & 0xFFFFFFFF
