# SPDX-License-Identifier: Apache-2.0
"""One execution done by several workers together, as distributed training does.

All of them run the same executor over the same inputs. Each is told its rank and where the
others listen; rank 0 is the chief, whose answer is the execution's. What the others write
goes to scratch folders. They live and die together: the end of one ends all.
"""

from __future__ import annotations

import concurrent.futures as futures
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from ....utils.errors import Cancelled, PenstockError, WorkerDied
from .messages import WorkResult, WorkSpec

#: Runs one member, until the event is set.
RunMember = Callable[[WorkSpec, threading.Event], WorkResult]

#: How long, in seconds, an error waits for the death of another worker that may have caused it.
_CAUSE = 2.0


def loopback_addresses(count: int) -> list[str]:
    """Addresses on this machine where nobody listens now."""
    with ExitStack() as stack:
        # All are open at once, so that no two are the same.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def member_spec(spec: WorkSpec, rank: int, addresses: Sequence[str]) -> WorkSpec:
    """What the worker of one rank is told; makes its folders."""
    if rank == 0:
        return replace(spec, rank=0, addresses=tuple(addresses))
    folder = os.path.join(spec.work_dir, f"worker-{rank}")
    outputs = {
        name: [
            {**one, "uri": os.path.join(folder, "outputs", name, str(number))}
            for number, one in enumerate(found)
        ]
        for name, found in spec.outputs.items()
    }
    scratch = os.path.join(folder, "work")
    for path in [scratch, *(one["uri"] for found in outputs.values() for one in found)]:
        os.makedirs(path, exist_ok=True)
    return replace(
        spec,
        rank=rank,
        addresses=tuple(addresses),
        outputs=outputs,
        work_dir=scratch,
        log_path=member_log(spec.log_path, rank),
    )


def member_log(log_path: str | None, rank: int) -> str | None:
    """Where the log of one rank lies: beside the chief's."""
    if log_path is None or rank == 0:
        return log_path
    stem, ending = os.path.splitext(log_path)
    return f"{stem}.worker-{rank}{ending}"


class _Stop(threading.Event):
    """Set by itself, or when the run is told to stop."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        return super().is_set() or self._outer.is_set()


def run_group(specs: Sequence[WorkSpec], run: RunMember, cancel: threading.Event) -> WorkResult:
    """Runs all members at once, and waits for the chief.

    Args:
        specs: What each member is told, by rank.
        run: Runs one.
        cancel: Set to stop all.

    Returns:
        The chief's answer. The others, who may serve without end, are stopped then.

    Raises:
        WorkerDied: The process of one ended; this is what is raised of several errors.
        PenstockError: Whatever the first one to fail raised.
    """
    stop = _Stop(cancel)
    size = len(specs)
    with futures.ThreadPoolExecutor(size, thread_name_prefix="worker") as threads:
        ranks = {threads.submit(run, spec, stop): rank for rank, spec in enumerate(specs)}
        chief = next(iter(ranks))
        ended: list[futures.Future[WorkResult]] = []
        waiting = set(ranks)
        try:
            while not chief.done() and not any(each.exception() for each in ended):
                done, waiting = futures.wait(waiting, return_when=futures.FIRST_COMPLETED)
                ended += sorted(done, key=lambda each: ranks[each])
            # Some may have ended between the last look and now.
            ended += [each for each in ranks if each.done() and each not in ended]
            waiting = {each for each in ranks if each not in ended}
            failed = [each for each in ended if each.exception()]
            if (
                failed
                and not _succeeded(chief)
                and not any(isinstance(each.exception(), WorkerDied) for each in failed)
            ):
                done, _ = futures.wait(
                    waiting, timeout=0 if cancel.is_set() else _CAUSE,
                    return_when=futures.FIRST_EXCEPTION,
                )  # fmt: skip
                ended += sorted(done, key=lambda each: ranks[each])
        finally:
            stop.set()
    if _succeeded(chief):
        return chief.result()
    raise _root_cause([each for each in ended if each.exception()], ranks, size)


def _succeeded(future: futures.Future[WorkResult]) -> bool:
    return future.done() and future.exception() is None


def _root_cause(
    failed: Sequence[futures.Future[WorkResult]],
    ranks: dict[futures.Future[WorkResult], int],
    size: int,
) -> BaseException:
    """Of several errors, the one that the others come from."""
    cause = min(failed, key=lambda each: _weight(each.exception()))
    error = cause.exception()
    assert error is not None
    if isinstance(error, PenstockError) and not isinstance(error, Cancelled):
        # Where all fail alike, which one said it first tells nothing.
        alike = {str(getattr(each.exception(), "what", "")) for each in failed}
        if len(failed) < size or len(alike) > 1:
            error.what = f"worker {ranks[cause]} of {size}: {error.what}"
    if isinstance(error, WorkerDied):
        error.fix = f"{error.fix}; with retries, the next attempt goes on from its checkpoints"
    return error


def _weight(error: BaseException | None) -> int:
    if isinstance(error, WorkerDied):
        return 0
    return 2 if isinstance(error, Cancelled) else 1
