# SPDX-License-Identifier: Apache-2.0
"""Training on several devices and in several processes, through the local runner."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import shared_training

from penstock import CsvExampleGen, Pipeline, Resources, Trainer
from penstock.components.train.distributed.distribution import Distribution
from penstock.components.train.fn_args import FnArgs
from penstock.orchestration.launch.outcome import NodeOutcome, NodeState
from penstock.orchestration.runners.local.local_runner import LocalRunner

pytest.importorskip("tensorflow")

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

STEPS = 12
#: By name: whoever imports it has chosen the backend of Keras for the whole process.
JAX = "support.jax_training:run_fn"
#: Two devices add up in another order than one.
CLOSE = 1e-4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with 240 rows whose label follows the sum of their features."""
    folder = tmp_path_factory.mktemp("data")
    numbers = random.Random(1)
    with open(folder / "rows.csv", "w", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["a", "b", "c", "d", "y"])
        for _ in range(240):
            values = [numbers.gauss(0, 1) for _ in range(4)]
            table.writerow([*values, int(sum(values) + numbers.gauss(0, 1) > 0)])
    return str(folder)


@dataclass(frozen=True)
class Trained:
    """What became of one training."""

    outcome: NodeOutcome
    curve: list[float]
    run_id: str
    root: Path
    examples: Path


class Training:
    """Trains by functions of `shared_training`, each time with one setting.

    Args:
        data: Folder of the data.
        folder: Where everything goes.
    """

    def __init__(self, data: str, folder: Path) -> None:
        self.data = data
        self.folder = folder
        self.died = folder / "died"

    def __call__(
        self,
        run_fn: Callable[[Any], Any] | str,
        distribution: Any = None,
        workers: int = 1,
        *,
        die: dict[str, int] | None = None,
        retries: int = 0,
        resume: str | None = None,
        gpu: int = 0,
        **parameters: Any,
    ) -> Trained:
        """Runs a pipeline of ingest and Trainer."""
        curve = self.folder / "curve.json"
        stumble = {**die, "marker": str(self.died)} if die else None
        examples = CsvExampleGen(input_base=self.data)
        trainer = Trainer(
            examples=examples.outputs["examples"],
            run_fn=run_fn,
            distribution=distribution,
            train_args={"num_steps": STEPS},
            custom_config={"curve": str(curve), "die": stumble},
            **parameters,
        ).with_policy(
            resources=Resources(workers=workers, gpu=gpu), retries=retries, retry_delay_s=0.1
        )
        pipeline = Pipeline("shared", str(self.folder / "root"), [examples, trainer])
        result = LocalRunner().run(pipeline, resume=resume)
        losses = json.loads(curve.read_text()) if curve.exists() else []
        root = self.folder / "root"
        (found,) = result.outcomes["CsvExampleGen"].outputs["examples"]
        return Trained(result.outcomes["Trainer"], losses, result.run.id, root, Path(found.uri))


@pytest.fixture
def train(data: str, tmp_path: Path) -> Training:
    """Trains in the test's own folder."""
    return Training(data, tmp_path)


Alone = Callable[[Callable[[Any], Any], Path], list[float]]


