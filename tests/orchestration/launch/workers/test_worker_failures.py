# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a worker reaches the user as something to act on."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from penstock.orchestration.launch.workers.in_process import InProcessWorker
from penstock.orchestration.launch.workers.pool import WorkerPool
from penstock.utils.errors import (
    Cancelled,
    DataError,
    ExecutionError,
    NodeTimeout,
    PenstockError,
    StorageError,
    WorkerDied,
)


@pytest.fixture
def raised(pool, make_spec, tmp_path):
    """The error that comes of an executor that raises."""

    def run(kind, **parameters):
        with pytest.raises(PenstockError) as found:
            pool.execute(make_spec("Raiser", parameters={"kind": kind, **parameters}))
        return found.value

    return run


def test_penstock_errors_pass_with_their_parts(raised):
    """An executor's careful message is replaced by a general one."""
    error = raised("penstock")
    assert type(error) is DataError
    assert (error.what, error.node, error.got) == ("row 7 is ragged", "Node", "3 fields")
    assert error.suggestion == "x"


def test_a_subclass_crosses_as_its_nearest_known_class(raised):
    """An error class of an executor's own cannot be rebuilt, and hides the error."""
    error = raised("subclass")
    assert type(error) is DataError
    assert error.fix == "do something"


def test_other_errors_say_type_message_place_and_log(raised, tmp_path):
    """One must search for where an executor failed."""
    error = raised("value")
    assert type(error) is ExecutionError
    assert error.what == "ValueError: no such thing"
    assert "worker_sample_executors.py:" in error.location
    log = tmp_path / "logs" / "node.log"
    assert str(log) in error.fix
    assert "Traceback (most recent call last)" in log.read_text()


def test_of_a_message_of_many_lines_both_ends_are_shown(raised):
    """An array's values scroll away what was wrong with them, and the command that resumes."""
    shown = raised("value", text="\n".join(f"row {i}" for i in range(200))).what.splitlines()
    assert len(shown) == 15
    assert (shown[0], shown[-3:]) == ("ValueError: row 0", ["…", "row 198", "row 199"])


def test_out_of_memory_says_how_much_was_held(raised):
    """One does not learn what to do about a MemoryError."""
    error = raised("memory")
    assert type(error) is ExecutionError
    assert "MemoryError" in error.what
    assert "MiB at most" in error.fix


@pytest.mark.parametrize("kind", ["disk", "wrapped disk"])
def test_a_full_disk_is_named(raised, tmp_path, kind):
    """A full disk looks like a bug in the executor."""
    error = raised(kind, path=str(tmp_path / "big"))
    assert type(error) is StorageError
    assert "the disk is full" in error.what
    assert "free at" in error.got


def test_leaving_by_sys_exit_is_a_failure(raised):
    """An executor that calls sys.exit() counts as a success, or ends the worker."""
    assert raised("exit").what == "SystemExit: 3"


def test_an_error_without_text_is_still_reported(raised):
    """An exception whose own __str__ fails takes the worker with it."""
    assert "BadText" in raised("bad str").what


def test_a_missing_library_names_what_to_install(pool, make_spec, tmp_path, monkeypatch):
    """A light installation fails on a heavy node without saying what is missing."""
    (tmp_path / "absent_library_executor.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = make_spec("Nothing")
    object.__setattr__(spec, "executor", "absent_library_executor:Absent")
    with pytest.raises(ExecutionError, match="needs tensorflow") as found:
        pool.execute(spec)
    assert found.value.fix == "pip install 'penstock[ml]'"


def test_a_missing_executor_is_named(pool, make_spec):
    """A misspelt executor path fails with an AttributeError."""
    with pytest.raises(DataError.__base__, match="there is no executor class"):
        pool.execute(make_spec("Absent"))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (int(signal.SIGKILL), "killed by SIGKILL"),
        (int(signal.SIGTERM), "killed by SIGTERM"),
        ("crash", "killed by SIGSEGV"),
        ("exit", "with exit code 7"),
    ],
)
@pytest.mark.parametrize("heavy", [False, True])
def test_a_dead_worker_says_how_it_died(pool, make_spec, how, expected, heavy):
    """A killed or crashed worker makes the run hang, or fail without a cause."""
    with pytest.raises(WorkerDied, match=expected) as found:
        pool.execute(make_spec("Killer", parameters={"how": how}, heavy=heavy))
    assert "last words" in found.value.got
    assert "node.log" in found.value.fix
    if how == signal.SIGKILL:
        assert "out of memory" in found.value.fix
    if how == "crash":
        assert "worker_sample_executors.py" in found.value.got
    assert pool.execute(make_spec("Nothing")).properties == {}


