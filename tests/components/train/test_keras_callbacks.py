# SPDX-License-Identifier: Apache-2.0
"""The callbacks that a `run_fn` gets for Keras 3 and tf-keras."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from penstock.components.train.keras_callbacks import KerasCallbacks
from penstock.components.train.training_progress import TrainingProgress
from penstock.utils.errors import UserCodeError

pytestmark = pytest.mark.heavy

ROWS = np.random.default_rng(5).normal(size=(64, 3)).astype("float32")
LABELS = (ROWS.sum(1, keepdims=True) > 0).astype("float32")
#: 4 steps in each epoch.
BATCH = 16


class Killed(Exception):
    """Stands for the end of the process."""


def fit(
    keras: Any, folder: Path, *, rate: float = 0.1, stop: int | None = None, named: bool = False
) -> Any:
    """Trains 5 epochs, from what `folder` has; the progress and the history."""
    said: list[str] = []
    progress = TrainingProgress(lambda done, total, note: said.append(note), "fail", "Trainer")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(rate), "mse")

    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if stop == int(model.optimizer.iterations.numpy()):
                raise Killed

    callbacks = KerasCallbacks(progress, str(folder))(keras if named else None)
    history = model.fit(
        ROWS, LABELS, batch_size=BATCH, epochs=5, shuffle=False, verbose=0,
        callbacks=[*callbacks, Stop()],
    )  # fmt: skip
    return progress, history.history["loss"], said


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_fit_goes_on_after_its_last_epoch(name: str, tmp_path: Path) -> None:
    """If it fails, a retried fit repeats epochs, loses some, or forgets its optimizer."""
    importlib.import_module("tf_keras")  # as TensorFlow Transform does, whichever is used
    keras = importlib.import_module(name)
    whole, losses, said = fit(keras, tmp_path / "whole", named=True)
    assert whole.properties()["steps"] == 20
    assert said[-1].startswith("step 20 · loss 0.")
    with pytest.raises(Killed):
        fit(keras, tmp_path / "killed", stop=10)
    again, rest, _ = fit(keras, tmp_path / "killed")
    assert again.properties()["steps"] == 20
    assert rest == pytest.approx(losses[2:], abs=1e-6)


def test_nan_ends_fit(tmp_path: Path) -> None:
    """If it fails, fit goes on for hours with a loss of NaN."""
    import keras

    # The error in whatever form Keras lets it through; the executor asks the progress.
    with pytest.raises(UserCodeError, match="training diverged: loss became"):
        fit(keras, tmp_path, rate=float("nan"))