@pytest.fixture(scope="module")
def alone(data: str, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """The loss curve of a function on one device, called as a user's unit test would."""
    known: dict[Any, list[float]] = {}

    def curve(run_fn: Callable[[Any], Any], examples: Path) -> list[float]:
        if run_fn not in known:
            folder = tmp_path_factory.mktemp("alone")
            for name in ("model", "checkpoints", "work"):
                (folder / name).mkdir()
            run_fn(
                FnArgs(
                    train_files=[f"{examples}/Split-train/*"],
                    train_steps=STEPS,
                    serving_model_dir=str(folder / "model"),
                    checkpoint_dir=str(folder / "checkpoints"),
                    working_dir=str(folder / "work"),
                    custom_config={"curve": str(folder / "curve.json")},
                )
            )
            known[run_fn] = json.loads((folder / "curve.json").read_text())
        return known[run_fn]

    return curve


def check(trained: Trained, steps: int = STEPS) -> dict[str, Any]:
    """That it succeeded, with so many steps, and left nothing behind; its properties."""
    assert trained.outcome.state is NodeState.COMPLETE, trained.outcome.error
    properties = dict(trained.outcome.properties)
    assert properties["steps"] == steps
    assert list(trained.root.glob("Trainer/model/*/Format-Serving/*"))
    assert len(list(trained.root.glob("Trainer/model/*"))) == 1, "outputs of a failed attempt"
    assert not list(trained.root.glob(".checkpoints/*/*")), "checkpoints outlived publishing"
    assert not list(trained.root.glob(".work/*"))
    return properties


@pytest.mark.parametrize("function", [shared_training.run_plain, shared_training.run_keras])
def test_two_devices_train_as_one(
    function: Callable[[Any], Any], train: Training, alone: Alone
) -> None:
    """If it fails, MirroredStrategy trains another model than one device does."""
    distribution = Distribution(strategy="mirrored", logical_devices=2)
    trained = train(function, distribution)
    check(trained, STEPS if function == shared_training.run_plain else 44)
    assert trained.curve == pytest.approx(alone(function, trained.examples), abs=CLOSE)


def test_two_processes_train_as_one(train: Training, alone: Alone) -> None:
    """If it fails, workers do not find each other, or train another model than one does."""
    trained = train(shared_training.run_plain, "multi_worker_mirrored", 2)
    check(trained)
    assert trained.curve == pytest.approx(
        alone(shared_training.run_plain, trained.examples), abs=CLOSE
    )
    log = Path(trained.outcome.log_path)
    assert log.with_suffix(".worker-1.log").exists()


def test_parameter_servers_train_to_the_end(train: Training) -> None:
    """If it fails, a parameter server does not serve, or is waited for without end."""
    trained = train(shared_training.run_servers, "parameter_server", 3)
    properties = check(trained)
    assert properties["metric.where"] == 1.0, "the variables are not on a parameter server"
    assert properties["metric.loss"] < 0.6


def test_two_jax_devices_train_as_one(train: Training, alone: Alone) -> None:
    """If it fails, Keras on JAX is not distributed, or trains another model than one device."""
    pytest.importorskip("jax")
    one = train(JAX)
    assert one.outcome.state is NodeState.COMPLETE, one.outcome.error
    two = train(JAX, Distribution(strategy="data_parallel", logical_devices=2), seed=1)
    assert two.outcome.state is NodeState.COMPLETE, two.outcome.error
    assert two.outcome.properties["metric.devices"] == 2.0
    assert two.curve == pytest.approx(one.curve, abs=CLOSE)


def test_more_gpus_than_there_are(train: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, training begins on the CPU, or ends somewhere inside a library."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    outcome = train(shared_training.run_plain, "mirrored", gpu=2).outcome
    assert outcome.state is NodeState.FAILED and outcome.error is not None
    assert outcome.error.what == "the node asks for 2 GPUs, and there is only 1"
    assert outcome.error.node == "Trainer" and not Path(outcome.log_path).exists()


@pytest.mark.kill
@pytest.mark.parametrize(
    ("function", "strategy", "workers", "rank"),
    [
        (shared_training.run_plain, "multi_worker_mirrored", 2, 0),
        (shared_training.run_torch, "ddp", 2, 1),
    ],
)
def test_killed_training_goes_on(
    function: Callable[[Any], Any],
    strategy: str | None,
    workers: int,
    rank: int,
    train: Training,
    alone: Alone,
) -> None:
    """If it fails, a killed worker costs the training, or it ends with other steps."""
    step = random.SystemRandom().randrange(2, STEPS - 1)
    trained = train(function, strategy, workers, die={"step": step, "rank": rank}, retries=1)
    properties = check(trained)
    assert trained.outcome.attempts == 2, f"it did not die at step {step}"
    assert step - 1 <= properties["metric.began_at"] <= step
    # What the second attempt did is what one device would have done from there.
    rest = alone(function, trained.examples)[int(properties["metric.began_at"]) :]
    assert trained.curve == pytest.approx(rest, abs=CLOSE), f"killed at step {step}"


@pytest.mark.kill
def test_death_without_retries_ends_the_attempt_and_resuming_goes_on(
    train: Training, alone: Alone
) -> None:
    """If it fails, the others wait for a dead worker, or a resumed run begins anew."""
    died = train(shared_training.run_plain, "multi_worker_mirrored", 2, die={"step": 5, "rank": 1})
    error = died.outcome.error
    assert error is not None and died.outcome.state is NodeState.FAILED
    assert error.what == "worker 1 of 2: its process was killed by SIGKILL"
    assert "checkpoints" in str(error.fix)
    resumed = train(
        shared_training.run_plain,
        "multi_worker_mirrored",
        2,
        die={"step": 5, "rank": 1},
        resume=died.run_id,
    )
    assert check(resumed)["metric.began_at"] >= 4
    assert resumed.curve[-1] == pytest.approx(
        alone(shared_training.run_plain, resumed.examples)[-1], abs=CLOSE
    )


@pytest.mark.kill
def test_killed_fit_goes_on_from_its_last_epoch(train: Training) -> None:
    """If it fails, Keras users lose a killed training, or get more steps than they asked for."""
    step = random.SystemRandom().randrange(12, 44)
    trained = train(shared_training.run_keras, die={"step": step, "rank": 0}, retries=1)
    check(trained, 44)
    assert trained.outcome.attempts == 2
    assert len(trained.curve) == 4 - (step - 1) // 11, f"killed at step {step}"
