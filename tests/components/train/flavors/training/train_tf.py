# SPDX-License-Identifier: Apache-2.0
"""Trains with tf-keras or with TensorFlow alone; the model takes serialized examples."""

from __future__ import annotations

import glob
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf

FEATURES = {name: tf.io.FixedLenFeature([], tf.float32) for name in ("amount", "hours")}


class Scorer(tf.Module):
    """Logistic regression."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.zeros([2, 1]))
        self.bias = tf.Variable(0.0)

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """The chance, row by row."""
        return tf.sigmoid(rows @ self.weights + self.bias)


def train_plain(rows: Any, label: Any) -> Any:
    """Gradient descent by hand."""
    model = Scorer()
    for _ in range(60):
        with tf.GradientTape() as tape:
            chance = model(rows)[:, 0]
            loss = -tf.reduce_mean(
                label * tf.math.log(chance + 1e-6) + (1 - label) * tf.math.log(1 - chance + 1e-6)
            )
        for variable, gradient in zip(
            model.trainable_variables,
            tape.gradient(loss, model.trainable_variables),
            strict=True,
        ):
            variable.assign_sub(0.5 * gradient)
    return model


def train_keras_2(rows: Any, label: Any) -> Any:
    """The legacy Keras."""
    import tf_keras

    model = tf_keras.Sequential([tf_keras.layers.Dense(1, activation="sigmoid")])
    model.compile(tf_keras.optimizers.legacy.Adam(0.1), "binary_crossentropy")
    model.fit(rows, label, epochs=8, verbose=0)
    return model


def run_fn(fn_args: Any) -> None:
    """The entry point."""
    files = sorted(name for pattern in fn_args.train_files for name in glob.glob(pattern))
    table = pq.ParquetDataset(files).read()
    rows = np.stack([np.asarray(table[name], "float32") for name in FEATURES], axis=1)
    label = np.asarray(table["label"], "float32")
    train = train_keras_2 if fn_args.custom_config["keras"] else train_plain
    served = tf.Module()
    served.model = train(rows, label)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        parsed = tf.io.parse_example(examples, FEATURES)
        return {"chance": served.model(tf.stack([parsed[name] for name in FEATURES], axis=1))}

    tf.saved_model.save(served, fn_args.serving_model_dir, signatures={"serving_default": serve})
