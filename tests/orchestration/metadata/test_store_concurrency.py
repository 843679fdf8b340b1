# SPDX-License-Identifier: Apache-2.0
"""Several processes on one SQLite store: none sees an error, nothing is lost or half done."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from penstock.components.base.artifact_types import Examples
from penstock.orchestration.metadata.records import (
    ArtifactState,
    ExecutionState,
    NodeKey,
    RunState,
)
from penstock.orchestration.metadata.retry import RetryPolicy
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError

Start = Callable[..., "subprocess.Popen[str]"]

#: Arguments: path, run id, pipeline, nodes. Waits for a line on stdin before it opens the store,
#: so that all processes open it at the same moment.
RUN = """
import sys
from penstock.components.base.artifact_types import Examples
from penstock.orchestration.metadata.library import library
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore

path, run_id, pipeline, nodes = sys.argv[1:]
library()
print("ready", flush=True)
sys.stdin.readline()
store = MetadataStore(path)
store.begin_run(pipeline, run_id)
before = []
for number in range(int(nodes)):
    node = NodeKey(pipeline, run_id, f"n{number}", f"test.N{number % 3}")
    store.lookup_cache(f"{run_id}-{number}")
    execution = store.register_execution(node, {"x": before}, {"n": number})
    print(execution, flush=True)
    made = Examples(f"/{run_id}/{number}")
    store.publish_execution(node, execution, {"x": [made]}, cache_key=f"{run_id}-{number}")
    before = [made]
store.end_run(run_id, RunState.COMPLETE)
store.close()
"""


def started(
    python: Start, path: str, run_id: str, pipeline: str, nodes: int
) -> subprocess.Popen[str]:
    """A process that waits to run a pipeline."""
    return python(RUN, path, run_id, pipeline, str(nodes), stdin=subprocess.PIPE)


def release(processes: list[subprocess.Popen[str]]) -> None:
    """Lets processes go at the same moment, once all are ready."""
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


@pytest.mark.parametrize(("journal", "count"), [("wal", 8), ("delete", 4)])
def test_processes_make_and_fill_one_store_at_once(
    store_path: str, python: Start, journal: str, count: int
) -> None:
    """Fails if processes that start together collide on the schema, types or contexts."""
    setting = f"sqlite:///{store_path}?journal={journal}"
    processes = [started(python, setting, f"r{n}", f"p{n % 3}", 4) for n in range(count)]
    release(processes)
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    with MetadataStore(setting) as store:
        runs = store.list_runs(limit=99)
        assert {run.id for run in runs} == {f"r{n}" for n in range(count)}
        assert {run.state for run in runs} == {RunState.COMPLETE}
        for pipeline in ("p0", "p1", "p2"):
            mine = [run for run in runs if run.pipeline == pipeline]
            assert sorted(run.number for run in mine) == list(range(1, len(mine) + 1))
            artifacts = store.latest_artifacts("Examples", pipeline=pipeline, limit=99)
            assert len(artifacts) == 4 * len(mine)
            assert store.open_runs(pipeline) == []
        for run in runs:
            states = Counter(found.state for found in store.run_executions(run.id))
            assert states == {ExecutionState.COMPLETE: 4}


def test_killed_writers_leave_nothing_half_done(store_path: str, python: Start) -> None:
    """Fails if `kill -9` at any moment leaves an incomplete artifact, a lock or a gap."""
    chance = random.Random(7)
    MetadataStore(store_path).close()
    for round_number in range(4):
        process = started(python, store_path, f"r{round_number}", "p", 10_000)
        release([process])
        assert process.stdout is not None
        process.stdout.readline()  # the first execution was registered
        time.sleep(chance.uniform(0.0, 0.12))
        process.kill()
        process.wait()
        with MetadataStore(store_path) as store:
            (found,) = store.open_runs("p")
            assert found.id == f"r{round_number}" and found.interrupted
            stale = store.mark_stale(found.id)
            assert len(stale) <= 1
            store.end_run(found.id, RunState.INTERRUPTED)
            executions = store.run_executions(found.id, with_artifacts=True)
            assert executions
            for record in executions:
                assert len(record.outputs) == (record.state is ExecutionState.COMPLETE)
    with MetadataStore(store_path) as store:
        listed = store.list_artifacts("Examples", pipeline="p", limit=None)
        assert {record.state for record in listed} == {ArtifactState.LIVE}
        every = store.list_artifacts(limit=None)
        # Found through the numbered keys as many as there are: the numbers have no gap.
        assert len(listed) == len(every) > 0


def test_other_programs_locks_are_waited_for(store_path: str, python: Start) -> None:
    """Fails if a lock of TFX or of a database tool reaches the user as an error."""
    setting = f"sqlite:///{store_path}?journal=delete"
    with MetadataStore(setting) as store:
        store.begin_run("p", "r")
    # Another process, because SQLite's locks do not hold between threads of one.
    script = (
        "import sqlite3, sys, time\n"
        "other = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "other.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(1.0)\n"
        "other.execute('ROLLBACK')\n"
    )
    holder = python(script, store_path)
    assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
    with MetadataStore(setting) as store:
        node = NodeKey("p", "r", "n", "test.N")
        execution = store.register_execution(node, {}, {})
        store.publish_execution(node, execution, {"x": [Examples("/x")]})
        assert store.get_execution(execution).succeeded


def test_store_that_stays_locked_is_an_error(store_path: str, python: Start) -> None:
    """Fails if a run waits for ever for a program that never lets go."""
    setting = f"sqlite:///{store_path}?journal=delete"
    store = MetadataStore(setting, retries=RetryPolicy(deadline_s=0.2))
    store.begin_run("p", "r")
    script = (
        "import sqlite3, sys\n"
        "other = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "other.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = python(script, store_path, stdin=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
    with pytest.raises(MetadataError, match=r"stayed locked for 0\.2 s(?s:.*)which other process"):
        store.end_run("r", RunState.COMPLETE)
    holder.kill()
    holder.wait()
    store.end_run("r", RunState.COMPLETE)
    store.close()


def test_threads_publish_at_once(store_path: str) -> None:
    """Fails if the local runner's concurrent nodes disturb one another."""
    errors: list[BaseException] = []
    with MetadataStore(store_path) as store:
        store.begin_run("p", "r")

        def work(number: int) -> None:
            try:
                for repeat in range(10):
                    node = NodeKey("p", "r", f"n{number}.{repeat}", "test.N")
                    execution = store.register_execution(node, {}, {})
                    store.publish_execution(node, execution, {"x": [Examples(f"/{number}")]})
                    assert store.latest_artifacts("Examples", pipeline="p")
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(store.latest_artifacts("Examples", pipeline="p", limit=99)) == 60


def test_store_we_made_has_a_write_ahead_log(store_path: str) -> None:
    """Fails if readers block writers, or a transaction waits for the disk four times."""
    MetadataStore(store_path).close()
    database = sqlite3.connect(store_path)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
