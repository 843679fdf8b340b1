# SPDX-License-Identifier: Apache-2.0
"""The same records on real MariaDB and PostgreSQL servers, which live as long as the tests.

`apt-get install postgresql mariadb-server-core mariadb-client-core`, or the tests are skipped.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.database_servers import Server, mariadb, postgresql
from support.pipelines import diamond, guarded

from penstock import LocalRunner
from penstock.components.base.artifact_types import Examples, Model, ModelBlessing
from penstock.orchestration.metadata.connection_settings import PASSWORD_VARIABLE
from penstock.orchestration.metadata.lineage import Direction
from penstock.orchestration.metadata.records import ExecutionState, NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore
from penstock.orchestration.metadata.watch_records import WatchRecords
from penstock.utils.errors import MetadataError

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module", params=[mariadb, postgresql], ids=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server; its password is in the environment."""
    with request.param() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_VARIABLE, running.password)
        yield running


def test_pipeline_runs_is_reused_and_traced(server: Server, tmp_path: Path) -> None:
    """Fails if a pipeline that runs on SQLite does not on a server, or forgets what it did."""
    setting = server.setting("whole")
    runner = LocalRunner(metadata=setting)
    first = runner.run(diamond(tmp_path / "root"))
    second = runner.run(diamond(tmp_path / "root"))
    assert first.succeeded
    assert {each.state.value for each in second.outcomes.values()} == {"cached"}
    with MetadataStore(setting, create=False) as store:
        assert [run.state for run in store.list_runs()] == [RunState.COMPLETE] * 2
        assert store.open_runs("diamond") == []
        (joined,) = store.outputs_of(store.node_execution(first.run.id, "join").id)["joined"]  # type: ignore[union-attr]
        graph = store.lineage([joined.id or 0], Direction.UPSTREAM)
        made = {each.node_id for each in graph.executions.values()}
        assert made == {"start", "left", "right", "join"}
        found = store.get_run(first.run.id)
        assert found.ended_at is not None and found.ended_at >= found.started_at
    # Nothing of ours for SQLite lies about: no file, no lock.
    assert not list(tmp_path.rglob("*.sqlite*")) and not list(tmp_path.rglob("*.lock"))


def test_failure_and_resume(server: Server, tmp_path: Path) -> None:
    """Fails if a failure's long text cannot be kept, or a failed run cannot go on."""
    setting, marker = server.setting("whole"), tmp_path / "marker"
    runner = LocalRunner(metadata=setting)
    failed = runner.run(guarded(tmp_path / "root", marker, attempts=2))
    assert not failed.succeeded
    again = runner.run(guarded(tmp_path / "root", marker, attempts=2), resume=failed.run.id)
    assert again.succeeded
    assert {name: each.state.value for name, each in again.outcomes.items()} == {
        "start": "cached", "fail_until": "complete", "join": "complete", "tell_end": "complete",
    }  # fmt: skip


def test_values_come_back_as_they_were(server: Server) -> None:
    """Fails if a server's narrower columns cut or refuse what was to be recorded."""
    values: dict[str, Any] = {
        "moment": 1_790_000_000_000, "edge": 2**31 - 1, "beyond": 2**31, "below": -(2**31) - 1,
        "huge": 2**70, "tiny": 1e-7, "nan_text": "NaN", "long": "ü😀" * 3000, "nul": "a\0b",
        "yes": True, "zip": "02127", "path": "C:\\temp\\'; drop table Context; --", "end": "\\",
    }  # fmt: skip
    with MetadataStore(server.setting("kept")) as store:
        store.begin_run("p", "r", properties=values)
        assert store.get_run("r").properties == values
        node = NodeKey("p", "r", "Gen", "test.Gen")
        execution = store.register_execution(node, {}, {"steps": 2**40})
        made = Examples("/x", properties={"span": 2**33, "version": 3}, custom_properties=values)
        store.publish_execution(node, execution, {"examples": [made]}, properties=values)
        (found,) = store.outputs_of(execution)["examples"]
        assert (found.span, found.version) == (2**33, 3)
        assert {name: found.custom_properties[name] for name in values} == values
        record = store.get_execution(execution)
        assert record.parameters == {"steps": 2**40} and record.results == values
        slow = store.register_execution(NodeKey("p", "r", "Slow", "test.N"), {}, {})
        why = '{"what": "C:\\\\x\\n\\"it\\" % 5C", "more": "' + "é\\\\" * 3000 + '"}'
        store.fail_execution(slow, ExecutionState.FAILED, why)
        assert store.get_execution(slow).error == why
        store.end_run("r", RunState.FAILED, error="é" * 30_000)
        assert store.get_run("r").error.startswith("éé")


def test_names_with_backslashes_are_kept_or_refused(server: Server) -> None:
    """Fails if a backslash gets into the SQL of ML Metadata's PostgreSQL, which it breaks."""
    with MetadataStore(server.setting("kept")) as store:
        store.begin_run("p", "named")
        node = NodeKey("p", "named", "Gen", "test.Gen")
        execution = store.register_execution(node, {}, {})
        made = Examples("/a\\b")
        if server.address.startswith("mysql"):
            store.publish_execution(node, execution, {"examples": [made]})
            assert store.artifacts_by_uri("/a\\b") == [made]
        else:
            with pytest.raises(MetadataError, match="cannot keep a backslash"):
                store.publish_execution(node, execution, {"examples": [made]})
        store.end_run("named", RunState.FAILED)


