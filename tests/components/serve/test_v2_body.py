# SPDX-License-Identifier: Apache-2.0
"""Bodies of V2 requests, with tensors as JSON and in binary."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from kserve import InferInput, InferRequest

from penstock.components.serve.feature_columns import RequestError
from penstock.components.serve.v2_body import read_v2_body

BASE = {"name": "x", "shape": [1], "datatype": "FP32"}
ONE = struct.pack("<f", 1.5)


def body(raw: bytes = b"", **changes: Any) -> tuple[bytes, str]:
    """A request with one tensor, and how many bytes of it are JSON; None leaves a field out."""
    tensor = {name: value for name, value in {**BASE, **changes}.items() if value is not None}
    text = json.dumps({"inputs": [tensor]}).encode()
    return text + raw, str(len(text))


def sized(size: Any) -> dict[str, Any]:
    """The parameter that says how many bytes are a tensor's own."""
    return {"parameters": {"binary_data_size": size}}


def test_what_kserves_own_client_sends_is_read() -> None:
    """If it fails, clients that send binary are answered for other values than they sent."""
    inputs = []
    for name, values in [
        ("x", np.array([[1.5, -2.0]], np.float32)),
        ("n", np.array([2**40], np.int64)),
        ("on", np.array([True])),
        ("words", np.array(["Łódź", ""], np.object_)),
    ]:
        datatype = {"f": "FP32", "i": "INT64", "b": "BOOL", "O": "BYTES"}[values.dtype.kind]
        inputs.append(InferInput(name, list(values.shape), datatype))
        inputs[-1].set_data_from_numpy(values, binary_data=True)
    sent, size = InferRequest("m", inputs, request_id="7").to_rest()
    assert isinstance(sent, bytes)
    read = read_v2_body(sent, str(size), "m")
    assert {each.name: each.data for each in read.inputs} == {
        "x": [1.5, -2.0], "n": [2**40], "on": [True], "words": ["Łódź", ""],
    }  # fmt: skip
    assert (read.id, read.model_name, read.inputs[0].shape) == ("7", "m", [1, 2])


def test_bytes_that_are_no_text_stay_bytes() -> None:
    """If it fails, images cannot be sent in binary."""
    raw = struct.pack("<I", 2) + b"\xff\xd8"
    read = read_v2_body(*body(raw, datatype="BYTES", **sized(6)), "m")
    assert read.inputs[0].data == [b"\xff\xd8"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (body(ONE, **sized(400)), "number of bytes; 4 are there, got 400"),
        (body(ONE, **sized(-1)), "got -1"),
        (body(ONE, **sized("4")), "got '4'"),
        (body(ONE * 2, **sized(4)), "4 bytes follow the JSON"),
        (body(ONE, data=[1.0]), "4 bytes follow the JSON"),
        (body(ONE, data=[1.0], **sized(4)), "either 'data' or"),
        (body(), "either 'data' or"),
        (body(b"abc", **sized(3)), "no whole number of FP32"),
        (body(ONE, datatype="FP8", **sized(4)), "unknown datatype 'FP8'"),
        (body(struct.pack("<I", 9) + b"ab", datatype="BYTES", **sized(6)), "cut short"),
        (body(b"\x01", datatype="BYTES", **sized(1)), "cut short"),
        (body(data=[1], name=None), "'name', a text; got none"),
        (body(data=[1], shape="1"), "'shape', a list; got a text"),
        (body(data=[1], parameters=[1]), "'parameters', an object; got a list"),
        ((b"[]", None), "JSON object .* got a list"),
        ((b'{"inputs": [null]}', None), "must be an object, got null"),
        ((b'{"inputs": [], "outputs": [{"name": 1}]}', None), "output 0 .* got a whole number"),
        ((b"{}", "3"), "2 bytes are JSON, got '3'"),
        ((b"{}", "-1"), "got '-1'"),
        ((b"{}", "\u0662"), "Inference-Header-Content-Length"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(sent: tuple[bytes, str | None], reason: str) -> None:
    """If it fails, a client's mistake looks like the server's, or is answered."""
    with pytest.raises(RequestError, match=reason):
        read_v2_body(*sent, "m")
