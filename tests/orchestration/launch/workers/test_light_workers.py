# SPDX-License-Identifier: Apache-2.0
"""Light workers: what they return, what they log, and what they keep apart."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.orchestration.launch.workers.pool import WorkerPool
from penstock.utils.errors import Cancelled, ExecutionError
from penstock.utils.hashing import digest_tree


def test_outputs_come_back_with_properties_and_digest(pool, make_spec):
    """What an executor wrote or set is not published, or is cached under a wrong digest."""
    spec = make_spec("Writer", output=True, parameters={"text": "hello"})
    result = pool.execute(spec)
    (artifact,) = result.output_artifacts()["out"]
    assert Path(artifact.path("data")).read_text() == "hello"
    assert artifact.custom_properties["length"] == 5
    assert artifact.content_digest == digest_tree(artifact.uri)
    assert result.properties["hash_seed"] == "0"
    assert result.properties["pid"] != os.getpid()
    assert result.peak_memory > 1_000_000
    assert 0 < result.execute_seconds < 5


def test_the_log_gets_everything_whoever_printed_it(pool, make_spec, tmp_path):
    """What a C++ library or a child process prints is lost, or lands on the terminal."""
    pool.execute(make_spec("Writer", output=True, parameters={"text": "x"}))
    log = (tmp_path / "logs" / "node.log").read_text().splitlines()
    assert sorted(log) == sorted(
        ["from print", "from stderr", "from descriptor 1", "from C", "from a child"]
    )


def test_each_execution_has_its_own_log_and_appends(pool, make_spec, tmp_path):
    """A second attempt overwrites the log of the first, or two nodes share one."""
    for name in ("a", "b", "a"):
        log = str(tmp_path / name)
        pool.execute(make_spec("Writer", output=True, parameters={"text": "x"}, log_path=log))
    assert len((tmp_path / "a").read_text().splitlines()) == 10
    assert len((tmp_path / "b").read_text().splitlines()) == 5


def test_progress_arrives_in_order(pool, make_spec):
    """A progress bar stands still or jumps back."""
    heard = []
    pool.execute(make_spec("Reporter"), on_progress=lambda *parts: heard.append(parts))
    assert heard == [(1.0, 3.0, "step 1"), (2.0, 3.0, "step 2"), (3.0, 3.0, "step 3")]


def test_a_failing_progress_callback_fails_the_execution_and_no_other(pool, make_spec):
    """A bug in what draws the bar leaves a worker that answers the wrong question."""

    def fail(*parts):
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        pool.execute(make_spec("Reporter"), on_progress=fail)
    assert pool.execute(make_spec("Nothing")).properties == {}


def test_a_worker_is_reused_and_restored(pool, make_spec):
    """One node feels what another did to its process, or each pays for a new process."""
    first = pool.execute(make_spec("Messy", env={"EXTRA": "1"})).properties
    pid = pool.execute(make_spec("Modules", parameters={"module": "x"})).properties["pid"]
    second = pool.execute(make_spec("Messy")).properties
    assert {**first, "extra": ""} == second
    assert first["extra"] == "1"
    assert first["cwd"] == os.getcwd() and not first["leak"] and first["interrupt"]
    assert pool.execute(make_spec("Modules", parameters={"module": "x"})).properties["pid"] == pid


def test_a_worker_with_a_thread_at_work_is_not_reused(pool, make_spec):
    """A thread that one node left behind disturbs the next."""
    first = pool.execute(make_spec("Leftover")).properties["pid"]
    second = pool.execute(make_spec("Modules", parameters={"module": "x"})).properties["pid"]
    assert first != second
    assert not Path(f"/proc/{first}").exists()


def test_a_light_worker_loads_nothing_heavy(pool, make_spec):
    """The first node of every run waits for libraries that it does not use."""
    for module in ("tensorflow", "pandas", "apache_beam", "pyarrow", "pydantic", "ml_metadata"):
        found = pool.execute(make_spec("Modules", parameters={"module": module}))
        assert found.properties["loaded"] is False, module


def test_executors_find_the_usual_start_method(pool, make_spec):
    """User code that starts processes behaves otherwise than in a script."""
    found = pool.execute(make_spec("Modules", parameters={"module": "x"}))
    import multiprocessing

    assert found.properties["method"] == multiprocessing.get_all_start_methods()[0]


def test_what_is_not_recordable_is_refused_with_its_name(pool, make_spec):
    """A property that the store cannot hold fails without saying which."""
    with pytest.raises(ExecutionError, match=r"property 'value'.*cannot be recorded"):
        pool.execute(make_spec("BadAnswer"))


def test_scalars_of_libraries_and_own_digests_are_kept(pool, make_spec):
    """A NumPy number as a property fails, or a canonical digest is overwritten."""
    result = pool.execute(make_spec("Scalar", output=True))
    assert result.properties == {"value": 2.5}
    assert result.output_artifacts()["out"][0].content_digest == "canonical"


def test_no_more_than_max_workers_run_at_once(make_spec, tmp_path):
    """A run takes more of the machine than it was given."""
    with WorkerPool(max_workers=1) as pool:
        cancel = threading.Event()
        pids = tmp_path / "pids"
        spec = make_spec("Sleeper", parameters={"pids": str(pids)})
        errors = []

        def run():
            try:
                pool.execute(spec, cancel=cancel)
            except Cancelled as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while not pids.exists():
            time.sleep(0.01)
        waiting = threading.Event()
        threading.Timer(0.2, waiting.set).start()
        with pytest.raises(Cancelled, match="told to stop"):
            pool.execute(make_spec("Nothing"), cancel=waiting)
        cancel.set()
        thread.join()
        assert len(errors) == 1


def test_closing_waits_for_what_runs(make_spec):
    """The end of a run cuts off its last node."""
    results = []
    with WorkerPool(max_workers=2) as pool:
        heard = threading.Event()
        thread = threading.Thread(
            target=lambda: results.append(
                pool.execute(make_spec("Reporter"), on_progress=lambda *_: heard.set())
            )
        )
        thread.start()
        heard.wait(10)
    thread.join()
    assert len(results) == 1
    with pytest.raises(ExecutionError, match="pool is closed"):
        pool.execute(make_spec("Nothing"))


def test_starting_a_worker_leaves_this_process_as_it_was(make_spec):
    """A run changes the environment or the main module of the notebook it runs in."""
    main = sys.modules["__main__"]
    before = dict(os.environ), main.__spec__, getattr(main, "__file__", None)
    with WorkerPool(max_workers=1) as pool:
        pool.warm()
        pool.execute(make_spec("Nothing"))
    assert (dict(os.environ), main.__spec__, getattr(main, "__file__", None)) == before


def test_a_script_without_guard_is_not_run_again(run_script):
    """Every worker starts the user's whole pipeline once more."""
    found = run_script(
        """
import json
from penstock.orchestration.launch.workers.messages import WorkSpec
from penstock.orchestration.launch.workers.pool import WorkerPool

with open("runs", "a") as file:
    file.write("x")
with WorkerPool(max_workers=2) as pool:
    for heavy in (False, True):
        pool.execute(WorkSpec("worker_sample_executors:Nothing", "n", heavy=heavy))
print(json.dumps(open("runs").read()))
"""
    )
    assert found == "x"


def test_a_pool_that_nobody_closed_does_not_keep_the_process(run_script):
    """A script that forgets to close the pool hangs at its end."""
    found = run_script(
        """
import json
from penstock.orchestration.launch.workers.messages import WorkSpec
from penstock.orchestration.launch.workers.pool import WorkerPool

pool = WorkerPool(max_workers=1)
pool.execute(WorkSpec("worker_sample_executors:Nothing", "n"))
print(json.dumps("done"))
"""
    )
    assert found == "done"


@pytest.mark.timing
def test_an_execution_costs_less_than_two_milliseconds(pool, make_spec):
    """A pipeline of many small nodes spends its time between them."""
    spec = make_spec("Nothing", output=True)
    started = time.perf_counter()
    pool.execute(spec)
    first = time.perf_counter() - started
    times = []
    for _ in range(200):
        started = time.perf_counter()
        pool.execute(spec)
        times.append(time.perf_counter() - started)
    typical = sorted(times)[len(times) // 2]
    print(json.dumps({"first": first, "typical": typical}))
    assert typical < 0.002
    assert first < 1.0
