# SPDX-License-Identifier: Apache-2.0
"""Accumulators of analyzers as bytes, and back, with nothing lost and nothing unpickled.

TensorFlow Transform's own coders turn 32-bit numbers into 64-bit ones on the way, so that a
result from kept accumulators may differ from a full pass in the last digit; and they pickle
quantile sketches, which must not be read back from a store. Here

* vocabularies ([(token, number)]) are an Arrow table,
* everything else is JSON, in which arrays keep their types, and sketches are the bytes that
  `tfx_bsl` itself writes and reads.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_transform import analyzers
from tfx_bsl import sketches

#: Raise it when the encoding changes: accumulators of another version are not used.
VERSION = 1

_TUPLES = {
    found.__name__: found
    for found in vars(analyzers).values()
    if isinstance(found, type) and issubclass(found, tuple) and hasattr(found, "_fields")
}
_TABLE, _JSON = b"T", b"J"


def encode(values: Sequence[Any]) -> bytes:
    """What one operation accumulated, as bytes.

    Raises:
        TypeError: It holds something that no analyzer of TensorFlow Transform holds.
    """
    table = _as_table(values)
    if table is None:
        return _JSON + json.dumps([_to_json(each) for each in values]).encode()
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return _TABLE + bytes(sink.getvalue())


def decode(encoded: bytes) -> list[Any]:
    """The inverse of `encode`.

    Raises:
        ValueError: The bytes are damaged.
    """
    kind, content = encoded[:1], encoded[1:]
    if kind == _JSON:
        return [_from_json(each) for each in json.loads(content)]
    if kind != _TABLE:
        raise ValueError("not an accumulator")
    table = pa.ipc.open_stream(content).read_all()
    return list(zip(table["token"].to_pylist(), table["number"].to_pylist(), strict=True))


def _as_table(values: Sequence[Any]) -> pa.Table | None:
    """A vocabulary, in order of its tokens; None where it is something else."""
    if not values or not all(isinstance(each, tuple) and len(each) == 2 for each in values):
        return None
    kinds = {(type(token), type(number)) for token, number in values}
    if len(kinds) != 1:
        return None
    ((token, number),) = kinds
    if token not in (bytes, int) or number not in (int, float):
        return None
    tokens, numbers = zip(*sorted(values), strict=True)
    return pa.table(
        {
            "token": pa.array(tokens, pa.large_binary() if token is bytes else pa.int64()),
            "number": pa.array(numbers, pa.int64() if number is int else pa.float64()),
        }
    )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        # Numbers of NumPy that are also Python's would come back as those.
        if isinstance(value, np.generic):
            return _array(np.asarray(value), "scalar")
        return value
    if isinstance(value, bytes):
        return {"bytes": _text(value)}
    if isinstance(value, np.generic):
        return _array(np.asarray(value), "scalar")
    if isinstance(value, np.ndarray):
        return _array(value, "array")
    if isinstance(value, sketches.QuantilesSketch):
        return {"quantiles": _text(value.__getstate__())}
    if isinstance(value, list):
        return [_to_json(each) for each in value]
    if isinstance(value, tuple):
        name = type(value).__name__
        if type(value) is not tuple and _TUPLES.get(name) is not type(value):
            raise TypeError(f"accumulators of type {name} cannot be kept")
        return {"tuple": [_to_json(each) for each in value], "of": name}
    raise TypeError(f"accumulators of type {type(value).__name__} cannot be kept")


def _array(value: np.ndarray[Any, Any], kind: str) -> dict[str, Any]:
    if value.dtype.kind == "O":
        content: Any = [_to_json(each) for each in value.ravel().tolist()]
    else:
        content = _text(value.tobytes())
    return {kind: content, "type": value.dtype.str, "shape": list(value.shape)}


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "bytes" in value:
        return base64.b64decode(value["bytes"])
    if "quantiles" in value:
        sketch = sketches.QuantilesSketch.__new__(sketches.QuantilesSketch)
        sketch.__setstate__(base64.b64decode(value["quantiles"]))
        return sketch
    if "tuple" in value:
        items = [_from_json(each) for each in value["tuple"]]
        return tuple(items) if value["of"] == "tuple" else _TUPLES[value["of"]](*items)
    content = value["scalar"] if "scalar" in value else value["array"]
    dtype = np.dtype(value["type"])
    if dtype.kind == "O":
        array = np.empty(len(content), dtype)
        array[:] = [_from_json(each) for each in content]
    else:
        array = np.frombuffer(base64.b64decode(content), dtype).copy()
    array = array.reshape(value["shape"])
    return array[()] if "scalar" in value else array
