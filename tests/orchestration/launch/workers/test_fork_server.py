# SPDX-License-Identifier: Apache-2.0
"""Heavy workers: forked from one server that has the libraries imported."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

_START = """
import json, os, sys, threading, time
from penstock.orchestration.launch.workers.messages import WorkSpec
from penstock.orchestration.launch.workers.pool import WorkerPool

def spec(name, heavy=True, **parameters):
    return WorkSpec(
        "worker_sample_executors:" + name, "n", heavy=heavy, parameters=parameters, log_path="log"
    )
"""


def test_preloaded_modules_are_there_in_fresh_processes(run_script):
    """Each heavy node imports its libraries again, or meets what another left behind."""
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=2) as pool:
    pool.start_preloading(["sqlite3"])
    pool.start_preloading(["sqlite3"])
    report = pool.wait_preloaded()
    runs = [pool.execute(spec("Modules", module="sqlite3")).properties for _ in range(3)]
print(json.dumps([report.modules, report.failed, runs]))
"""
    )
    modules, failed, runs = found
    assert (modules, failed) == (["sqlite3"], {})
    assert all(run["loaded"] for run in runs)
    assert len({run["pid"] for run in runs}) == 3


def test_workers_have_todays_environment_and_folder(run_script):
    """A second run in a notebook does not see the variables set since the first."""
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.execute(spec("Messy"))
os.environ["LEAK"] = "today"
os.mkdir("deeper")
os.chdir("deeper")
with WorkerPool(max_workers=1) as pool:
    print(json.dumps(pool.execute(spec("Messy")).properties))
"""
    )
    assert found["leak"] == "today"
    assert found["cwd"].endswith("deeper")


def test_a_module_that_cannot_be_imported_does_no_harm(run_script):
    """One library that is not installed stops all heavy nodes."""
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["no_such_library", "sqlite3"])
    report = pool.wait_preloaded()
    print(json.dumps([report.failed, pool.execute(spec("Modules", module="sqlite3")).properties]))
"""
    )
    failed, properties = found
    assert list(failed) == ["no_such_library"]
    assert properties["loaded"]


def test_a_module_that_ends_the_server_does_no_harm(run_script, tmp_path):
    """A library that crashes when imported makes the run hang, or stops all heavy nodes."""
    (tmp_path / "crashing_library.py").write_text("import os, signal\nos.kill(os.getpid(), 9)\n")
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["crashing_library"])
    print(json.dumps(pool.execute(spec("Modules", module="x")).properties["loaded"]))
"""
    )
    assert found is False


def test_a_server_killed_between_nodes_is_started_again(run_script):
    """Heavy nodes fail for the rest of a run once the server is gone."""
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["sqlite3"])
    first = pool.execute(spec("Modules", module="sqlite3")).properties
    from penstock.orchestration.launch.workers.preload_server import SERVER
    os.kill(int(open(SERVER._path("pid")).read()), 9)
    time.sleep(0.1)
    second = pool.execute(spec("Modules", module="sqlite3")).properties
print(json.dumps([first["loaded"], second["loaded"]]))
"""
    )
    assert found == [True, True]


def test_a_fork_server_that_others_use_is_left_alone(run_script):
    """A notebook that uses the standard library's fork server itself cannot run heavy nodes."""
    found = run_script(
        _START
        + """
import multiprocessing.forkserver
multiprocessing.forkserver.ensure_running()
started = time.monotonic()
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["sqlite3"])
    runs = [pool.execute(spec("Modules", module="sqlite3")).properties for _ in range(2)]
print(json.dumps([len({run["pid"] for run in runs}), time.monotonic() - started]))
"""
    )
    processes, seconds = found
    assert processes == 2
    assert seconds < 5


def test_a_pool_that_closes_leaves_the_server_to_another(run_script, tmp_path):
    """One of two runs in a process fails because the other has ended."""
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(0.5)\n")
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["slow_library"])
    with WorkerPool(max_workers=1) as other:
        other.start_preloading([])
    print(json.dumps(pool.execute(spec("Modules", module="slow_library")).properties["loaded"]))
"""
    )
    assert found is True


def test_cancelling_does_not_wait_for_the_preloading(run_script, tmp_path):
    """Ctrl-C during the first seconds of a run is answered ten seconds later."""
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(60)\n")
    found = run_script(
        _START
        + """
