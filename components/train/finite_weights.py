# SPDX-License-Identifier: Apache-2.0
"""Finds weights of a saved model that are NaN: training diverged unseen."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .flavors.registry import model_file

_KERAS_WEIGHTS = "model.weights.h5"


def unusable_weights(serving_dir: str, flavor: str) -> str | None:
    """Name of a trained variable that holds NaN, or None.

    Infinity is let pass: it may be meant, as in a mask. Variables are read one by one.

    Args:
        serving_dir: Folder of a model that can be loaded.
        flavor: Its flavor. scikit-learn and XGBoost are not looked at: they refuse to learn
            from NaN, and in what they learnt it may mean a missing value.
    """
    read = _READERS.get(flavor)
    found = read(serving_dir) if read else iter(())
    return next((name for name, values in found if np.isnan(values).any()), None)


def _of_saved_model(serving_dir: str) -> Iterator[tuple[str, Any]]:
    prefix = os.path.join(serving_dir, "variables", "variables")
    if not os.path.exists(prefix + ".index"):
        return
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    for name, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        if dtype.is_floating:
            values = reader.get_tensor(name)
            # NumPy cannot test bfloat16 and the 8-bit floats.
            plain = values if values.dtype.kind == "f" else values.astype(np.float32)
            yield str(name).removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"), plain


def _of_keras(serving_dir: str) -> Iterator[tuple[str, Any]]:
    import h5py

    with zipfile.ZipFile(model_file(serving_dir, "keras")) as archive:
        if _KERAS_WEIGHTS not in archive.namelist():
            return
        weights = archive.read(_KERAS_WEIGHTS)
    with h5py.File(io.BytesIO(weights), "r") as file:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset) and file[name].dtype.kind == "f":
                yield name, file[name][()]


def _of_torch(serving_dir: str) -> Iterator[tuple[str, Any]]:
    import torch

    program = torch.export.load(model_file(serving_dir, "torch"))
    for name, tensor in program.state_dict.items():
        if tensor.is_floating_point():
            yield name, tensor.detach().float().numpy()


_READERS: Mapping[str, Callable[[str], Iterator[tuple[str, Any]]]] = {
    "tensorflow": _of_saved_model,
    "keras": _of_keras,
    "torch": _of_torch,
}
