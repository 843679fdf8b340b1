# SPDX-License-Identifier: Apache-2.0
"""Bodies of V2 requests: a JSON object, and after it tensors in binary.

See https://github.com/kserve/open-inference-protocol, and for tensors in binary the extension
at https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from kserve import InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput

from .feature_columns import RequestError, json_kind

_SIZE = "binary_data_size"

_KINDS: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}

#: How numbers lie in binary.
_LAYOUTS = {
    "BOOL": "?",
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}


def read_v2_body(body: bytes, json_length: str | None, model: str) -> InferRequest:
    """The request in a body.

    Args:
        body: All of it.
        json_length: The header that says how many bytes of it are JSON; None where all are.
        model: Name of the model that is asked.

    Raises:
        RequestError: It is not what it should be.
    """
    size = _json_size(body, json_length)
    try:
        document = orjson.loads(memoryview(body)[:size])
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RequestError(
            'the body must be a JSON object such as {"inputs": [{…}]}, '
            f"got {json_kind(document)}"
        )
    rest = memoryview(body)[size:]
    inputs = []
    for number, tensor in enumerate(_objects(document, "inputs", needed=True)):
        found, rest = _input(tensor, number, rest)
        inputs.append(found)
    if rest:
        raise RequestError(f"{len(rest)} bytes follow the JSON that no '{_SIZE}' accounts for")
    return InferRequest(
        model,
        inputs,
        request_id=_field(document, "id", str, "the body"),
        parameters=_field(document, "parameters", dict, "the body"),
        request_outputs=[
            RequestedOutput(
                _field(each, "name", str, f"output {number}", needed=True),
                _field(each, "parameters", dict, f"output {number}"),
            )
            for number, each in enumerate(_objects(document, "outputs"))
        ]
        or None,
    )


def _json_size(body: bytes, given: str | None) -> int:
    if given is None:
        return len(body)
    if not (given.isascii() and given.isdigit()) or int(given) > len(body):
        raise RequestError(
            "the header Inference-Header-Content-Length must say how many of the body's "
            f"{len(body)} bytes are JSON, got {given!r}"
        )
    return int(given)


def _input(
    tensor: Mapping[str, Any], number: int, rest: memoryview
) -> tuple[InferInput, memoryview]:
    """An input, and what follows the bytes that are its own."""
    where = f"input {number}"
    name = _field(tensor, "name", str, where, needed=True)
    where = f"input {name!r}"
    shape = _field(tensor, "shape", list, where, needed=True)
    datatype = _field(tensor, "datatype", str, where, needed=True).upper()
    parameters = dict(_field(tensor, "parameters", dict, where) or {})
    size = parameters.pop(_SIZE, None)
    if (size is None) == ("data" not in tensor):
        raise RequestError(f"{where} must have either 'data' or the parameter '{_SIZE}'")
    if size is None:
        return InferInput(name, shape, datatype, tensor["data"], parameters), rest
    if type(size) is not int or not 0 <= size <= len(rest):
        raise RequestError(
            f"{where}: '{_SIZE}' must be a number of bytes; {len(rest)} are there, got {size!r}"
        )
    data = _values(rest[:size], datatype, where)
    return InferInput(name, shape, datatype, data, parameters), rest[size:]


def _values(raw: memoryview, datatype: str, where: str) -> list[Any]:
    if datatype == "BYTES":
        return _texts(raw, where)
    layout = _LAYOUTS.get(datatype)
    if layout is None:
        known = ", ".join(["BYTES", *_LAYOUTS])
        raise RequestError(f"{where}: unknown datatype {datatype!r}; one of {known}")
    width = np.dtype(layout).itemsize
    if len(raw) % width:
        raise RequestError(f"{where}: {len(raw)} bytes are no whole number of {datatype} values")
    found: list[Any] = np.frombuffer(raw, layout).tolist()
    return found


def _texts(raw: memoryview, where: str) -> list[Any]:
    """Texts, each after its length in four bytes; what is no UTF-8 remains bytes."""
    found: list[Any] = []
    start = 0
    while start < len(raw):
        end = start + 4 + int.from_bytes(raw[start : start + 4], "little")
        if start + 4 > len(raw) or end > len(raw):
            raise RequestError(f"{where}: value {len(found)} of type BYTES is cut short")
        value = bytes(raw[start + 4 : end])
        try:
            found.append(value.decode())
        except UnicodeDecodeError:
            found.append(value)
        start = end
    return found


def _objects(document: Mapping[str, Any], name: str, *, needed: bool = False) -> list[Any]:
    found: list[Any] = _field(document, name, list, "the body", needed=needed) or []
    for number, each in enumerate(found):
        if not isinstance(each, dict):
            raise RequestError(f"'{name}'[{number}] must be an object, got {json_kind(each)}")
    return found


def _field(
    document: Mapping[str, Any], name: str, kind: type, where: str, *, needed: bool = False
) -> Any:
    value = document.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, kind):
        wanted = _KINDS[kind]
        got = json_kind(value) if name in document else "none"
        raise RequestError(f"{where} of a V2 request must have '{name}', {wanted}; got {got}")
    return value
