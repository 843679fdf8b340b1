# SPDX-License-Identifier: Apache-2.0
"""What runs in each pod of a node's worker job.

    python -m penstock.orchestration.launch.workers.job_member --folder FOLDER

Its rank is the index that Kubernetes gives the pods of an indexed Job.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ....components.base.executor import ProgressCallback
from .failure_codec import error_to_dict, explain
from .job_folder import DONE, FAILED, JobFolder
from .messages import WorkSpec
from .redirect import flush_output, make_line_buffered
from .task_execution import run_task
from .worker_group import member_spec
from .worker_main import WORKER_VARIABLE

#: Set by Kubernetes in each pod of an indexed Job.
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"

#: How long, in seconds, nothing is heard of the launcher before it counts as gone.
_LONGEST_SILENCE = 600.0
_LOOK_EVERY = 5.0
#: The least time between two progress reports, in seconds: each writes a file for others.
_PROGRESS_INTERVAL = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one worker's part of an execution, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="job_member", allow_abbrev=False)
    parser.add_argument("--folder", required=True)
    folder = JobFolder(parser.parse_args(arguments).folder)
    rank = int(os.environ[INDEX_VARIABLE])
    whole = folder.spec()
    spec = member_spec(whole, rank, whole.addresses)
    os.environ[WORKER_VARIABLE] = "1"
    copy = _copy_output(spec.log_path)
    threading.Thread(target=_watch_launcher, args=(folder,), daemon=True).start()
    answer = _perform(spec, _reporter(folder) if rank == 0 else _silent)
    folder.answer(rank, answer)
    flush_output()
    if copy is not None:
        for descriptor in (1, 2):
            os.close(descriptor)
        copy.wait()
    return int(FAILED in answer)


def _watch_launcher(folder: JobFolder) -> None:
    """Ends this process once the launcher is gone, whose pod may have vanished with its machine."""
    beat, heard = folder.last_beat(), time.monotonic()
    while time.monotonic() - heard < _LONGEST_SILENCE:
        time.sleep(_LOOK_EVERY)
        with suppress(OSError):  # storage that others share fails now and then
            now = folder.last_beat()
            if now != beat:
                beat, heard = now, time.monotonic()
    print("the launcher is gone: nobody waits for this worker", file=sys.stderr, flush=True)
    os._exit(1)


def _perform(spec: WorkSpec, report: ProgressCallback) -> dict[str, Any]:
    try:
        return {DONE: vars(run_task(spec, report))}
    except BaseException as error:  # SystemExit too: the answer must come, whatever was raised
        explained = explain(error, spec)
        traceback.print_exception(error)
        return {FAILED: error_to_dict(explained)}


def _copy_output(log_path: str | None) -> subprocess.Popen[bytes] | None:
    """Sends what this process prints to its log too; Kubernetes shows the rest."""
    for stream in (sys.stdout, sys.stderr):
        make_line_buffered(stream)
    if not log_path:
        return None
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    with suppress(FileNotFoundError):
        copy = subprocess.Popen(["tee", "-a", log_path], stdin=subprocess.PIPE)
        assert copy.stdin is not None
        flush_output()
        for descriptor in (1, 2):
            os.dup2(copy.stdin.fileno(), descriptor)
        copy.stdin.close()
        return copy
    return None


def _reporter(folder: JobFolder) -> ProgressCallback:
    last = 0.0

    def report(done: float, total: float | None, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_INTERVAL:
            last = now
            folder.report(float(done), None if total is None else float(total), str(note))

    return report


def _silent(done: float, total: float | None, note: str = "") -> None:
    del done, total, note


if __name__ == "__main__":
    code = main()
    # A strategy's threads may wait for workers that are gone.
    os._exit(code)
