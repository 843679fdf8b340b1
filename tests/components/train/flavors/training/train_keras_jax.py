# SPDX-License-Identifier: Apache-2.0
"""Trains a Keras model on JAX and saves it in Keras' own format."""

from __future__ import annotations

import glob
import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
import pyarrow.parquet as pq


def run_fn(fn_args: Any) -> None:
    """The entry point."""
    assert keras.backend.backend() == "jax"
    keras.utils.set_random_seed(0)
    files = sorted(name for pattern in fn_args.train_files for name in glob.glob(pattern))
    table = pq.ParquetDataset(files).read()
    inputs = {name: keras.Input((1,), name=name) for name in ("amount", "hours")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(joined))
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    features = {name: np.asarray(table[name], "float32")[:, None] for name in inputs}
    model.fit(features, np.asarray(table["label"]), epochs=8, verbose=0)
    assert isinstance(model.weights[0].value, jax.Array)
    model.save(f"{fn_args.serving_model_dir}/model.keras")
