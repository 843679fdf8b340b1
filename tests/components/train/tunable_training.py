# SPDX-License-Identifier: Apache-2.0
"""A module as users write it for a search: it imports nothing of Penstock."""

from __future__ import annotations

import glob
import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def hyperparameters():
    """What may be tried."""
    return {
        "rate": {"type": "float", "low": 0.01, "high": 3.0, "log": True},
        "shape": ["logistic", "constant"],
    }


def run_fn(fn_args):
    """Logistic regression of the label on the amount, by gradient descent."""
    settings = fn_args.custom_config or {}
    values = fn_args.hyperparameters or {"rate": 0.1, "shape": "logistic"}
    values = values.get("values", values)
    _misbehave(settings, values, fn_args)
    amount, label = _read(fn_args, fn_args.train_files)
    held_amount, held_label = _read(fn_args, fn_args.eval_files)
    weight = bias = 0.0
    loss = 0.0
    for step in range(1, 31):
        error = _sigmoid(weight * amount + bias) - label
        if values["shape"] == "logistic":
            weight -= values["rate"] * float(np.mean(error * amount))
        bias -= values["rate"] * float(np.mean(error))
        loss = _loss(_sigmoid(weight * held_amount + bias), held_label)
        if step % 10 == 0:
            fn_args.report_progress(step, 30, val_loss=loss)
    Path(fn_args.serving_model_dir, "weights.json").write_text(
        json.dumps([weight, bias, values["rate"]])
    )
    return {"val_loss": loss, "accuracy": float(np.mean((weight * held_amount > 0) == held_label))}


def _misbehave(settings, values, fn_args):
    if settings.get("log"):
        with open(settings["log"], "a") as file:
            file.write(json.dumps([values, os.getpid(), fn_args.seed]) + "\n")
    if settings.get("die_of") == values["shape"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if settings.get("raise_for") == values["shape"]:
        raise ValueError(f"no such shape: {values['shape']}")


def _read(fn_args, files):
    paths = sorted(path for pattern in files for path in glob.glob(pattern))
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    return [table.column(name).to_numpy() for name in ("amount", "label")]


def _sigmoid(values):
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def _loss(probability, label):
    probability = np.clip(probability, 1e-7, 1 - 1e-7)
    return float(-np.mean(label * np.log(probability) + (1 - label) * np.log(1 - probability)))