def test_a_worker_killed_while_idle_is_replaced(pool, make_spec, assert_all_end):
    """A node fails because of a process that died before it came."""
    pid = pool.execute(make_spec("Modules", parameters={"module": "x"})).properties["pid"]
    os.kill(pid, signal.SIGKILL)
    assert_all_end([pid])
    assert pool.execute(make_spec("Nothing")).properties == {}


@pytest.mark.parametrize("heavy", [False, True])
def test_a_timeout_kills_the_whole_group(
    pool, make_spec, tmp_path, heavy, wait_for, assert_all_end
):
    """A node that hangs holds up the run, or leaves processes behind."""
    pids = tmp_path / "pids"
    spec = make_spec("Sleeper", parameters={"pids": str(pids)}, heavy=heavy)
    with pytest.raises(NodeTimeout, match=r"timeout of 0\.7 seconds"):
        pool.execute(spec, timeout=0.7)
    assert_all_end([int(pid) for pid in wait_for(pids).split()])
    log = (tmp_path / "logs" / "node.log").read_text()
    assert "worker_sample_executors.py" in log and "in execute" in log


@pytest.mark.parametrize("heavy", [False, True])
def test_cancelling_kills_the_whole_group(
    pool, make_spec, tmp_path, heavy, wait_for, assert_all_end
):
    """Ctrl-C waits for a long node, or leaves its processes behind."""
    pids = tmp_path / "pids"
    cancel = threading.Event()

    def stop():
        wait_for(pids)
        cancel.set()

    threading.Thread(target=stop).start()
    spec = make_spec("Sleeper", parameters={"pids": str(pids)}, heavy=heavy)
    with pytest.raises(Cancelled):
        pool.execute(spec, cancel=cancel)
    assert_all_end([int(pid) for pid in wait_for(pids).split()])


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("heavy", [False, True])
def test_process_pools_of_executors_end_with_them(
    pool, make_spec, tmp_path, method, heavy, wait_for, assert_all_end
):
    """Processes of an executor's own process pool are left behind when it is killed."""
    pids = tmp_path / "pids"
    cancel = threading.Event()

    def stop():
        wait_for(pids)
        cancel.set()

    threading.Thread(target=stop).start()
    parameters = {"pids": str(pids), "seconds": 60, "method": method}
    with pytest.raises(Cancelled):
        pool.execute(make_spec("Spreader", parameters=parameters, heavy=heavy), cancel=cancel)
    assert_all_end([int(pid) for pid in wait_for(pids).split()])


def test_closing_with_kill_cancels_what_runs(make_spec, tmp_path, wait_for, assert_all_end):
    """An error in the orchestrating process leaves workers at work."""
    pids = tmp_path / "pids"
    pool = WorkerPool(max_workers=1)
    threading.Thread(target=lambda: (wait_for(pids), pool.close(kill=True))).start()
    with pytest.raises(Cancelled, match="told to stop"):
        pool.execute(make_spec("Sleeper", parameters={"pids": str(pids)}))
    assert_all_end([int(pid) for pid in wait_for(pids).split()])


def test_in_process_execution_gives_the_same_answers(make_spec):
    """Debugging a node behaves otherwise than running it."""
    worker = InProcessWorker()
    heard = []
    worker.execute(make_spec("Reporter"), on_progress=lambda *parts: heard.append(parts))
    assert [parts[0] for parts in heard] == [1, 2, 3]
    with pytest.raises(ExecutionError, match="ValueError: no such thing") as found:
        worker.execute(make_spec("Raiser", parameters={"kind": "value"}))
    assert isinstance(found.value.__cause__, ValueError)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        worker.execute(make_spec("Reporter"), cancel=cancel)


def test_a_failure_is_reported_at_once(pool, make_spec):
    """A failing node is noticed only at the next tick of some clock."""
    pool.execute(make_spec("Nothing"))
    started = time.monotonic()
    with pytest.raises(WorkerDied):
        pool.execute(make_spec("Killer", parameters={"how": "exit"}))
    assert time.monotonic() - started < 1.0
