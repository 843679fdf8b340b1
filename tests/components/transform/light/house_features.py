# SPDX-License-Identifier: Apache-2.0
"""Transforms of both forms, as users write them; loaded by the tests as users' modules."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder


def preprocess():
    """A function of a user."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["area", "rooms"]),
            ("kind", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
            ("words", CountVectorizer(min_df=2), "advert"),
        ]
    )


def preprocess_frames():
    """A function of a user."""
    return preprocess().set_params(words="drop", kind="drop").set_output(transform="pandas")


def preprocess_with_labels():
    """A function of a user."""
    return ColumnTransformer([("kind", TargetEncoder(cv=KFold(2)), ["kind"])])


class Doubled(TransformerMixin, BaseEstimator):
    """A transformer of the user's own."""

    def fit(self, frame, label=None):
        self.largest_ = float(np.nanmax(frame["area"]))
        return self

    def transform(self, frame):
        return frame[["area"]] * 2 / self.largest_


def preprocess_own():
    """A function of a user."""
    return Doubled()


def fit(table, custom_config):
    """A function of a user."""
    kinds = sorted(set(table["kind"].to_pylist()))
    return {
        "kinds": kinds,
        "middle": pc.mean(table["area"]),
        "edges": np.quantile(table["area"].to_numpy(), custom_config["edges"]),
    }


def transform(table, state):
    """A function of a user."""
    numbers = {kind: float(n) for n, kind in enumerate(state["kinds"])}
    area = table["area"].to_numpy()
    return pa.table(
        {
            "bucket": np.searchsorted(state["edges"], area),
            "area": area - state["middle"],
            "kind": [numbers.get(kind, -1.0) for kind in table["kind"].to_pylist()],
        }
    )
