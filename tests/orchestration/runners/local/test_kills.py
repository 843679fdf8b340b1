# SPDX-License-Identifier: Apache-2.0
"""`kill -9` at any moment: nothing live is incomplete, and the run can be finished."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.interruptible import FILES, REST, write_data
from support.processes import Family
from support.soundness import digests, incomplete_artifacts, remains

from penstock import MetadataStore

#: How many moments, spread over a run, each test kills at.
POINTS = 25
#: How many runs go on at the same time: they mostly wait.
AT_ONCE = 3

pytestmark = [pytest.mark.kill, pytest.mark.slow, pytest.mark.timeout(600)]


def run(root: Path, run_id: str, *options: str) -> Family:
    """Starts a run of the pipeline that takes its time."""
    return Family(["-m", "support.interruptible", str(root), run_id, *options], root.parent)


def new_root(folder: Path) -> Path:
    """A folder with the pipeline's data, and the root beside them."""
    folder.mkdir()
    write_data(folder / "root")
    return folder / "root"


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to.

    Attributes:
        writes: How many writes to the store it made.
        digests: Content digests of its outputs.
    """

    writes: int
    digests: dict[str, str]


def run_undisturbed(root: Path, *options: str) -> Undisturbed:
    """Runs the pipeline to its end."""
    family = run(root, "r", *options)
    assert family.wait() == 0, family.err
    return Undisturbed(len(re.findall("after:", family.out)), digests(root, "r"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """How a run goes, and what it makes, when nothing is killed."""
    roots = [new_root(tmp_path_factory.mktemp("whole") / "run") for _ in range(2)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        first, second = threads.map(run_undisturbed, roots)
    assert first == second, "the pipeline is of no use here: its outputs differ by themselves"
    return first


def at_each(moments: list[int], check: Callable[[int, int], bool]) -> int:
    """Does a check at each moment, several at once; how many of them did kill something."""

    def attempt(point: int) -> bool | str:
        try:
            return check(point, moments[point])
        except Exception as error:
            return f"after write {moments[point]}: {error!r}"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(attempt, range(len(moments))))
    faults = [answer for answer in answers if isinstance(answer, str)]
    assert not faults, "\n".join(faults)
    return sum(bool(answer) for answer in answers)


def spread(points: int, whole: Undisturbed) -> list[int]:
    """Numbers of writes to the store, spread over a run from its first to its last."""
    return [1 + point * (whole.writes - 1) // (points - 1) for point in range(points)]


def wait_until(family: Family, point: int, write: int) -> None:
    """Waits for a write to the store, and then into what a node does next."""
    family.wait_for(f"after:{write}\n")
    time.sleep(FILES * REST * (point % 4) / 4)


def recorded_runs(root: Path) -> list[str]:
    """Ids of the runs that a root's store knows."""
    if not (root / "metadata.sqlite").exists():
        return []
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        return [found.id for found in store.list_runs()]


def check_and_finish(
    root: Path, whole: Undisturbed, *options: str, resume: bool, run_id: str = "r"
) -> None:
    """Checks what a killed run left, then finishes it, or runs the pipeline afresh."""
    assert incomplete_artifacts(root) == []
    if resume and run_id in recorded_runs(root):
        last = run(root, run_id, "--resume", *options)
    else:
        run_id = "afresh"
        last = run(root, run_id, *options)
    assert last.wait() == 0, last.err
    assert "Traceback" not in last.err
    assert incomplete_artifacts(root) == []
    assert remains(root) == []
    assert digests(root, run_id) == whole.digests
    last.assert_gone()


