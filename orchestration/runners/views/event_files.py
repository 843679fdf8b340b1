# SPDX-License-Identifier: Apache-2.0
"""Scalars in TensorBoard's event files, read without TensorFlow.

Event files are TFRecord files of `tensorboard.Event` messages; the version 2 summaries that
Keras writes keep a scalar as a tensor
(https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto).
"""

from __future__ import annotations

import importlib
import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ....utils.errors import DataError

_PREFIX = "events.out.tfevents"
_LENGTH = struct.Struct("<Q")
_SCALARS = "scalars"
#: TensorFlow's numbers of data types, as the struct module knows them.
_FORMATS = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}

#: Points by series, by tag: `{"epoch_loss": {"train": [(0, 0.7), …]}}`.
Scalars = dict[str, dict[str, list[tuple[float, float]]]]


def read_scalars(folder: str) -> Scalars:
    """All scalars below a folder; a series is called after the folder of its file.

    Raises:
        DataError: The library that knows the messages is not installed.
    """
    try:
        event_pb2 = importlib.import_module("tensorboard.compat.proto.event_pb2")
    except ImportError as error:
        raise DataError(
            "training curves need TensorBoard's message types",
            got=str(error),
            fix='pip install "penstock[ml]"',
        ) from error
    found: dict[str, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for path in _event_files(folder):
        series = os.path.relpath(os.path.dirname(path), folder)
        series = "" if series == "." else series
        for record in records(path):
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                number = _scalar(value)
                if number is not None:
                    found[value.tag][series][float(event.step)] = number
    return {
        tag: {series: sorted(points.items()) for series, points in sorted(each.items())}
        for tag, each in sorted(found.items())
    }


def _event_files(folder: str) -> list[str]:
    return sorted(
        os.path.join(at, name)
        for at, _, names in os.walk(folder)
        for name in names
        if name.startswith(_PREFIX)
    )


def records(path: str) -> Iterator[bytes]:
    """Whole records of a TFRecord file; one that is still being written ends early."""
    with open(path, "rb") as file:
        while True:
            head = file.read(12)
            if len(head) < 12:
                return
            (length,) = _LENGTH.unpack(head[:8])
            data = file.read(length + 4)
            if len(data) < length + 4:
                return
            yield data[:length]


def _scalar(value: Any) -> float | None:
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor" or value.metadata.plugin_data.plugin_name not in ("", _SCALARS):
        return None
    tensor = value.tensor
    if tensor.tensor_shape.dim or tensor.dtype not in _FORMATS:
        return None
    if tensor.tensor_content:
        return float(struct.unpack(_FORMATS[tensor.dtype], tensor.tensor_content)[0])
    for name in ("float_val", "double_val", "int_val", "int64_val"):
        kept = getattr(tensor, name)
        if kept:
            return float(kept[0])
    return 0.0
