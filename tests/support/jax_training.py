# SPDX-License-Identifier: Apache-2.0
"""Training by Keras on JAX, for the tests of distribution."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"


def run_fn(fn_args: Any) -> dict[str, float]:
    """Trains a small network, on as many devices as the strategy has."""
    import keras

    from .shared_training import BATCH, keep_curve, keras_model, rows

    x, y = rows(fn_args)
    with fn_args.distribution_strategy.scope():
        model = keras_model(keras)
        history = model.fit(
            x[:160],
            y[:160],
            batch_size=BATCH,
            epochs=3,
            shuffle=False,
            verbose=0,
            callbacks=fn_args.keras_callbacks(),
        )
        devices = len(model.layers[0].kernel.value.sharding.device_set)
    keep_curve(fn_args, history.history["loss"])
    model.save(os.path.join(fn_args.serving_model_dir, "model.keras"))
    return {"devices": float(devices)}
