# SPDX-License-Identifier: Apache-2.0
"""Trains a Keras 3 model on TensorFlow: saved as `.keras`, or exported as a SavedModel."""

from __future__ import annotations

import glob
from typing import Any

import keras
import numpy as np
import pyarrow.parquet as pq


def run_fn(fn_args: Any) -> None:
    """The entry point."""
    assert keras.backend.backend() == "tensorflow"
    files = sorted(name for pattern in fn_args.train_files for name in glob.glob(pattern))
    table = pq.ParquetDataset(files).read()
    inputs = {name: keras.Input((1,), name=name) for name in ("amount", "hours")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(joined))
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    features = {name: np.asarray(table[name], "float32")[:, None] for name in inputs}
    model.fit(features, np.asarray(table["label"]), epochs=8, verbose=0)
    if fn_args.custom_config["export"]:
        model.export(fn_args.serving_model_dir, verbose=False)
    else:
        model.save(f"{fn_args.serving_model_dir}/model.keras")
