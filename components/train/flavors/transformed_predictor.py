# SPDX-License-Identifier: Apache-2.0
"""A model with the transformation of its features that lies beside it."""

from __future__ import annotations

import pyarrow as pa

from ....utils.errors import DataError
from ...transform.light.saved import FittedTransform
from ...transform.light.saved import load as load_transform
from .predictor import InputError, InputFeature, Predictor


def with_transform(model: Predictor, folder: str, trusted: list[str]) -> TransformedPredictor:
    """A model that takes raw features, from one that takes transformed ones.

    Args:
        model: The model.
        folder: Where its transform lies.
        trusted: Types and code that may be loaded.

    Raises:
        DataError: The transform is damaged.
        CodeError: It is made of code that nobody trusts.
    """
    return TransformedPredictor(model, load_transform(folder, trusted=trusted))


class TransformedPredictor:
    """Transforms raw features, then predicts.

    Args:
        model: Predicts.
        transform: What training did to the features.
    """

    def __init__(self, model: Predictor, transform: FittedTransform) -> None:
        self.flavor = model.flavor
        self._model = model
        self._transform = transform

    def input_features(self) -> list[InputFeature]:
        """See `Predictor`."""
        return self._transform.input_features()

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Predictor`."""
        try:
            transformed = self._transform.transform(batch)
        except InputError:
            raise
        except DataError as error:
            raise InputError(
                error.what,
                expected=error.expected,
                got=error.got,
                suggestion=error.suggestion,
                location=error.location,
                fix=error.fix,
            ) from error
        return self._model.predict(transformed)
