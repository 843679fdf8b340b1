# SPDX-License-Identifier: Apache-2.0
"""Estimators and pipelines of scikit-learn, kept by skops.

A skops file names the types that it is made of, and is built from them without running
anything else. Types of scikit-learn, NumPy and SciPy that are known to be harmless are
always allowed; any other has to be named by whoever loads the model
(https://skops.readthedocs.io/en/stable/persistence.html).
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ....utils.errors import ExecutionError
from ....utils.trust import TRUST_VARIABLE
from ...ingest.list_columns import is_list
from ...transform.light.skops_file import HARMLESS
from ...transform.light.skops_library import skops_io
from .input_columns import column, output_batch, plain
from .predictor import InputError, InputFeature, ModelError
from .registry import model_file


def load(folder: str, signature: str | None, trusted: Sequence[str]) -> SklearnPredictor:
    """Loads `model.skops` in `folder`.

    Raises:
        ModelError: It is damaged, or made of types that nobody trusts.
    """
    del signature
    path = model_file(folder, "sklearn")
    try:
        wanted = skops_io.get_untrusted_types(file=path)
        refused = sorted(set(wanted) - set(trusted) - HARMLESS)
        if refused:
            raise _untrusted(refused, path)
        model = skops_io.load(path, trusted=wanted)
    except ModelError:
        raise
    except (ImportError, AttributeError) as error:
        raise ModelError(
            "the scikit-learn model is made of types that are not here",
            got=f"{type(error).__name__}: {error}",
            location=path,
            fix="install the package that defines them, or put its folder on PYTHONPATH",
        ) from error
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            "the skops file cannot be read",
            expected="what skops.io.dump writes",
            got=f"{type(error).__name__}: {str(error)[:300]}",
            location=path,
        ) from error
    return SklearnPredictor(model, path)


class SklearnPredictor:
    """Predicts with an estimator, over a DataFrame of its named columns.

    Args:
        model: The estimator.
        path: Where it came from, for messages.
    """

    flavor = "sklearn"

    def __init__(self, model: Any, path: str) -> None:
        if not hasattr(model, "predict"):
            raise ModelError(
                "the skops file holds nothing that predicts",
                expected="an estimator or a pipeline that ends in one",
                got=type(model).__name__,
                location=path,
            )
        names = getattr(model, "feature_names_in_", None)
        if names is None:
            raise ModelError(
                "the model does not know the names of its columns",
                expected="an estimator that was fitted on a pandas DataFrame",
                got=f"{type(model).__name__}, fitted on an array or not fitted",
                location=path,
                fix="fit it on a DataFrame: model.fit(batch.to_pandas()[columns], label)",
            )
        self._model = model
        self._names = [str(name) for name in names]
        self._classes = _classes(model)

    def input_features(self) -> list[InputFeature]:
        """See `Predictor`."""
        examples = _examples(self._model, self._names)
        return [InputFeature(name, "any", example=examples.get(name)) for name in self._names]

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Predictor`."""
        if not batch.num_rows:
            return self._empty()
        frame = pd.DataFrame({name: _series(batch, name) for name in self._names})
        outputs = self._call(frame)
        return output_batch(outputs, batch.num_rows, self._classes)

    def _call(self, frame: Any) -> dict[str, Any]:
        try:
            outputs = {"prediction": np.asarray(self._model.predict(frame))}
            if self._classes is not None:
                outputs["probabilities"] = np.asarray(self._model.predict_proba(frame))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                "the model cannot predict for these rows",
                expected="columns with the values that it was fitted on: " + ", ".join(self._names),
                got=f"{type(error).__name__}: {str(error)[:300]}",
                fix="fill in missing values in the model's pipeline (SimpleImputer), and give "
                "it the types it was fitted on",
            ) from error
        except Exception as error:
            raise ExecutionError(
                "the model failed to predict",
                got=f"{type(error).__name__}: {str(error)[:300]}",
            ) from error
        return outputs

    def _empty(self) -> pa.RecordBatch:
        """Without rows an estimator refuses; the columns are those of a prediction."""
        outputs = {"prediction": np.zeros(0, _prediction_type(self._model))}
        if self._classes is not None:
            outputs["probabilities"] = np.zeros((0, len(self._classes)))
        return output_batch(outputs, 0, self._classes)


def _series(batch: pa.RecordBatch, name: str) -> Any:
    found = column(batch, name)
    if is_list(found.type):
        lengths = pc.fill_null(pc.list_value_length(found), 0)
        if (pc.max(lengths).as_py() or 0) > 1:
            return pd.Series(found.to_pylist(), dtype=object)
        found = plain(found, name)
    elif pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_binary(found.type) or pa.types.is_large_binary(found.type):
        # Estimators are fitted on texts; examples in TFRecord files hold them as bytes.
        try:
            found = found.cast(pa.string())
        except pa.ArrowInvalid:
            return pd.Series(found.to_pylist(), dtype=object)
    if pa.types.is_decimal(found.type):
        found = found.cast(pa.float64())
    if pa.types.is_null(found.type):
        return pd.Series([None] * len(found), dtype=object)
    return found.to_pandas()


def _classes(model: Any) -> list[Any] | None:
    """Names of the classes that `predict_proba` gives, or None where it is not there."""
    classes = getattr(model, "classes_", None)
    if classes is None or not hasattr(model, "predict_proba") or isinstance(classes, list):
        return None
    return [each.item() if isinstance(each, np.generic) else each for each in classes]


def _examples(model: Any, columns: Sequence[Any]) -> dict[str, Any]:
    """Values of columns that encoders and counters of words take; of others none."""
    if hasattr(model, "steps"):
        found: dict[str, Any] = {}
        for _, step in model.steps:
            found = found or _examples(step, columns)
        return found
    if hasattr(model, "transformers_"):
        parts = [(each[1], [each[2]] if isinstance(each[2], str) else each[2])
                 for each in model.transformers_]  # fmt: skip
        named = [part for part in parts if isinstance(part[1], list)]
        return {k: v for step, names in named for k, v in _examples(step, names).items()}
    if hasattr(model, "build_analyzer"):
        return dict.fromkeys(columns[:1], "text")
    return {
        name: next((v for v in np.asarray(values).tolist() if _is_plain(v)), None)
        for name, values in zip(columns, getattr(model, "categories_", ()), strict=False)
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and value == value


def _prediction_type(model: Any) -> Any:
    classes = getattr(model, "classes_", None)
    return float if classes is None or isinstance(classes, list) else np.asarray(classes).dtype


def _untrusted(refused: Sequence[str], path: str) -> ModelError:
    names = ", ".join(refused)
    return ModelError(
        f"the model is made of types that are not known to be harmless: {names}",
        expected="types of scikit-learn, NumPy and SciPy, and those that you trust",
        got=names,
        location=path,
        fix="if you trust them, name them: custom_config={'trusted_types': "
        f"{list(refused)!r}}} on the Trainer, and {TRUST_VARIABLE}={','.join(refused)} in the "
        "environment of whatever else loads the model",
    )
