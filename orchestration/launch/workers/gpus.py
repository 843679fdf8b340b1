# SPDX-License-Identifier: Apache-2.0
"""The GPUs of this machine: which there are, and which worker has which."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ....utils.errors import ExecutionError

#: Tells CUDA's libraries which GPUs a process may see.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """The GPUs that processes started from here may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [part.strip() for part in named.split(",") if part.strip() not in ("", "-1")]
    try:
        return [str(number) for number in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    except OSError:
        return []


class GpuAllotment:
    """Gives every worker that asks for GPUs some that no other has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    @contextmanager
    def gpus(self, each: int, workers: int, node_id: str) -> Iterator[Sequence[str]]:
        """`CUDA_VISIBLE_DEVICES` for every worker, within the block; empty where none asks.

        Raises:
            ExecutionError: There are not so many.
        """
        if not each:
            yield [""] * workers
            return
        there = visible_gpus()
        wanted = each * workers
        if wanted > len(there):
            raise ExecutionError(
                f"the node asks for {_count(wanted)}, and there {_are(len(there))}",
                node=node_id,
                expected=f"at most {_count(len(there))}"
                + (f", for {workers} workers with {each} each" if workers > 1 else ""),
                got=f"{VISIBLE}={os.environ[VISIBLE]}" if VISIBLE in os.environ else None,
                fix="lower .with_policy(resources=Resources(gpu=…)), or use a machine with more",
            )
        with self._lock:
            # Whoever schedules nodes sees to it that enough are free; else they are shared.
            free = [name for name in there if name not in self._taken]
            chosen = (free + [name for name in there if name not in free])[:wanted]
            mine = set(chosen) - self._taken
            self._taken |= mine
        try:
            yield [",".join(chosen[rank * each : (rank + 1) * each]) for rank in range(workers)]
        finally:
            with self._lock:
                self._taken -= mine


def _count(number: int) -> str:
    return f"{number} GPU{'s' * (number != 1)}"


def _are(number: int) -> str:
    return "is none" if not number else f"{'is' if number == 1 else 'are'} only {number}"
