# SPDX-License-Identifier: Apache-2.0
"""The baseline: logistic regression over words, weighted by TF-IDF, in one scikit-learn pipeline.

It takes raw narratives: its transformation is part of the model, as the network's is.
"""

from __future__ import annotations

import glob
import os
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from .columns import LABEL, TEXT

#: Words without what the bureau masked (`XXXX`): see `features.clean`.
WORDS = r"(?u)\b(?!x{2,})[a-z][a-z']+\b"


def run_fn(fn_args: Any) -> None:
    """Trains the baseline and saves it for skops; called by Trainer."""
    train = _read(fn_args.train_files)
    missing = sorted(set(fn_args.custom_config["products"]) - set(train[LABEL]))
    if missing:
        raise ValueError(f"no complaint in the training data is about: {', '.join(missing)}")
    model = build_model(fn_args.custom_config, fn_args.seed)
    model.fit(train[[TEXT]], train[LABEL])
    skops.io.dump(model, os.path.join(fn_args.serving_model_dir, "model.skops"))


def build_model(settings: dict[str, Any], seed: int | None) -> Pipeline:
    """The model, not fitted yet.

    Classes are weighted by their rarity, for the smallest product would hardly ever be
    answered otherwise; probabilities are shifted towards rare products by that.
    """
    words = TfidfVectorizer(token_pattern=WORDS, min_df=settings["rare"], sublinear_tf=True)
    return Pipeline(
        [
            ("terms", ColumnTransformer([("text", words, TEXT)])),
            (
                "product",
                LogisticRegression(
                    C=settings["strength"],
                    class_weight="balanced",
                    max_iter=1_000,
                    random_state=seed,
                ),
            ),
        ]
    )


def _read(patterns: list[str]) -> pd.DataFrame:
    files = sorted(file for pattern in patterns for file in glob.glob(pattern))
    return pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
