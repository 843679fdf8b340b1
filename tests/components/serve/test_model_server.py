# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.model_servers import SCHEMA, Served, save_constant

GOOD = {"amount": 1.5, "count": 2}
PREDICT = "/v1/models/m:predict"
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def server(serve: Callable[..., Served], tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A server with versions 1, 2 and 3, of which 3 is in production and 2 a candidate."""
    base = tmp_path_factory.mktemp("models")
    for version in (1, 2, 3):
        save_constant(base / str(version), float(version))
    schema = base / "schema.pbtxt"
    schema.write_text(SCHEMA)
    return serve(
        base,
        versions="all",
        labels={"candidate": "2"},
        token=TOKEN,
        schema=str(schema),
        max_body_mib=0.05,
        max_rows=50,
    )


def test_each_way_to_name_a_version(server: Served) -> None:
    """If it fails, A/B tests ask another version than they think."""
    for place, version in [
        ("", "3"),
        ("/versions/1", "1"),
        ("/versions/2", "2"),
        ("/labels/candidate", "2"),
        ("/labels/production", "3"),
    ]:
        status, answer = server.call(f"/v1/models/m{place}:predict", {"instances": [GOOD, GOOD]})
        assert status == 200, answer
        assert answer["predictions"] == pytest.approx([float(version)] * 2)
        assert (answer["model_name"], answer["model_version"]) == ("m", version)
        inputs = [
            {"name": "amount", "shape": [1], "datatype": "FP32", "data": [1.5]},
            {"name": "count", "shape": [1, 1], "datatype": "INT64", "data": [2]},
        ]
        status, answer = server.call(f"/v2/models/m{place}/infer", {"id": "7", "inputs": inputs})
        assert status == 200, answer
        assert (answer["model_version"], answer["id"]) == (version, "7")
        (output,) = answer["outputs"]
        assert output["data"] == pytest.approx([float(version)])
        assert output["shape"] == [1]


def test_health_and_description(server: Served) -> None:
    """If it fails, probes or clients learn something wrong about what is served."""
    assert server.call("/v2/health/live") == (200, {"live": True})
    assert server.call("/v2/health/ready") == (200, {"ready": True, "version": "3"})
    assert server.call("/v1/models") == (200, {"models": ["m"]})
    status, told = server.call("/v1/models/m")
    assert status == 200
    states = {e["version"]: (e["state"], e["labels"]) for e in told["model_version_status"]}
    assert states == {
        "3": ("AVAILABLE", ["production"]),
        "2": ("AVAILABLE", ["candidate"]),
        "1": ("AVAILABLE", []),
    }
    status, told = server.call("/v2/models/m/versions/2")
    assert status == 200
    assert [each["name"] for each in told["inputs"]] == ["amount", "count"]
    assert told["versions"] == ["2"]
    assert server.call("/v2/models/m/labels/candidate/ready")[0] == 200
    assert server.call("/v2/models/m/versions/8/ready")[0] == 404


def test_metrics_are_prometheus_text(server: Served) -> None:
    """If it fails, nobody sees how the server is doing."""
    server.call(PREDICT, {"instances": [GOOD]})
    server.call(PREDICT, {"instances": []})
    status, text = server.call("/metrics")
    assert status == 200
    for line in [
        'penstock_requests_total{model="m",outcome="answered",version="3"}',
        'penstock_requests_total{model="m",outcome="refused",version="3"}',
        'penstock_prediction_seconds_bucket{le="0.05",model="m",version="3"}',
        'penstock_version_loaded{model="m",version="1"} 1.0',
        'penstock_label{label="candidate",model="m",version="2"} 1.0',
        "request_predict_seconds_bucket",
    ]:
        assert line in text


def _malformed() -> list[tuple[str, bytes, str]]:
    """(path, body, part of the reason) of requests that nobody should answer."""
    good = json.dumps({"instances": [GOOD]}).encode()

    def rows(*records: Any) -> bytes:
        return json.dumps({"instances": list(records)}).encode()

    def tensor(**changes: Any) -> bytes:
        amount = {"name": "amount", "shape": [1], "datatype": "FP32", "data": [1.0], **changes}
        return json.dumps({"inputs": [amount]}).encode()

    infer = "/v2/models/m/infer"
    return [
        (PREDICT, b"", "not JSON"),
        (PREDICT, b"{", "not JSON"),
        (PREDICT, b"\xff\xfe", "not JSON"),
        (PREDICT, b'{"instances": [{"amount": NaN}]}', "not JSON"),
        (PREDICT, b"[" * 5000, "not JSON"),
        (PREDICT, b"[]", "JSON object"),
        (PREDICT, b"null", "JSON object"),
        (PREDICT, b'"instances"', "JSON object"),
        (PREDICT, b"{}", "either the key"),
        (PREDICT, b'{"instanses": []}', "did you mean 'instances'"),
        (PREDICT, b'{"instances": 5}', "must be a list"),
        (PREDICT, rows(), "no records"),
        (PREDICT, rows(7), "must be an object"),
        (PREDICT, rows({"count": 1}), "'amount' is missing"),
        (PREDICT, rows({"amount": None}), "missing or null"),
        (PREDICT, rows({"amount": "1.5"}), "must be a number"),
        (PREDICT, rows({"amount": [1.5, 2.5]}), "must be a number, got a list of 2"),
        (PREDICT, rows({"amount": {}}), "must be a number"),
        (PREDICT, rows({**GOOD, "amonut": 1}), "did you mean 'amount'"),
        (PREDICT, rows({"amount": -1.0}), "at least 0"),
        (PREDICT, rows({"amount": 1.0, "count": 10}), "at most 9"),
        (PREDICT, rows(*[GOOD] * 51), "at most 50"),
        (PREDICT, b'{"instances": "' + b"x" * 60_000 + b'"}', "too large"),
        (PREDICT, b'{"inputs": {"amount": [1.0, 2.0], "count": [1]}}', "different numbers"),
        ("/v1/models/other:predict", good, "no model 'other'"),
        ("/v1/models/m/versions/9:predict", good, "no version '9'"),
        ("/v1/models/m/labels/prodution:predict", good, "did you mean 'production'"),
        ("/v1/models/m:explain", good, "explains nothing"),
        ("/v1/nothing", good, "nothing at /v1/nothing"),
        (infer, b"{", "not JSON"),
        (infer, b"{}", "'inputs', a list; got none"),
        (infer, b'{"inputs": [{"name": "amount", "data": [NaN]}]}', "not JSON"),
        (infer, b'{"inputs": []}', "'inputs' is empty"),
        (infer, tensor(shape=[2]), "means 2 values"),
        (infer, tensor(datatype="FP99"), "unknown datatype"),
        (infer, tensor(datatype="BYTES", data=["a"]), "does not fit"),
        (infer, tensor(data="abc"), "data"),
        (infer, tensor(data=[[[1.0]]]), "nested deeper"),
        (infer, b"[" * 5000, "not JSON"),
    ]


@pytest.mark.parametrize(("path", "body", "reason"), _malformed())
def test_a_malformed_request_is_refused_with_the_reason(
    server: Served, path: str, body: bytes, reason: str
) -> None:
    """If it fails, somebody's mistake looks like a defect of the server, or brings it down."""
    status, answer = server.call(path, body)
    assert 400 <= status < 500, answer
    assert reason in answer["error"]
    assert server.call(PREDICT, {"instances": [GOOD]})[0] == 200


def test_malformed_headers_are_refused_too(server: Served) -> None:
    """If it fails, a header can make the server fail."""
    good = json.dumps({"instances": [GOOD]}).encode()
    infer = "/v2/models/m/infer"
    binary = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "x"}
    for path, headers in [
        (infer, binary),
        (infer, {**binary, "Inference-Header-Content-Length": "3"}),
        (PREDICT, {"Content-Encoding": "gzip"}),
        (PREDICT, {f"ce-{name}": "99" for name in ("id", "source", "specversion", "type")}),
    ]:
        status, answer = server.call(path, good, headers)
        assert 400 <= status < 500, answer
        assert answer["error"]
    connection = http.client.HTTPConnection(*_address(server))
    connection.request("DELETE", PREDICT, headers={"Authorization": f"Bearer {TOKEN}"})
    assert connection.getresponse().status == 405