def test_run_killed_at_any_time_is_finished_later(tmp_path: Path, undisturbed: Undisturbed) -> None:
    """If it fails, an eviction or a crash costs results, or leaves false ones."""

    def check(point: int, write: int) -> bool:
        root = new_root(tmp_path / str(point))
        family = run(root, "r")
        wait_until(family, point, write)
        os.kill(family.process.pid, signal.SIGKILL)
        killed = family.wait() == -signal.SIGKILL
        family.assert_gone()
        check_and_finish(root, undisturbed, resume=bool(point % 2))
        return killed

    assert at_each(spread(POINTS, undisturbed), check) >= POINTS - 3


def test_run_killed_between_two_transactions_is_finished_later(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    """If it fails, one record without the next makes a run that cannot be resumed."""

    def check(point: int, write: int) -> bool:
        root = new_root(tmp_path / str(point))
        family = run(root, "r", "--die-at", f"after:{write}")
        assert family.wait() == -signal.SIGKILL, family.err
        family.assert_gone()
        check_and_finish(root, undisturbed, resume=not point % 2)
        return True

    # The first ones begin the run, the last ones end it: what lies between comes often.
    moments = [*range(1, 8), *range(undisturbed.writes - 3, undisturbed.writes + 1)]
    at_each(moments, check)


def test_killed_recovery_is_taken_up_by_the_next(tmp_path: Path, undisturbed: Undisturbed) -> None:
    """If it fails, a machine that goes down twice leaves files that nobody deletes."""

    def check(point: int, write: int) -> bool:
        root = new_root(tmp_path / str(point))
        # Two nodes are at work then.
        assert run(root, "r", "--die-at", "after:12").wait() == -signal.SIGKILL
        again = run(root, "r", "--resume", "--die-at", f"after:{write}")
        assert again.wait() == -signal.SIGKILL, again.err
        check_and_finish(root, undisturbed, resume=bool(point % 2))
        return True

    at_each([1, 3], check)


def test_killed_worker_fails_its_node_alone(tmp_path: Path, undisturbed: Undisturbed) -> None:
    """If it fails, a node that was out of memory takes the run or its results with it."""

    def check(point: int, write: int) -> bool:
        root = new_root(tmp_path / str(point))
        family = run(root, "r")
        wait_until(family, point, write)
        found: list[int] = []
        while not found and family.process.poll() is None:
            found = family.members("spawn_main")
        for worker in found[: None if point % 2 else 1]:
            os.kill(worker, signal.SIGKILL)
        code = family.wait()
        # A worker that has nothing to do is not missed.
        assert code in (0, 1), family.err
        if code == 1:
            assert "its process was killed by SIGKILL" in family.err
        family.assert_gone()
        assert remains(root) == []
        check_and_finish(root, undisturbed, resume=True)
        return code == 1

    assert at_each(spread(POINTS, undisturbed), check) >= POINTS // 3


@pytest.mark.heavy
def test_run_with_heavy_nodes_killed_again_and_again_is_finished_later(tmp_path: Path) -> None:
    """If it fails, the fork server or its workers outlive a run, or harm the next."""
    whole = run_undisturbed(new_root(tmp_path / "whole"), "--heavy")
    root = new_root(tmp_path / "killed")
    words = {
        # While the fork server imports; then while it serves; then what it has forked.
        "StatisticsGen waits": ("r",),
        "StatisticsGen works": ("r", "--resume"),
        "StatisticsGen dies": ("r", "--resume"),
    }
    for what, (run_id, *options) in words.items():
        family = run(root, run_id, *options, "--heavy")
        while len(family.members("forkserver")) < 1 + (what != "StatisticsGen waits"):
            assert family.process.poll() is None, family.err
            time.sleep(0.02)
        target = family.process.pid
        if what == "StatisticsGen dies":
            target = family.members("forkserver")[-1]
        os.kill(target, signal.SIGKILL)
        assert family.wait() == (1 if what == "StatisticsGen dies" else -signal.SIGKILL)
        family.assert_gone()
        assert incomplete_artifacts(root) == []
    assert "StatisticsGen: its process was killed by SIGKILL" in family.err
    check_and_finish(root, whole, "--heavy", resume=True)
