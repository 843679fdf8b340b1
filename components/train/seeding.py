# SPDX-License-Identifier: Apache-2.0
"""Makes training repeatable: seeds, fresh layer names, deterministic operations."""

from __future__ import annotations

import os
import random
import sys

import numpy as np


def start_afresh(seed: int | None) -> None:
    """Prepares this process for one training.

    Layer names are numbered from 1 again, whatever was built in this process before. With a
    seed, the generators of Python, NumPy and TensorFlow are set to it, and without a GPU
    TensorFlow is told to use operations whose results do not vary, which costs nothing
    measurable there. (On a GPU it can be slow, and some operations have no such form: call
    `tf.config.experimental.enable_op_determinism()` in `run_fn` for it.) TensorFlow is not
    loaded for that, where the code has nothing to do with it.

    Args:
        seed: The seed, or None for none.
    """
    # Whichever Keras is loaded; one that run_fn loads later starts afresh anyway.
    for name in ("keras", "tf_keras"):
        keras = sys.modules.get(name)
        if keras is not None:
            keras.backend.clear_session()
            if seed is not None:
                keras.utils.set_random_seed(seed)
    if seed is None:
        return
    # For processes that run_fn starts; this one has its hash seed already.
    os.environ["PYTHONHASHSEED"] = str(seed)
    random.seed(seed)
    np.random.seed(seed)
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return
    tf.random.set_seed(seed)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
