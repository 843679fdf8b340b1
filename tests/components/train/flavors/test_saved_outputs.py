# SPDX-License-Identifier: Apache-2.0
"""What the Trainer says of a model that nobody could use."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from penstock.components.train.finite_weights import unusable_weights
from penstock.components.train.keras_backend import KerasBackend
from penstock.components.train.saved_outputs import check_serving_model
from penstock.utils.errors import UserCodeError

pytestmark = pytest.mark.heavy


def run_fn(fn_args: Any) -> None:
    """A user's training function."""


@pytest.mark.parametrize(
    ("files", "texts"),
    [
        ({}, ["without saving a model", "saved_model.pb (tensorflow)", "model.skops (sklearn)"]),
        ({"model.pkl": b""}, ["model.pkl is a pickle", "skops.io.dump"]),
        ({"model.pt": b""}, ["model.pt is a pickle", "torch.export.save"]),
        ({"model.json": b"{}"}, ["XGBoost model cannot be read"]),
        ({"model.skops": b"x"}, ["skops file cannot be read"]),
        ({"model.keras": b"x"}, [".keras file cannot be read"]),
        ({"model.pt2": b"x"}, ["torch.export archive cannot be read"]),
        ({"saved_model.pb": b"no model"}, ["saved_model.pb is no SavedModel"]),
        ({"model.pt2": b"", "model.json": b""}, ["several models"]),
    ],
)
def test_unusable_models_are_told_at_the_trainer(
    files: dict[str, bytes], texts: list[str], tmp_path: Path
) -> None:
    """A broken model is found out by the Evaluator, or by users."""
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserCodeError) as caught:
        check_serving_model(str(tmp_path), run_fn, "Trainer")
    for text in texts:
        assert text in str(caught.value)
    assert str(caught.value).startswith("Trainer: run_fn ")
    assert "test_saved_outputs.py" in str(caught.value.location)


def save_keras(folder: Path, weight: float) -> None:
    """A model of one weight."""
    import keras

    only = keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((1,), name="x"), only])
    only.kernel.assign([[weight]])
    model.save(folder / "model.keras")


def save_torch(folder: Path, weight: float) -> None:
    """A model of one weight."""
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, weight)
    torch.export.save(torch.export.export(model, (torch.ones(2, 1),)), folder / "model.pt2")


@pytest.mark.parametrize(
    ("flavor", "save", "name"),
    [("keras", save_keras, "layers/dense/vars/0"), ("torch", save_torch, "weight")],
)
def test_weights_that_are_nan_are_found(flavor: str, save: Any, name: str, tmp_path: Path) -> None:
    """A model that learnt nothing but NaN is pushed, unless it is a SavedModel."""
    save(tmp_path, 0.5)
    assert unusable_weights(str(tmp_path), flavor) is None
    save(tmp_path, math.nan)
    assert unusable_weights(str(tmp_path), flavor) == name


def test_unknown_formats_are_kept(tmp_path: Path) -> None:
    """A team with a format and a server of its own cannot train."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    assert check_serving_model(str(tmp_path), run_fn, "Trainer") == "other"


def test_backend_chosen_in_time_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that trains on JAX trains on TensorFlow without a word."""
    import keras

    kept = {name: module for name, module in sys.modules.items() if name.startswith("keras")}
    try:
        assert keras.backend.backend() == "tensorflow"
        same = KerasBackend()
        import keras as again

        assert again is keras
        same.settle()
        choice = KerasBackend()
        monkeypatch.setitem(os.environ, "KERAS_BACKEND", "jax")
        import keras as other

        choice.settle()
        assert other.backend.backend() == "jax"
        choice.check("Trainer", None)
        monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
        with pytest.raises(UserCodeError, match="after Keras had been loaded") as caught:
            choice.check("Trainer", None)
        assert caught.value.expected == "Keras on torch"
    finally:
        for name in [each for each in sys.modules if each.startswith("keras")]:
            del sys.modules[name]
        sys.modules.update(kept)
