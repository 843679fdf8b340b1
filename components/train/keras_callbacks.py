# SPDX-License-Identifier: Apache-2.0
"""Keras callbacks that show progress and keep checkpoints, for Keras 3 and tf-keras."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from .training_progress import TrainingProgress

#: The least time between two looks at a batch's metrics, in seconds: reading them waits for
#: the device.
_INTERVAL = 0.2
_WEIGHTS = "model.weights.h5"
_STATE = "state.json"


class KerasCallbacks:
    """What a `run_fn` gets as `keras_callbacks`.

    Args:
        progress: Who is told how far training is.
        checkpoint_dir: Where checkpoints go; empty for none.
    """

    def __init__(self, progress: TrainingProgress, checkpoint_dir: str) -> None:
        self._progress = progress
        self._checkpoint_dir = checkpoint_dir
        self._fits = 0

    def __call__(self, keras: Any = None, *, checkpoints: bool = True) -> list[Any]:
        """Callbacks for one `fit`: progress, and a checkpoint after each epoch.

        A `fit` that finds a checkpoint of a killed attempt goes on from there. Call it
        anew for every `fit`, in the same order each time.

        Args:
            keras: The Keras in use; by default that of the model.
            checkpoints: Whether to keep checkpoints.
        """
        made: list[Callable[[Any], Any]] = [lambda used: _progress_callback(used, self._progress)]
        if checkpoints and self._checkpoint_dir:
            self._fits += 1
            folder = os.path.join(self._checkpoint_dir, f"fit-{self._fits}")
            made.append(lambda used: _checkpoint_callback(used, folder))
        return [make(keras) if keras else _OfItsModelsKeras(make) for make in made]


class _OfItsModelsKeras:
    """A callback whose kind follows from its model: a module may have loaded both Keras.

    Args:
        make: Makes the callback, given the Keras.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self._made: Any = None
        self._params: Any = None

    def set_params(self, params: Any) -> None:
        """Called by `fit`."""
        self._params = params
        if self._made is not None:
            self._made.set_params(params)

    def set_model(self, model: Any) -> None:
        """Called by `fit`, before it begins."""
        if self._made is None:
            roots = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
            self._made = self._make(sys.modules["tf_keras" if "tf_keras" in roots else "keras"])
            self._made.set_params(self._params)
        self._made.set_model(model)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(("on_", "_implements_")):
            raise AttributeError(name)
        # Keras looks at the methods before it says which model it is.
        return lambda *args, **kwargs: getattr(self._made, name)(*args, **kwargs)


def _progress_callback(keras: Any, progress: TrainingProgress) -> Any:
    class Progress(keras.callbacks.Callback):  # type: ignore[misc]
        """Reports steps and metrics."""

        def on_train_begin(self, logs: Any = None) -> None:
            self._looked = 0.0
            self._base = 0
            self._batches = 0
            self._begun = False

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if not self._begun:
                # Only now: a checkpoint may have been restored at the beginning.
                self._begun = True
                self._base = self._iterations()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._batches += 1
            now = time.monotonic()
            if now - self._looked >= _INTERVAL:
                self._looked = now
                progress(self._base + self._batches, self._total(), **_numbers(logs))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            progress(self._iterations(), self._total(), **_numbers(logs))

        def _iterations(self) -> int:
            optimizer = getattr(self.model, "optimizer", None)
            if optimizer is None:
                return self._base + self._batches
            return int(_plain(optimizer.iterations))

        def _total(self) -> int | None:
            epochs, steps = self.params.get("epochs"), self.params.get("steps")
            return epochs * steps if epochs and steps else None

    return Progress()


def _checkpoint_callback(keras: Any, folder: str) -> Any:
    if keras.callbacks.Callback.__module__.startswith("tf_keras"):
        return keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)

    class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
        """Keeps the whole state after each epoch, so that a kill at any time costs one epoch.

        (Keras's `BackupAndRestore` writes over the state that it would restore.)
        """

        def on_train_begin(self, logs: Any = None) -> None:
            found = _latest(folder)
            if found is None:
                return
            if not self.model.built:
                raise ValueError(
                    "a model has to be built before fit() to go on from a checkpoint: give it "
                    "an Input layer, or call it on a batch first"
                )
            if self.model.optimizer is not None and not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self.model.load_weights(os.path.join(found, _WEIGHTS))
            with open(os.path.join(found, _STATE), encoding="utf-8") as file:
                self.model._initial_epoch = json.load(file)["epoch"]

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            new = os.path.join(folder, f"new-{os.getpid()}")
            shutil.rmtree(new, ignore_errors=True)
            os.makedirs(new)
            self.model.save_weights(os.path.join(new, _WEIGHTS))
            with open(os.path.join(new, _STATE), "w", encoding="utf-8") as file:
                json.dump({"epoch": epoch + 1}, file)
            before = _latest(folder)
            os.rename(new, os.path.join(folder, f"epoch-{epoch + 1:08d}"))
            if before is not None:
                shutil.rmtree(before, ignore_errors=True)

    return Checkpoint()


def _latest(folder: str) -> str | None:
    if not os.path.isdir(folder):
        return None
    names = [name for name in os.listdir(folder) if name.startswith("epoch-")]
    return os.path.join(folder, max(names)) if names else None


def _numbers(logs: Any) -> dict[str, float]:
    found = {}
    for name, value in (logs or {}).items():
        plain = _plain(value)
        if getattr(plain, "size", 1) == 1:
            found[str(name)] = float(plain)
    return found


def _plain(value: Any) -> Any:
    return value.numpy() if hasattr(value, "numpy") else value
