# SPDX-License-Identifier: Apache-2.0
"""Several workers at one execution: who counts, who is waited for, and who is blamed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.orchestration.launch.workers.in_process import InProcessWorker
from penstock.orchestration.launch.workers.messages import WorkSpec
from penstock.orchestration.launch.workers.pool import WorkerPool
from penstock.utils.errors import Cancelled, DataError, ExecutionError, WorkerDied

Make = Callable[..., WorkSpec]


@pytest.fixture
def group_spec(make_spec: Make, tmp_path: Path) -> Make:
    """Makes the spec of a group's execution."""

    def make(workers: int, **do: str) -> WorkSpec:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        ranks = {name.removeprefix("w"): what for name, what in do.items()}
        spec = make_spec("Writer", output=True, parameters={"do": ranks}, work_dir=str(work))
        return replace(spec, executor="support.group_executors:Group", workers=workers)

    return make


def test_only_the_chief_counts(pool: WorkerPool, group_spec: Make, tmp_path: Path) -> None:
    """If it fails, another worker's outputs are published, or workers cannot reach each other."""
    heard: list[str] = []
    spec = group_spec(3, w0="meet", w1="meet", w2="meet")
    result = pool.execute(spec, on_progress=lambda done, total, note: heard.append(note))
    assert result.properties["rank"] == 0 and result.properties["size"] == 3
    (out,) = result.outputs["out"]
    assert Path(out["uri"], "rank.txt").read_text() == "0"
    assert len(set(json.loads(str(result.properties["addresses"])))) == 3
    assert heard == ["rank 0"]
    logs = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert logs == ["node.log", "node.worker-1.log", "node.worker-2.log"]


def test_others_that_serve_are_not_waited_for(pool: WorkerPool, group_spec: Make) -> None:
    """If it fails, a parameter server keeps its node from ever ending."""
    began = time.monotonic()
    pool.execute(group_spec(2, w1="serve"))
    assert time.monotonic() - began < 30


@pytest.mark.kill
def test_a_death_is_blamed_and_not_what_follows_from_it(pool: WorkerPool, group_spec: Make) -> None:
    """If it fails, the error is the chief's lost connection, or the others run for ever."""
    with pytest.raises(WorkerDied, match="worker 1 of 3: its process was killed") as caught:
        pool.execute(group_spec(3, w0="miss", w1="die", w2="serve"))
    assert "checkpoints" in str(caught.value.fix)


def test_the_error_of_one_ends_all(pool: WorkerPool, group_spec: Make) -> None:
    """If it fails, an error in one worker goes unheard while the chief waits for it."""
    with pytest.raises(DataError) as caught:
        pool.execute(group_spec(2, w0="serve", w1="fail"))
    assert caught.value.what == "worker 1 of 2: the data are bad"
    with pytest.raises(DataError) as caught:
        pool.execute(group_spec(2, w0="fail", w1="fail"))
    assert caught.value.what == "the data are bad", "what all say needs no number"


def test_a_group_is_stopped_as_a_whole(pool: WorkerPool, group_spec: Make) -> None:
    """If it fails, Ctrl-C leaves workers at work."""
    cancel = threading.Event()
    threading.Timer(1.5, cancel.set).start()
    with pytest.raises(Cancelled):
        pool.execute(group_spec(2, w0="serve", w1="serve"), cancel=cancel)


def test_groups_do_not_wait_for_each_others_turn(group_spec: Make) -> None:
    """If it fails, a pool with one turn, as every engine's task has, never starts a group."""
    with WorkerPool(max_workers=1) as pool:
        assert pool.execute(group_spec(2, w0="meet", w1="meet")).properties["size"] == 2


def test_more_gpus_than_there_are(
    pool: WorkerPool, group_spec: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, training starts on the CPU, or fails somewhere inside a library."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(ExecutionError, match="asks for 2 GPUs, and there is only 1") as caught:
        pool.execute(replace(group_spec(2), gpus=1))
    assert "2 workers with 1 each" in str(caught.value.expected)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ExecutionError, match="asks for 1 GPU, and there is none"):
        pool.execute(replace(group_spec(1), gpus=1))


def test_every_worker_sees_its_own_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, two workers or two nodes compute on one GPU while another idles."""
    from penstock.orchestration.launch.workers.gpus import GpuAllotment

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-a,7")
    allotment = GpuAllotment()
    with allotment.gpus(1, 2, "one") as first, allotment.gpus(2, 1, "two") as second:
        assert (list(first), list(second)) == (["4", "5"], ["GPU-a,7"])
    with allotment.gpus(2, 1, "three") as third:
        assert list(third) == ["4,5"]


def test_a_group_does_not_fit_into_one_process(group_spec: Make) -> None:
    """If it fails, a debugger shows one worker that waits for others for ever."""
    with pytest.raises(ExecutionError, match="cannot run in this one process"):
        InProcessWorker().execute(group_spec(2))