def test_a_body_without_a_length_is_limited_too(server: Served) -> None:
    """If it fails, a client that sends without end fills the memory."""
    connection = http.client.HTTPConnection(*_address(server))
    connection.putrequest("POST", PREDICT)
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"fa00\r\n" + b" " * 0xFA00 + b"\r\n0\r\n\r\n")
    assert connection.getresponse().status == 413


def test_headers_without_end_are_refused(server: Served) -> None:
    """If it fails, who has no token can fill the memory, and is told nothing in JSON."""
    for head, status in [(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60_000, 431), (b"?\r\n\r\n", 400)]:
        with socket.create_connection(_address(server), timeout=30) as connection:
            with contextlib.suppress(ConnectionError):  # It need not read on.
                connection.sendall(head)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == status
            assert json.loads(answer.read())["error"]


def test_a_token_is_asked_for(server: Served) -> None:
    """If it fails, whoever reaches the port uses the model."""
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": "Basic " + TOKEN}):
        status, answer = server.call(PREDICT, {"instances": [GOOD]}, headers)
        assert status == 401
        assert "Bearer" in answer["error"]
        assert server.call("/metrics", headers=headers)[0] == 401
        assert server.call("/v2/health/ready", headers=headers)[0] == 200
    assert TOKEN not in " ".join(server.process._process.args)  # type: ignore[arg-type]


