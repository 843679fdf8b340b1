# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.model_servers import Served, save_constant

from penstock.components.push.version_directory import VersionDirectory
from penstock.components.serve.version_source import DirectorySource, VersionChoice
from penstock.orchestration.metadata.store import MetadataStore
from penstock.orchestration.registry.registry import ModelRegistry
from penstock.utils.errors import ParameterError, StorageError

BODY = json.dumps({"instances": [{"amount": 1.0, "count": 1}] * 3})


class SteadyLoad:
    """Clients that ask without a pause, and keep every answer.

    Args:
        url: Of the server.
        clients: How many.
    """

    def __init__(self, url: str, clients: int = 3) -> None:
        self._address = url.removeprefix("http://")
        self._stopped = threading.Event()
        #: (sent, received, version, predictions) of each answer.
        self.answers: list[tuple[float, float, str, list[float]]] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> SteadyLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while not self._stopped.is_set():
            sent = time.time()
            try:
                connection.request("POST", "/v1/models/m:predict", BODY)
                answer = connection.getresponse()
                found = json.loads(answer.read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                return
            if answer.status != 200:
                self.failures.append(f"{answer.status} {found}")
                continue
            self.answers.append((sent, time.time(), found["model_version"], found["predictions"]))


def production(served: Served) -> str:
    """The version that answers by default, as the server last said."""
    said = [each for each in served.events if each["event"] == "serving"]
    return str(said[-1]["labels"].get("production", ""))


def live_times(events: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """When each version was in production, from the server's own account."""
    said = [each for each in events if each["event"] == "serving"]
    found: dict[str, list[tuple[float, float]]] = {}
    for this, following in zip(said, [*said[1:], {"time": float("inf")}], strict=True):
        version = this["labels"]["production"]
        found.setdefault(version, []).append((this["since"], following["time"]))
    return found


def check_answers(load: SteadyLoad, served: Served, values: dict[str, set[float]]) -> None:
    """Every request was answered, by a version that was live then, with what that predicts."""
    assert not load.failures, load.failures[:3]
    times = live_times(served.events)
    for sent, received, version, predictions in load.answers:
        assert any(a <= received and sent <= b for a, b in times[version]), version
        (value,) = set(predictions)
        assert round(value, 3) in values[version]


@pytest.mark.slow
def test_pushes_and_rollbacks_under_load_lose_no_request(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, a push or a rollback costs users answers, or gives them stale ones."""
    directory = VersionDirectory(str(tmp_path / "serving"))
    # The number of a version that was deleted may be given again.
    values: dict[str, set[float]] = {}

    def push(value: float) -> str:
        source = save_constant(tmp_path / f"model-{value}", value)
        version = str(directory.publish(str(source), {"pushed_by": "test"}).version)
        values.setdefault(version, set()).add(value)
        return version

    def roll_back(by_deleting: bool) -> str:
        newest, before = directory.versions()[-1], directory.versions()[-2]
        if not by_deleting:
            version = str(directory.publish(directory.path(before)).version)
            values.setdefault(version, set()).update(values[str(before)])
            return version
        hidden = tmp_path / "serving" / f".gone-{newest}"
        os.rename(directory.path(newest), hidden)
        shutil.rmtree(hidden)
        return str(before)

    push(0.0)
    served = serve(tmp_path / "serving", poll_seconds=0.05)
    with SteadyLoad(served.process.url) as load:
        for number in range(1, 21):
            wanted = push(float(number))
            served.wait_for(lambda w=wanted: production(served) == w, f"push of {wanted}")
            if number % 4 == 0:
                wanted = roll_back(by_deleting=number % 8 == 0)
                served.wait_for(lambda w=wanted: production(served) == w, f"back to {wanted}")
    check_answers(load, served, values)
    answered = {version for _, _, version, _ in load.answers}
    assert len(answered) >= 20
    assert len(load.answers) > 100
    status, told = served.call("/v1/models/m")
    assert (status, len(told["model_version_status"])) == (200, 1)


@pytest.mark.slow
def test_promotions_and_rollbacks_of_a_registered_model_are_followed(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, a rollback that was ordered does not reach the users."""
    setting = str(tmp_path / "metadata.sqlite")
    with MetadataStore(setting) as store:
        registry = ModelRegistry(store)

        def tell(action: str, **body: Any) -> None:
            store.add_model_event("complaints", lambda number: (action, body))

        def push(version: str, stage: str) -> None:
            folder = save_constant(tmp_path / version, float(version.split(".")[1]))
            tell("push", version=version, stage=stage, uri=str(folder), destination="", number=0)

        push("1.0.0", "production")
        served = serve(
            "complaints", source="registry", metadata=setting, poll_seconds=0.05,
            labels={"pinned": "1.0"},
        )  # fmt: skip
        assert served.call("/v1/models/m/labels/pinned:predict", json.loads(BODY))[0] == 200
        assert served.call("/v1/models/m/labels/candidate:predict", json.loads(BODY))[0] == 404
        with SteadyLoad(served.process.url) as load:
            for number in range(1, 6):
                push(f"1.{number}.0", "candidate")
                place = "/v1/models/m/labels/candidate:predict"

                def candidate(place: str = place) -> Any:
                    return served.call(place, json.loads(BODY))[1].get("model_version")

                served.wait_for(lambda n=number: candidate() == f"1.{n}.0", "the candidate")
                assert production(served) == f"1.{number - 1}.0"
                registry.promote("complaints", f"1.{number}.0", by="test")
                served.wait_for(lambda n=number: production(served) == f"1.{n}.0", "promotion")
            for number in (4, 3):
                registry.promote("complaints", f"1.{number}.0", by="test", rolling_back=True)
                served.wait_for(lambda n=number: production(served) == f"1.{n}.0", "rollback")
        check_answers(load, served, {f"1.{n}.0": {float(n)} for n in range(6)})
        assert len({version for _, _, version, _ in load.answers}) == 6


def test_another_model_in_a_versions_place_is_loaded(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, a server answers with a model that is no longer there."""
    save_constant(tmp_path / "m" / "1", 1.0)
    served = serve(tmp_path / "m")
    save_constant(tmp_path / "new", 2.0)
    os.rename(tmp_path / "m" / "1", tmp_path / "old")
    os.rename(tmp_path / "new", tmp_path / "m" / "1")

    def answer() -> Any:
        return served.call("/v1/models/m:predict", json.loads(BODY))[1]["predictions"][0]

    served.wait_for(lambda: answer() == pytest.approx(2.0), "the other model")


def test_a_version_that_cannot_be_loaded_changes_nothing(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, one broken push ends the service."""
    save_constant(tmp_path / "1", 1.0)
    served = serve(tmp_path)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "model.json").write_text("{")
    served.wait_for(
        lambda: any(each["event"] == "load_failed" for each in served.events), "the failure"
    )
    assert served.call("/v1/models/m:predict", json.loads(BODY))[1]["model_version"] == "1"
    assert served.call("/v2/health/ready") == (
        200, {"ready": True, "version": "1", "failed_versions": ["2"]}
    )  # fmt: skip
    status, told = served.call("/v1/models/m")
    states = {each["version"]: each["state"] for each in told["model_version_status"]}
    assert (status, states) == (200, {"1": "AVAILABLE", "2": "END"})
    metrics = served.call("/metrics")[1]
    assert 'penstock_version_failing{model="m",version="2"} 1.0' in metrics
    assert 'penstock_load_failures_total{model="m",version="2"}' in metrics
    save_constant(tmp_path / "3", 3.0)
    served.wait_for(lambda: production(served) == "3", "the corrected version")
    assert served.call("/v2/health/ready")[1] == {"ready": True, "version": "3"}


def test_a_source_that_cannot_be_asked_changes_nothing(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, a store or a disk that is away for a moment ends the service."""
    save_constant(tmp_path / "m" / "1", 1.0)
    served = serve(tmp_path / "m")
    os.rename(tmp_path / "m", tmp_path / "away")
    served.wait_for(lambda: served.events[-1]["event"] == "trouble", "the trouble")
    status, answer = served.call("/v1/models/m:predict", json.loads(BODY))
    assert (status, answer["model_version"]) == (200, "1")
    assert "trouble" in served.call("/v2/health/ready")[1]
    assert 'penstock_source_trouble{model="m"} 1.0' in served.call("/metrics")[1]
    save_constant(tmp_path / "away" / "2", 2.0)
    os.rename(tmp_path / "away", tmp_path / "m")
    served.wait_for(lambda: production(served) == "2", "the next version")
    assert served.call("/v2/health/ready")[1] == {"ready": True, "version": "2"}


def test_requests_under_way_are_answered_before_the_server_ends(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, stopping a server breaks off what it was asked."""
    save_constant(tmp_path / "1", 1.0)
    served = serve(tmp_path)
    with SteadyLoad(served.process.url, clients=2) as load:
        served.wait_for(lambda: len(load.answers) > 10, "some answers")
        assert served.process.stop() == 0
    assert not [each for each in load.failures if not each.startswith(_NO_CONNECTION)]


#: A client that asks after the server has ended; not one that was being answered.
_NO_CONNECTION = ("ConnectionRefused", "ConnectionReset", "RemoteDisconnected", "BrokenPipe")


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """If it fails, servers of killed pipelines stay and hold memory and ports."""
    import subprocess
    import sys

    save_constant(tmp_path / "1", 1.0)
    code = (
        "import os, sys, time\n"
        "from penstock.components.serve.server_process import ServerProcess\n"
        "from penstock.components.serve.server_settings import ServerSettings\n"
        "server = ServerProcess(ServerSettings('m', sys.argv[1]))\n"
        "server.wait_ready(120)\n"
        "print(server.pid, flush=True)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 60
    while _alive(pid):
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("text", "expected"),
    [("latest", ["9"]), ("latest:2", ["3", "9"]), ("all", ["1", "3", "9"]), ("1,9", ["1", "9"])],
)
def test_which_versions_of_a_folder_are_served(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """If it fails, more versions fill the memory than were asked for, or some are missing."""
    for name in ("1", "3", "9", "notes", ".tmp-12"):
        (tmp_path / name).mkdir()
    wanted = DirectorySource(str(tmp_path), VersionChoice.parse(text), {"old": "1"}).look()
    assert wanted is not None
    assert list(wanted.paths) == sorted({*expected, "1", "9"}, key=int)
    assert wanted.labels == {"production": "9", "old": "1"}


def test_candidates_of_a_folder_have_their_label(tmp_path: Path) -> None:
    """If it fails, a candidate cannot be tried, or answers users before it is promoted."""
    source = DirectorySource(str(tmp_path), VersionChoice(), {})
    for name in ("4", "11"):
        (tmp_path / ".candidates" / name).mkdir(parents=True)
    alone = source.look()
    assert alone is not None
    assert (alone.labels, bool(alone.note)) == ({"candidate": "11"}, True)
    (tmp_path / "3").mkdir()
    both = source.look()
    assert both is not None
    assert both.labels == {"production": "3", "candidate": "11"}
    assert both.paths["11"] == str(tmp_path / ".candidates" / "11")
    (tmp_path / "11").mkdir()
    promoted = source.look()
    assert promoted is not None
    assert promoted.labels == {"production": "11"}


def test_a_pinned_version_that_is_missing_is_told(tmp_path: Path) -> None:
    """If it fails, another version than the pinned one answers."""
    (tmp_path / "1").mkdir()
    source = DirectorySource(str(tmp_path), VersionChoice(), {"production": "7"})
    wanted = source.look()
    assert wanted is not None
    assert wanted.labels == {}
    assert "version 7" in wanted.note


def test_mistakes_in_what_to_serve_are_told(tmp_path: Path) -> None:
    """If it fails, a typing error starts a server for nothing."""
    with pytest.raises(StorageError, match="no such folder"):
        DirectorySource(str(tmp_path / "none"), VersionChoice(), {})
    with pytest.raises(ParameterError, match="latest:N"):
        VersionChoice.parse("newest")
