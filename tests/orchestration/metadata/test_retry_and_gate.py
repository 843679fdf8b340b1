# SPDX-License-Identifier: Apache-2.0
"""Waiting for others: the retries and the gate before a SQLite file."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from penstock.orchestration.metadata.gate import FileGate
from penstock.orchestration.metadata.retry import RetryPolicy, retrying
from penstock.utils.errors import MetadataError


class Busy(Exception):
    """Stands for a locked database."""


def test_transient_errors_are_tried_again_with_bounded_growing_waits() -> None:
    """Fails if writers that collide give up at once or hammer the store."""
    left, waits = list(range(12)), []

    def call() -> str:
        if left:
            left.pop()
            raise Busy
        return "done"

    policy = RetryPolicy(deadline_s=60, first_delay_s=0.01, max_delay_s=0.5)
    result = retrying(call, lambda e: isinstance(e, Busy), policy, sleep=waits.append)
    assert result == "done"
    assert len(waits) == 12
    bounds = [min(0.01 * 2**i, 0.5) for i in range(12)]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_retries_end_at_the_deadline_with_the_last_error() -> None:
    """Fails if a store that stays locked blocks a run for ever."""
    now = [0.0]

    def call() -> None:
        raise Busy(f"at {now[0]}")

    def sleep(seconds: float) -> None:
        now[0] += seconds + 0.5

    with pytest.raises(Busy, match=r"at 1\d"):
        retrying(call, lambda e: True, RetryPolicy(10.0), sleep=sleep, clock=lambda: now[0])
    assert now[0] < 12


def test_other_errors_are_raised_at_once() -> None:
    """Fails if a mistake is repeated as if it were a collision."""
    calls = []

    def call() -> None:
        calls.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        retrying(call, lambda e: isinstance(e, Busy), RetryPolicy())
    assert len(calls) == 1


def test_gate_admits_many_readers_or_one_writer(tmp_path: Path) -> None:
    """Fails if two processes could write at once; each gate has its own lock, as theirs have."""
    path = str(tmp_path / "store.lock")
    gates = [FileGate(path) for _ in range(4)]
    inside, worst, readers = [0], [0], threading.Barrier(3, timeout=10)

    def write(gate: FileGate) -> None:
        for _ in range(50):
            with gate.admit(writing=True):
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                time.sleep(0.0001)
                inside[0] -= 1

    def read(gate: FileGate) -> None:
        with gate.admit(writing=False):
            readers.wait()  # passes only if all three are inside together

    for work, used in ((write, gates), (read, gates[:3])):
        threads = [threading.Thread(target=work, args=(gate,)) for gate in used]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert worst[0] == 1
    assert not readers.broken
    for gate in gates:
        gate.close()


def test_gate_gives_up_with_an_error_that_names_the_file(tmp_path: Path) -> None:
    """Fails if a stopped process that holds the store makes all others wait for ever."""
    path = str(tmp_path / "store.lock")
    holder = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    gate = FileGate(path, timeout_s=0.05)
    with (
        pytest.raises(MetadataError, match=r"has held the metadata store.*(?s:.*)fuser"),
        gate.admit(writing=True),
    ):
        pass
    os.close(holder)
    with gate.admit(writing=True):
        pass
    gate.close()
