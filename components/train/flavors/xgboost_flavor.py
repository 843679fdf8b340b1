# SPDX-License-Identifier: Apache-2.0
"""XGBoost models in JSON or UBJSON: of the native interface, and of the scikit-learn one.

Columns are matched by the names of features that the model was trained with. Missing values
are XGBoost's own. For objectives with classes the model gives `prediction`, the number of
the class, and `probabilities`, one for each class; for others `prediction`, as
`Booster.predict` gives it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xgboost as xgb

from ....utils.errors import ExecutionError
from ....utils.readable import first_error_line
from ...ingest.list_columns import is_text
from .input_columns import DenseInput, column, dense, output_batch, plain
from .predictor import InputError, InputFeature, ModelError
from .registry import model_file

_Array = npt.NDArray[Any]

_BINARY = "binary:logistic"
_CLASSES = ("multi:softprob", "multi:softmax")


def load(folder: str, signature: str | None, trusted: Sequence[str]) -> XGBoostPredictor:
    """Loads `model.json` or `model.ubj` in `folder`.

    Raises:
        ModelError: It is damaged, or does not know its features' names.
    """
    del signature, trusted
    path = model_file(folder, "xgboost")
    try:
        booster = xgb.Booster(model_file=path)
    except (xgb.core.XGBoostError, OSError, ValueError) as error:
        raise ModelError(
            "the XGBoost model cannot be read",
            expected="what save_model of a Booster or an XGBModel writes",
            got=first_error_line(error),
            location=path,
        ) from error
    if not booster.feature_names:
        raise ModelError(
            "the XGBoost model does not know the names of its features",
            expected="a model trained on named columns",
            got=f"{booster.num_features()} features without names",
            location=path,
            fix="train on a pandas DataFrame, or xgboost.DMatrix(…, feature_names=columns)",
        )
    return XGBoostPredictor(booster)


class XGBoostPredictor:
    """Predicts with a Booster.

    Args:
        booster: A Booster with feature names.
    """

    flavor = "xgboost"

    def __init__(self, booster: Any) -> None:
        self._booster = booster
        self._names = list(booster.feature_names)
        self._types = list(booster.feature_types or ["float"] * len(self._names))
        learner = json.loads(booster.save_config())["learner"]
        sizes = learner["learner_model_param"]
        self._widths = (int(sizes["num_class"]), int(sizes["num_target"]))
        self._categories = _categories(booster) if "c" in self._types else {}
        self._objective = str(learner["objective"]["name"])
        if self._objective == "multi:softmax":
            # The same trees; this one tells the probabilities too.
            booster.set_param({"objective": "multi:softprob"})
        # What the scikit-learn interface does after early stopping, and the native one not.
        best = booster.attr("best_iteration") if booster.attr("scikit_learn") else None
        self._rounds = (0, int(best) + 1) if best else (0, 0)

    def input_features(self) -> list[InputFeature]:
        """See `Predictor`."""
        return [
            InputFeature(name, "string" if kind == "c" else "float", required=False)
            for name, kind in zip(self._names, self._types, strict=True)
        ]

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Predictor`."""
        rows = batch.num_rows
        found = self._raw(batch) if rows else self._raw_of_no_rows()
        if self._objective == _BINARY:
            probabilities = np.stack([1 - found, found], axis=1)
        elif self._objective in _CLASSES:
            probabilities = found
        else:
            return output_batch({"prediction": found}, rows)
        outputs = {
            # As XGBClassifier decides.
            "prediction": (
                (found > 0.5).astype(np.int64)
                if self._objective == _BINARY
                else probabilities.argmax(axis=1)
            ),
            "probabilities": probabilities,
        }
        return output_batch(outputs, rows, list(range(probabilities.shape[1])))

    def _raw(self, batch: pa.RecordBatch) -> _Array:
        try:
            data = xgb.DMatrix(
                self._matrix(batch),
                feature_names=self._names,
                feature_types=None if "c" in self._types else self._types,
                enable_categorical="c" in self._types,
            )
            return np.asarray(self._booster.predict(data, iteration_range=self._rounds))
        except (xgb.core.XGBoostError, ValueError, TypeError) as error:
            if "contains `inf`" in str(error):
                raise InputError(
                    "the XGBoost model takes no infinite values, nor any above 3.4e38"
                ) from error
            raise ExecutionError(
                "the XGBoost model failed to predict",
                expected="rows like those that it was trained on",
                got=first_error_line(error),
            ) from error

    def _raw_of_no_rows(self) -> _Array:
        """XGBoost takes no empty matrix."""
        wide = self._widths if max(self._widths) > 1 else ()
        return np.zeros((0, *([max(wide)] if wide else [])), np.float32)

    def _matrix(self, batch: pa.RecordBatch) -> Any:
        if "c" not in self._types:
            columns = [dense(batch, DenseInput(name, "float32")) for name in self._names]
            return np.stack(columns, axis=1)
        import pandas as pd

        frame = {}
        for name, kind in zip(self._names, self._types, strict=True):
            if kind != "c":
                frame[name] = dense(batch, DenseInput(name, "float32"))
                continue
            # A category that training did not see counts as missing.
            found = plain(column(batch, name), name)
            frame[name] = pd.Categorical(
                _as_type_of(found, self._categories[name], name).to_pandas(),
                categories=self._categories[name].to_pandas(),
            )
        return pd.DataFrame(frame)


def _categories(booster: Any) -> dict[str, pa.Array]:
    """Values of each category column, in the order of the model's codes."""
    stored = booster.get_categories(export_to_arrow=True).to_arrow() or []
    found = {name: values for name, values in stored if values is not None}
    types = zip(booster.feature_names, booster.feature_types, strict=True)
    unknown = [name for name, kind in types if kind == "c" and name not in found]
    if unknown:
        raise ModelError(
            "the XGBoost model does not know the values of its categories: " + ", ".join(unknown),
            expected="categories kept with the model",
            got="numbers of categories",
            fix="train with xgboost 3.1 or later on a DataFrame with category columns, or "
            "encode the column as numbers",
        )
    return found


def _as_type_of(found: pa.Array, categories: pa.Array, name: str) -> pa.Array:
    """A column in the type of the model's categories."""
    if is_text(categories.type) == is_text(found.type) or pa.types.is_null(found.type):
        with contextlib.suppress(pa.ArrowInvalid):
            return found.cast(categories.type)
    raise InputError(
        f"the model's input {name!r} has another type",
        expected=f"categories of type {categories.type}",
        got=str(found.type),
    )
