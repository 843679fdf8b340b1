# SPDX-License-Identifier: Apache-2.0
"""A new span of data refines the last blessed model; a diverged one is nobody's base."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import shared_training

from penstock import (
    Channel,
    CsvExampleGen,
    Input,
    LatestBlessedModelStrategy,
    Output,
    Pipeline,
    Resolver,
    Trainer,
    component,
)
from penstock.components.base.artifact_types import Model, ModelBlessing
from penstock.orchestration.launch.outcome import NodeOutcome, NodeState
from penstock.orchestration.runners.local.local_runner import LocalRunner

pytest.importorskip("tensorflow")

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


@component
def bless(model: Input[Model], blessing: Output[ModelBlessing]) -> None:
    """Finds every model good."""
    blessing.custom_properties["blessed"] = 1
    blessing.custom_properties["current_model"] = model.uri
    blessing.custom_properties["current_model_id"] = model.id


def write_span(folder: Path, span: int) -> None:
    """150 rows whose label follows the sum of their features."""
    numbers = random.Random(span)
    place = folder / f"span-{span}"
    place.mkdir(parents=True)
    with open(place / "rows.csv", "w", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["a", "b", "c", "d", "y"])
        for _ in range(150):
            values = [numbers.gauss(0, 1) for _ in range(4)]
            table.writerow([*values, int(sum(values) > 0)])


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., NodeOutcome]:
    """Trains on the newest span, from the last blessed model."""

    def run(run_fn: Any = shared_training.run_warm, **parameters: Any) -> NodeOutcome:
        config = {"splits": [{"name": "all", "pattern": "span-{SPAN}/*"}]}
        examples = CsvExampleGen(input_base=str(tmp_path / "data"), input_config=config)
        last = Resolver(
            strategy=LatestBlessedModelStrategy,
            model=Channel(Model),
            model_blessing=Channel(ModelBlessing),
        )
        trainer = Trainer(
            examples=examples.outputs["examples"],
            base_model=last.outputs["model"],
            run_fn=run_fn,
            train_args={"num_steps": 20},
            **{"custom_config": {"rate": 1.0}, **parameters},
        )
        nodes = [examples, last, trainer, bless(model=trainer.outputs["model"])]
        return (
            LocalRunner().run(Pipeline("warm", str(tmp_path / "root"), nodes)).outcomes["Trainer"]
        )

    return run


def test_new_span_goes_on_from_the_last_blessed_model(
    train: Callable[..., NodeOutcome], tmp_path: Path
) -> None:
    """If it fails, every span is trained from nothing, or from a model nobody blessed."""
    write_span(tmp_path / "data", 1)
    first = train()
    assert first.state is NodeState.COMPLETE, first.error
    write_span(tmp_path / "data", 2)
    second = train()
    assert second.state is NodeState.COMPLETE, second.error
    assert (first.properties["metric.warm"], second.properties["metric.warm"]) == (0.0, 1.0)
    assert float(second.properties["metric.first_loss"]) < 0.4 < 0.69
    assert float(first.properties["metric.first_loss"]) == pytest.approx(0.6931, abs=1e-3)


def test_diverged_training_is_one_error_at_the_node(
    train: Callable[..., NodeOutcome], tmp_path: Path
) -> None:
    """If it fails, a model that predicts NaN is evaluated and pushed."""
    write_span(tmp_path / "data", 1)
    reported = train(custom_config={"rate": 1e40})
    assert reported.state is NodeState.FAILED and reported.error is not None
    assert "training diverged: loss became" in reported.error.what
    assert " of 20" in reported.error.what and "learning rate" in str(reported.error.fix)
    assert "shared_training.py" in str(reported.error.location)
    unseen = train(shared_training.run_unseen)
    assert unseen.error is not None and unseen.error.what.endswith("saved model holds NaN")
    assert "weights" in str(unseen.error.got)
    warned = train(shared_training.run_unseen, on_nan="warn")
    assert warned.state is NodeState.COMPLETE, warned.error
    assert "saved model holds NaN" in Path(warned.log_path).read_text()
