# SPDX-License-Identifier: Apache-2.0
"""Finds weights of a SavedModel that are NaN: training diverged unseen."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


def unusable_weights(serving_dir: str) -> str | None:
    """Name of a trained variable that holds NaN, or None.

    Infinity is let pass: it may be meant, as in a mask. Variables are read one by
    one, so that memory holds the largest at most.

    Args:
        serving_dir: Folder of the model; one that is no SavedModel is passed over.
    """
    prefix = os.path.join(serving_dir, "variables", "variables")
    if not os.path.exists(prefix + ".index"):
        return None
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    for name, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        if dtype.is_floating and np.isnan(_plain(reader.get_tensor(name))).any():
            return str(name).removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
    return None


def _plain(value: Any) -> Any:
    # NumPy cannot test bfloat16 and the 8-bit floats.
    return value if value.dtype.kind == "f" else value.astype(np.float32)
