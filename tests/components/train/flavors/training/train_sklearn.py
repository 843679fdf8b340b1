# SPDX-License-Identifier: Apache-2.0
"""Trains a scikit-learn pipeline on raw columns."""

from __future__ import annotations

import glob
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

COLUMNS = ["amount", "hours", "kind"]


def run_fn(fn_args: Any) -> None:
    """The entry point."""
    files = sorted(name for pattern in fn_args.train_files for name in glob.glob(pattern))
    rows = pd.concat([pq.read_table(name).to_pandas() for name in files])
    features = make_column_transformer(
        (StandardScaler(), ["amount", "hours"]),
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
    )
    model = make_pipeline(features, LogisticRegression()).fit(rows[COLUMNS], rows["label"])
    skops.io.dump(model, f"{fn_args.serving_model_dir}/model.skops")
