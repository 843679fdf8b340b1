# SPDX-License-Identifier: Apache-2.0
"""What training reports: shown, recorded, and stopped where it diverges."""

from __future__ import annotations

import io
import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.components.train.fn_args import FnArgs
from penstock.components.train.training_progress import TrainingProgress
from penstock.orchestration.runners.local.plain_progress import PlainProgress
from penstock.utils.errors import UserCodeError


class Heard:
    """Takes in what is shown."""

    def __init__(self) -> None:
        self.said: list[tuple[float, float | None, str]] = []

    def __call__(self, done: float, total: float | None, note: str) -> None:
        self.said.append((done, total, note))


def progress(on_nan: Any = "fail", **more: Any) -> tuple[TrainingProgress, Heard]:
    """Something to report to, and what it shows."""
    heard = Heard()
    return TrainingProgress(heard, on_nan, "Trainer", "model.py:7", **more), heard


def test_steps_and_metrics_are_shown_and_recorded() -> None:
    """If it fails, a long training shows nothing, or its result is not in the store."""
    report, heard = progress()
    report(10, 40, loss=0.693147)
    report(20, 40, loss=0.5, accuracy=0.75)
    assert heard.said == [
        (10.0, 40.0, "step 10 · loss 0.6931"),
        (20.0, 40.0, "step 20 · loss 0.5, accuracy 0.75"),
    ]
    assert report.properties() == {"steps": 20, "metric.loss": 0.5, "metric.accuracy": 0.75}


def test_log_lines_tell_the_step_and_the_loss() -> None:
    """If it fails, the log of a continuous integration run says nothing for hours."""
    stream, now = io.StringIO(), [0.0]
    shown = PlainProgress(stream, "p", clock=lambda: now[0])
    shown.run_started("r", ["Trainer"])
    shown.node_started("Trainer", "it has not run before", 1)
    now[0] = 60.0
    report = TrainingProgress(
        lambda done, total, note: shown.node_progress("Trainer", done, total, note),
        "fail", "Trainer",
    )  # fmt: skip
    report(30, 40, loss=0.25)
    assert "75% of 40 (step 30 · loss 0.25)" in stream.getvalue()


def test_nan_ends_training_and_says_where() -> None:
    """If it fails, a diverged model is evaluated, and the cause has to be guessed."""
    report, _ = progress()
    report(1, 9, loss=0.7)
    with pytest.raises(UserCodeError, match="loss became NaN at step 2 of 9") as caught:
        report(2, 9, loss=math.nan)
    error = caught.value
    assert error.node == "Trainer" and error.location == "model.py:7"
    assert "it was 0.7 at step 1 of 9" in str(error.got)
    assert "learning rate" in str(error.fix) and "on_nan='warn'" in str(error.fix)
    assert report.error is error, "a run_fn that swallows it would succeed"
    with pytest.raises(UserCodeError, match="became infinite"):
        progress()[0](3, loss=math.inf)


def test_nan_may_be_let_pass(caplog: pytest.LogCaptureFixture) -> None:
    """If it fails, a metric that is NaN by nature cannot be reported."""
    report, _ = progress("warn")
    with caplog.at_level(logging.WARNING):
        report(1, loss=math.nan)
    assert "loss became NaN at step 1" in caplog.text and report.error is None
    assert report.properties() == {"steps": 1, "metric.loss": "nan"}
    caplog.clear()
    progress("ignore")[0](1, loss=math.nan)
    assert not caplog.text


def test_checkpoints_of_a_diverged_training_are_not_kept(tmp_path: Path) -> None:
    """If it fails, every later attempt begins with NaN."""
    (tmp_path / "kept").mkdir()
    report, _ = progress(checkpoint_dir=str(tmp_path / "kept"))
    with pytest.raises(UserCodeError):
        report(1, loss=math.nan)
    assert not (tmp_path / "kept").exists()


def test_what_run_fn_returns_counts_too() -> None:
    """If it fails, the metrics of a run_fn that only returns them are lost, or its NaN is."""
    report, _ = progress()
    report.take_result({"auc": 0.9, "name": "wide", "ok": True})
    report.take_result(SimpleNamespace(history={"loss": [0.7, 0.4], "val_loss": [0.8, 0.6]}))
    report.take_result(None)
    assert report.properties() == {
        "metric.auc": 0.9, "metric.loss": 0.4, "metric.val_loss": 0.6
    }  # fmt: skip
    with pytest.raises(UserCodeError, match="loss became NaN at the end of epoch 2"):
        report.take_result(SimpleNamespace(history={"loss": [0.7, math.nan]}))
    with pytest.raises(UserCodeError, match="as run_fn returned it"):
        report.take_result({"auc": math.nan})


def test_a_users_unit_test_needs_none_of_it() -> None:
    """If it fails, a run_fn that reports progress cannot be called in a plain test."""
    arguments = FnArgs()
    arguments.report_progress(1, 2, loss=0.5)
    assert arguments.keras_callbacks() == [] and arguments.is_chief
    strategy = arguments.distribution_strategy
    with strategy.scope():
        assert strategy.num_replicas_in_sync == strategy.world_size == 1
    assert strategy.wrap("model") == "model"