from penstock.utils.errors import Cancelled
cancel = threading.Event()
started = time.monotonic()
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["slow_library"])
    threading.Timer(0.3, cancel.set).start()
    try:
        pool.execute(spec("Nothing"), cancel=cancel)
    except Cancelled as error:
        print(error)
    pool.execute(spec("Nothing", heavy=False))
print(json.dumps(time.monotonic() - started))
"""
    )
    assert found < 3


def test_light_nodes_run_while_the_server_preloads(run_script, tmp_path):
    """Ingestion waits for TensorFlow although it does not use it."""
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(60)\n")
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["slow_library"])
    started = time.monotonic()
    pool.execute(spec("Nothing", heavy=False))
    print(json.dumps(time.monotonic() - started))
"""
    )
    assert found < 2


_ORCHESTRATOR = (
    _START
    + """
kind, heavy, parameters = json.loads(%r)
with WorkerPool(max_workers=2) as pool:
    pool.start_preloading([])
    pool.execute(spec(kind, heavy, **parameters))
"""
)


@pytest.mark.kill
@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("Sleeper", {}),
        ("Sleeper", {"hold_lock": True}),
        ("Spreader", {"seconds": 60, "method": "forkserver"}),
    ],
)
def test_workers_end_with_a_killed_orchestrator(
    start_script, tmp_path, wait_for, assert_all_end, heavy, kind, parameters
):
    """`kill -9` leaves workers that go on writing, or a server that never ends."""
    pids = tmp_path / "pids"
    told = json.dumps([kind, heavy, {**parameters, "pids": str(pids)}])
    process = start_script(_ORCHESTRATOR % told)
    at_work = [int(pid) for pid in wait_for(pids).split()]
    family = _descendants(process.pid)
    assert set(at_work) <= family
    process.kill()
    process.wait()
    assert_all_end(family)


@pytest.mark.kill
def test_the_server_ends_with_an_orchestrator_killed_while_it_preloads(
    start_script, tmp_path, wait_for, assert_all_end
):
    """An interrupted start leaves a process that imports TensorFlow for nobody."""
    started = tmp_path / "started"
    (tmp_path / "slow_library.py").write_text(
        f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(60)\n"
    )
    process = start_script(
        _START
        + """
with WorkerPool(max_workers=1) as pool:
    pool.start_preloading(["slow_library"])
    pool.execute(spec("Nothing"))
"""
    )
    wait_for(started)
    family = _descendants(process.pid)
    assert len(family) >= 2
    process.kill()
    process.wait()
    assert_all_end(family)


@pytest.mark.kill
def test_ctrl_c_is_for_the_orchestrator_alone(start_script, tmp_path, wait_for):
    """Ctrl-C kills workers behind the orchestrator's back, or fills the terminal."""
    ready = tmp_path / "ready"
    process = start_script(
        _START
        + f"""
import signal
signal.signal(signal.SIGINT, lambda *_: None)
with WorkerPool(max_workers=2) as pool:
    pool.start_preloading([])
    open({str(ready)!r}, "w").close()
    for heavy in (False, True):
        pool.execute(spec("Reporter", heavy))
print(json.dumps("done"))
""",
        start_new_session=True,
    )
    wait_for(ready)
    for _ in range(20):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.03)
    output, _ = process.communicate(timeout=30)
    assert output.splitlines() == ['"done"']


@pytest.mark.heavy
@pytest.mark.slow
def test_tensorflow_is_there_in_a_moment(run_script):
    """Every heavy node pays five seconds for importing TensorFlow."""
    found = run_script(
        _START
        + """
with WorkerPool(max_workers=2) as pool:
    pool.start_preloading(["tensorflow"])
    report = pool.wait_preloaded()
    times = []
    for _ in range(3):
        started = time.monotonic()
        pool.execute(spec("TensorFlowSum"))
        times.append(time.monotonic() - started)
print(json.dumps([report.failed, report.seconds, times, "tensorflow" in sys.modules]))
"""
    )
    failed, seconds, times, here = found
    print(f"preloading {seconds:.1f} s, nodes {times}")
    assert failed == {} and not here
    assert max(times) < 3.0


def _descendants(pid):
    found = set()
    for child in _children(pid):
        found |= {child} | _descendants(child)
    return found


def _children(pid):
    tasks = Path(f"/proc/{pid}/task")
    return [
        int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
    ]
