# SPDX-License-Identifier: Apache-2.0
"""Runs in the metadata store: begun, ended, resumed, listed, recognised as interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from penstock.orchestration.metadata.owner import ProcessOwner
from penstock.orchestration.metadata.records import RunState
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError


def test_run_is_recorded_from_begin_to_end(store: MetadataStore) -> None:
    """Fails if a run's record lacks what happened to it."""
    before = time.time()
    begun = store.begin_run("taxi", "2026-11-20T10:00:00.5", properties={"root": "/r", "n": 3})
    assert begun.state is RunState.RUNNING
    assert begun.number == 1
    assert begun.owner == ProcessOwner.current()
    assert begun.properties == {"root": "/r", "n": 3}
    assert before - 1 < begun.started_at < time.time() + 1
    assert [run.id for run in store.open_runs("taxi")] == [begun.id]
    store.end_run(begun.id, RunState.FAILED, error="Trainer failed\0: 1/0")
    ended = store.get_run(begun.id)
    assert (ended.state, ended.error) == (RunState.FAILED, "Trainer failed\ufffd: 1/0")
    assert ended.ended_at is not None and ended.ended_at >= begun.started_at
    assert ended.properties == begun.properties
    assert store.open_runs("taxi") == []


def test_resuming_a_run_takes_it_up_again(store: MetadataStore) -> None:
    """Fails if a resumed run keeps its old end, loses its properties or counts twice."""
    first = store.begin_run("taxi", "r", properties={"root": "/r", "a.b": 1e-9})
    store.end_run("r", RunState.FAILED, error="no")
    again = store.begin_run("taxi", "r", properties={"ir": "abc"})
    assert (again.state, again.error, again.ended_at) == (RunState.RUNNING, "", None)
    assert again.number == first.number == 1
    assert again.properties == {"root": "/r", "a.b": 1e-9, "ir": "abc"}
    assert [run.id for run in store.open_runs("taxi")] == ["r"]
    store.end_run("r", RunState.COMPLETE)
    assert store.get_run("r").error == ""
    assert [run.id for run in store.list_runs("taxi")] == ["r"]


def test_run_id_belongs_to_one_pipeline(store: MetadataStore) -> None:
    """Fails if a run could mix the records of two pipelines."""
    store.begin_run("taxi", "r")
    with pytest.raises(MetadataError, match="belongs to another pipeline"):
        store.begin_run("houses", "r")
    with pytest.raises(MetadataError, match="cannot have a property named 'state'"):
        store.begin_run("taxi", "s", properties={"state": "x"})


def test_unknown_run_suggests_the_nearest(store: MetadataStore) -> None:
    """Fails if a mistyped run id leaves the user to search for the right one."""
    store.begin_run("taxi", "20261120T101500-a1b2c3")
    for call in (store.get_run, store.run_executions, store.mark_stale):
        with pytest.raises(MetadataError, match=r"did you mean:.*20261120T101500-a1b2c3"):
            call("20261120T101500-a1b2c4")


def test_runs_are_listed_newest_first(store: MetadataStore) -> None:
    """Fails if `penstock runs list` shows old runs, or those of another pipeline."""
    for number in range(25):
        store.begin_run("taxi", f"t{number}")
        time.sleep(0.001)
        store.begin_run("houses/2#%", f"h{number}")
        time.sleep(0.001)
    assert [run.id for run in store.list_runs("taxi", 3)] == ["t24", "t23", "t22"]
    assert [run.number for run in store.list_runs("houses/2#%", 2)] == [25, 24]
    assert [run.id for run in store.list_runs(limit=3)] == ["h24", "t24", "h23"]
    assert len(store.list_runs()) == 20
    assert len(store.list_runs("taxi", 100)) == 25
    assert store.list_runs("unknown") == []
    assert store.open_runs("unknown") == []


def test_runs_begun_by_several_processes_at_once_are_all_open(
    store_path: str, python: Callable[..., subprocess.Popen[str]]
) -> None:
    """Fails if concurrent runs of one pipeline overwrite each other's notes or numbers."""
    script = (
        "import sys\n"
        "from penstock.orchestration.metadata.store import MetadataStore\n"
        "store = MetadataStore(sys.argv[1])\n"
        "for n in range(5): store.begin_run('taxi', f'{sys.argv[2]}-{n}')\n"
    )
    processes = [python(script, store_path, str(number)) for number in range(3)]
    for process in processes:
        assert process.wait() == 0, process.communicate()[1]
    with MetadataStore(store_path) as store:
        assert len(store.open_runs("taxi")) == 15
        assert sorted(run.number for run in store.list_runs("taxi")) == list(range(1, 16))


def test_interrupted_run_is_told_from_a_living_one(
    store: MetadataStore, store_path: str, python: Callable[..., subprocess.Popen[str]]
) -> None:
    """Fails if a killed run looks alive, or a living one is taken for dead."""
    script = (
        "import sys\n"
        "from penstock.orchestration.metadata.store import MetadataStore\n"
        "store = MetadataStore(sys.argv[1])\n"
        "store.begin_run('taxi', 'killed')\n"
        "print('begun', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = python(script, store_path, stdin=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    assert store.get_run("killed").owner_alive()
    assert str(process.pid) in store.get_run("killed").owner_text
    process.kill()
    process.wait()
    found = store.get_run("killed")
    assert found.interrupted and not found.owner_alive()
    assert [run.id for run in store.open_runs("taxi")] == ["killed"]
    store.begin_run("taxi", "engine", owned=False)
    engine = store.get_run("engine")
    assert engine.owner is None and engine.owner_alive() and not engine.interrupted
    store.end_run("killed", RunState.INTERRUPTED)
    assert [run.id for run in store.open_runs("taxi")] == ["engine"]


def test_process_id_used_again_is_not_the_owner() -> None:
    """Fails if an unrelated process with the id of a dead one keeps its run open."""
    me = ProcessOwner.current()
    assert me.alive() is True
    assert ProcessOwner.from_json(me.to_json()) == me
    assert replace(me, started="somewhen else").alive() is False
    assert replace(me, host="elsewhere.example").alive() is None
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert replace(me, pid=int(gone.stdout)).alive() is False
    assert ProcessOwner.from_json("{}") is None
    assert os.getpid() == me.pid


def test_threads_share_one_store(store: MetadataStore) -> None:
    """Fails if the local runner's threads corrupt a connection that they share."""
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for repeat in range(8):
                store.begin_run("taxi", f"{number}-{repeat}")
                store.end_run(f"{number}-{repeat}", RunState.COMPLETE)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    runs = store.list_runs("taxi", 100)
    assert sorted(run.number for run in runs) == list(range(1, 49))
    assert {run.state for run in runs} == {RunState.COMPLETE}
