# SPDX-License-Identifier: Apache-2.0
"""Folders for checkpoints: who finds them, and when they go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.orchestration.launch.checkpoints import CheckpointFolder, forgotten_checkpoints
from penstock.orchestration.launch.run import Run

KEY = "a" * 64


def kept(run: Run, execution_id: int = 1, **more: bool) -> CheckpointFolder:
    """The checkpoints of an attempt."""
    return CheckpointFolder(run, "Trainer", KEY, execution_id, **more)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run below the test's folder."""
    return Run("r1", "p", str(tmp_path))


def test_next_attempt_finds_what_was_left(run: Run) -> None:
    """If it fails, killed training begins from nothing."""
    with kept(run) as first:
        Path(first.path, "step-3").touch()
    other_run = Run("r2", "p", run.root)
    with kept(other_run, 2) as second:
        assert os.listdir(second.path) == ["step-3"]
        second.clear()
    assert not list(Path(run.root).glob(".checkpoints/*/*"))
    with kept(run, 3) as third:
        assert os.listdir(third.path) == []
    assert not list(Path(run.root).glob(".checkpoints/*/*")), "an empty folder was kept"


def test_other_work_has_other_checkpoints(run: Run) -> None:
    """If it fails, training with other data or code goes on from the wrong weights."""
    with kept(run) as one, CheckpointFolder(run, "Trainer", "b" * 64, 1) as two:
        assert one.path != two.path
    with kept(run, shared=False) as mine, kept(Run("r2", "p", run.root), shared=False) as other:
        assert mine.path != other.path, "a run without a cache goes on from another's"


def test_two_at_once_do_not_share(run: Run) -> None:
    """If it fails, two runs write over each other's checkpoints."""
    with kept(run) as first:
        with kept(Run("r2", "p", run.root), 2) as second:
            assert second.path != first.path
            Path(second.path, "step-1").touch()
        assert not os.path.exists(second.path)
        assert os.path.isdir(first.path)


@pytest.mark.kill
def test_a_killed_process_lets_go(run: Run) -> None:
    """If it fails, nobody can go on from the checkpoints of a killed run."""
    code = (
        "import os, signal\n"
        "from penstock.orchestration.launch.checkpoints import CheckpointFolder\n"
        "from penstock.orchestration.launch.run import Run\n"
        f"found = CheckpointFolder(Run('r0', 'p', {run.root!r}), 'Trainer', {KEY!r}, 9)\n"
        "open(os.path.join(found.path, 'step-5'), 'w').close()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with kept(run) as found:
        assert os.listdir(found.path) == ["step-5"]


def test_forgotten_ones_are_garbage(run: Run) -> None:
    """If it fails, checkpoints nobody comes back for fill the disk, or fresh ones are deleted."""
    with kept(run) as found:
        path = Path(found.path, "step-3")
        path.touch()
        old = time.time() - 30 * 24 * 3600
        for each in (path, path.parent):
            os.utime(each, (old, old))
        assert list(forgotten_checkpoints(run)) == [], "they are in use"
    assert list(forgotten_checkpoints(run)) == [found.path]
    path.touch()
    assert list(forgotten_checkpoints(run)) == []
