# SPDX-License-Identifier: Apache-2.0
"""Where jobs over files and shards are done: here, in processes beside, or on Beam.

A job is one file to scan or one shard to write. What it does depends on the job alone, so
results do not depend on the engine.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar, cast

from ...utils.errors import ExecutionError, PenstockError
from ..base.executor import Task

#: With fewer bytes than this, starting processes costs more than they save.
POOL_BYTES = 256 << 20
_MOST_PROCESSES = 16
#: Runners of Beam that work in this process, one job after the other.
_IN_PROCESS = frozenset(
    {"directrunner", "fnapirunner", "switchingdirectrunner", "bundlebaseddirectrunner"}
)

J = TypeVar("J")
R = TypeVar("R")

#: Told the number of records of each batch that is done.
ReportRows = Callable[[int], None]


class WorkEngine(Protocol):
    """Does jobs."""

    #: A folder for files that one job leaves for another.
    scratch: str

    def map(
        self, function: Callable[[J, ReportRows], R], jobs: Sequence[J], report: ReportRows
    ) -> list[R]:
        """Results of all jobs, in their order.

        Args:
            function: Does one job; a function of a module, not one inside another.
            jobs: The jobs.
            report: Told of records done, where the engine can.

        Raises:
            PenstockError: As `function`.
        """


class InProcessEngine:
    """One job after the other, in this process."""

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch

    def map(
        self, function: Callable[[J, ReportRows], R], jobs: Sequence[J], report: ReportRows
    ) -> list[R]:
        """Results of all jobs, in their order."""
        return [function(job, report) for job in jobs]


class ProcessPoolEngine:
    """Several jobs at a time, each in a process of its own.

    Args:
        scratch: A folder for files that one job leaves for another.
        processes: How many jobs at a time.
    """

    def __init__(self, scratch: str, processes: int) -> None:
        self.scratch = scratch
        self.processes = processes

    def map(
        self, function: Callable[[J, ReportRows], R], jobs: Sequence[J], report: ReportRows
    ) -> list[R]:
        """Results of all jobs, in their order."""
        if len(jobs) < 2:
            return [function(job, report) for job in jobs]
        context = multiprocessing.get_context("spawn")
        workers = min(self.processes, len(jobs))
        with ProcessPoolExecutor(workers, context, _end_with_parent) as pool:
            futures = [pool.submit(_counted, function, job) for job in jobs]
            try:
                for done in as_completed(futures):
                    report(done.result()[1])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result()[0] for future in futures]


class BeamEngine:
    """Jobs as elements of a Beam pipeline.

    Workers on other machines must see the same input files and the same output folder.

    Args:
        scratch: A folder that all workers see.
        beam_pipeline_args: Flags of the pipeline.
        node: Id of the node, for errors.
    """

    def __init__(self, scratch: str, beam_pipeline_args: Sequence[str], node: str) -> None:
        self.scratch = scratch
        self._args = beam_pipeline_args
        self._node = node
        self._calls = 0

    def map(
        self, function: Callable[[J, ReportRows], R], jobs: Sequence[J], report: ReportRows
    ) -> list[R]:
        """Results of all jobs, in their order."""
        import apache_beam as beam

        from ..transform.beam_runner import pipeline_options

        self._calls += 1
        places = [
            os.path.join(self.scratch, f"result-{self._calls}-{number}.pickle")
            for number in range(len(jobs))
        ]
        packed = [
            pickle.dumps((function, job, place)) for job, place in zip(jobs, places, strict=True)
        ]
        try:
            with beam.Pipeline(options=pipeline_options(self._args)) as pipeline:
                created = pipeline | "Jobs" >> beam.Create(packed, reshuffle=False)
                _ = created | beam.Reshuffle() | "Do" >> beam.Map(_do_packed)
        except Exception as error:
            # Beam wraps what fails in its workers in exceptions of many kinds.
            raise ExecutionError(
                "the node's Beam pipeline failed",
                node=self._node,
                got=str(error).strip().rsplit("\n", 1)[-1][:500],
                fix="the node's log has the whole traceback",
            ) from error
        return [cast("R", _unpacked(place, report)) for place in places]


def choose_engine(task: Task, size: int, jobs: int, shared_folder: str) -> WorkEngine:
    """The engine for a node.

    Args:
        task: The execution; its parameter `engine` decides, if it is not `auto`.
        size: Bytes to read.
        jobs: Number of jobs.
        shared_folder: A folder that workers on other machines see too.
    """
    wanted = task.parameters.get("engine") or "auto"
    if wanted == "beam" or (wanted == "auto" and runs_elsewhere(task.beam_pipeline_args)):
        return BeamEngine(shared_folder, task.beam_pipeline_args, task.node_id)
    processes = min(processors(), _MOST_PROCESSES)
    if size >= POOL_BYTES and jobs > 1 and processes > 1:
        return ProcessPoolEngine(task.work_dir, processes)
    return InProcessEngine(task.work_dir)


def runs_elsewhere(beam_pipeline_args: Sequence[str]) -> bool:
    """Whether flags name a Beam runner outside this process. Does not load Beam."""
    flags = dict(_flags(beam_pipeline_args))
    runner = flags.get("runner", "")
    if runner.rpartition(".")[2].lower() in _IN_PROCESS:
        return flags.get("direct_running_mode") == "multi_processing"
    return bool(runner)


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, argument in enumerate(arguments):
        name, equals, value = argument.lstrip("-").partition("=")
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        yield name, value if equals else following


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _counted(function: Callable[[J, ReportRows], R], job: J) -> tuple[R, int]:
    """The result of a job, and how many records it reported."""
    done = [0]

    def count(rows: int) -> None:
        done[0] += rows

    return function(job, count), done[0]


def _end_with_parent() -> None:
    """Makes this process end when the one that started it does, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # set by `multiprocessing` in every process it starts
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _do_packed(packed: bytes) -> None:
    """Does a job on a Beam worker, and leaves its result, or its error, in a file."""
    function, job, place = pickle.loads(packed)
    answer: tuple[Any, int, PenstockError | None]
    try:
        answer = (*_counted(function, job), None)
    except PenstockError as error:
        answer = (None, 0, error)
    # Beam may do a job twice: the result appears whole or not at all.
    unfinished = f"{place}.{os.getpid()}-{threading.get_ident()}"
    with open(unfinished, "wb") as file:
        pickle.dump(answer, file)
    os.replace(unfinished, place)


def _unpacked(place: str, report: ReportRows) -> Any:
    with open(place, "rb") as file:
        result, rows, error = pickle.load(file)
    with contextlib.suppress(OSError):
        os.unlink(place)
    if error is not None:
        raise error
    report(rows)
    return result