def test_models_cannot_be_unloaded_by_request(server: Served) -> None:
    """If it fails, one request ends the service for everybody."""
    for verb in ("load", "unload"):
        status, answer = server.call(f"/v2/repository/models/m/{verb}", b"")
        assert status == 403
        assert "promote" in answer["error"]


def test_it_listens_on_loopback_only(server: Served) -> None:
    """If it fails, the whole network reaches a server that was meant for one machine."""
    host, port = _address(server)
    assert host == "127.0.0.1"
    with socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_curl_gets_a_prediction(server: Served) -> None:
    """If it fails, the plainest client there is cannot use the server."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        [curl, "-sS", "--max-time", "60", "-H", f"Authorization: Bearer {TOKEN}",
         "-d", json.dumps({"instances": [GOOD]}), server.process.url + PREDICT],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["predictions"] == pytest.approx([3.0])


def test_kserves_own_client_gets_predictions(server: Served) -> None:
    """If it fails, what is written for KServe does not work with this server."""
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    headers = {"Authorization": f"Bearer {TOKEN}"}

    async def ask(protocol: str) -> Any:
        client = InferenceRESTClient(RESTConfig(protocol=protocol, timeout=60))
        ready = await client.is_model_ready(server.process.url, "m", headers=headers)
        assert ready
        if protocol == "v1":
            data: Any = {"instances": [GOOD]}
        else:
            import numpy as np

            amount = InferInput("amount", [2], "FP32")
            amount.set_data_from_numpy(np.array([1, 2], np.float32), binary_data=True)
            data = InferRequest("m", [amount, InferInput("count", [2], "INT64", data=[1, 2])])
        return await client.infer(server.process.url, data, model_name="m", headers=headers)

    assert asyncio.run(ask("v1"))["predictions"] == pytest.approx([3.0])
    answer = asyncio.run(ask("v2"))
    assert answer.outputs[0].as_numpy().tolist() == pytest.approx([3.0, 3.0])


def test_a_server_without_a_model_says_why(tmp_path: Path) -> None:
    """If it fails, whoever starts a server with a broken model waits in vain."""
    from penstock.components.serve.server_process import ServerFailed, ServerProcess
    from penstock.components.serve.server_settings import ServerSettings

    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.pkl").write_bytes(b"x")
    with (
        ServerProcess(ServerSettings("m", str(tmp_path))) as process,
        pytest.raises(ServerFailed, match=r"cannot load[\s\S]*pickle") as failure,
    ):
        process.wait_ready(120)
    assert failure.value.loaded is False


@pytest.mark.timing
def test_a_small_answer_is_sent_at_once(server: Served) -> None:
    """If it fails, each answer waits for the client's delayed acknowledgement (40 ms)."""
    connection = http.client.HTTPConnection(*_address(server))
    body = json.dumps({"instances": [GOOD]})
    took = []
    for _ in range(50):
        began = time.perf_counter()
        connection.request("POST", PREDICT, body, {"Authorization": f"Bearer {TOKEN}"})
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.03


def _address(server: Served) -> tuple[str, int]:
    host, port = server.process.url.removeprefix("http://").split(":")
    return host, int(port)