def test_names_that_differ_in_case_stay_apart(server: Server) -> None:
    """Fails if a server that compares names loosely mixes up two pipelines or runs."""
    with MetadataStore(server.setting("cases")) as store:
        store.begin_run("taxi", "run-a")
        try:
            store.begin_run("Taxi", "RUN-A")
        except MetadataError as refused:
            assert "upper and lower case" in str(refused)
            assert store.get_run("run-a").pipeline == "taxi"
        else:
            assert {run.id for run in store.list_runs("Taxi")} == {"RUN-A"}
            assert {run.id for run in store.list_runs("taxi")} == {"run-a"}


def test_latest_blessed_and_stale(server: Server) -> None:
    """Fails if resolvers and recovery, which look records up by key, find none on a server."""
    with MetadataStore(server.setting("kept")) as store:
        store.begin_run("q", "r.1")
        trainer = NodeKey("q", "r.1", "Trainer", "tfx.components.trainer.component.Trainer")
        model = Model("/m")
        store.publish_execution(
            trainer, store.register_execution(trainer, {}, {}), {"model": [model]}, cache_key="k"
        )
        judge = NodeKey("q", "r.1", "Evaluator", "tfx.components.evaluator.component.Evaluator")
        verdict = ModelBlessing("/b", custom_properties={"blessed": 1, "current_model_id": 1})
        verdict.custom_properties["current_model_id"] = model.id or 0
        judged = store.register_execution(judge, {"model": [model]}, {})
        store.publish_execution(judge, judged, {"blessing": [verdict]})
        assert store.latest_blessed_model("q") == (model, verdict)
        slow = store.register_execution(NodeKey("q", "r.1", "Slow", "test.N"), {}, {})
        assert [record.id for record in store.mark_stale("r.1")] == [slow]
        assert store.get_execution(slow).state is ExecutionState.FAILED
        cached = store.lookup_cache("k")
        assert cached is not None and cached.outputs == {"model": [model]}


#: Waits for a line on stdin before it opens the store, so that all open it at the same moment.
RUN = """
import sys
from penstock.components.base.artifact_types import Examples
from penstock.orchestration.metadata.library import library
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore
from penstock.orchestration.metadata.watch_records import WatchRecords

setting, run_id = sys.argv[1:]
library()
print("ready", flush=True)
sys.stdin.readline()
with MetadataStore(setting) as store:
    store.begin_run("p", run_id)
    before = []
    for number in range(4):
        node = NodeKey("p", run_id, f"n{number}", f"test.N{number % 3}")
        execution = store.register_execution(node, {"x": before}, {"n": number})
        made = Examples(f"/{run_id}/{number}")
        store.publish_execution(node, execution, {"x": [made]}, cache_key=f"{run_id}-{number}")
        before = [made]
    store.end_run(run_id, RunState.COMPLETE)
"""


def test_processes_make_and_fill_one_database_at_once(server: Server, python: Start) -> None:
    """Fails if runs that start together on an empty server collide on schema, types or names."""
    setting = server.setting("together")
    processes = [python(RUN, setting, f"r{n}", stdin=subprocess.PIPE) for n in range(4)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with MetadataStore(setting) as store:
        runs = store.list_runs(limit=99)
        assert sorted(run.number for run in runs) == [1, 2, 3, 4]
        assert len(store.latest_artifacts("Examples", pipeline="p", limit=99)) == 16
        for run in runs:
            states = Counter(found.state for found in store.run_executions(run.id))
            assert (run.state, states) == (RunState.COMPLETE, {ExecutionState.COMPLETE: 4})
        assert store.open_runs("p") == []


def test_wrong_password_is_said_without_the_password(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a wrong password waits for a long time, is shown, or is not explained."""
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong-secret")
    with pytest.raises(MetadataError, match="cannot be opened") as caught:
        MetadataStore(server.setting("whole"))
    assert "wrong-secret" not in str(caught.value)


def test_watchers_lease_and_state(server: Server) -> None:
    """Fails if two watchers run a pipeline from two machines, or one forgets what it saw."""
    with MetadataStore(server.setting("watched")) as store:
        first, second = WatchRecords(store.config), WatchRecords(store.config)
        held = first.acquire("p", 1000.0, 60)
        assert held is not None and second.acquire("p", 1000.0, 60) is None
        first.keep("p", {"seen": "C:\\data\\" + "é" * 3000}, held)
        assert second.state("p")["seen"] == "C:\\data\\" + "é" * 3000
        assert first.renew(held, 2000.0) is not None
        assert second.acquire("p", 1500.0, 60) is None
        first.release(held)
        taken = second.acquire("p", 1500.0, 60)
        assert taken is not None and taken.number == held.number + 1
        assert first.renew(held, 9000.0) is None
        first.close()
        second.close()
