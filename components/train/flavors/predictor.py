# SPDX-License-Identifier: Apache-2.0
"""What every model can do once it is loaded, whatever framework it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ....utils.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

#: Key in the metadata of the field `probabilities`: names of the classes, as a JSON list.
CLASSES_KEY = b"classes"


class ModelError(DataError):
    """A folder does not hold a model that can be loaded safely."""


class UnknownFormat(ModelError):
    """A folder holds files, none of which is a model of a known format."""


class InputError(DataError):
    """A batch of rows is not what a model takes; the rows are to blame, not the model."""


@dataclass(frozen=True)
class InputFeature:
    """A column that a model takes.

    Attributes:
        name: Name of the column.
        type: Type of its values, as Arrow writes it: `int64`, `float`, `double`, `bool`,
            `string`, or `list<float>` and the like for several values in a row; `any` where
            the model does not say.
        required: Whether the column must be there, with a value in every row.
        length: How many values a list must have, or None where that is open.
        example: A value that the model knows, where its type does not tell one.
    """

    name: str
    type: str
    required: bool = True
    length: int | None = None
    example: str | float | bool | None = None


class Predictor(Protocol):
    """A loaded model.

    Attributes:
        flavor: Name of its flavor, as `registry.detect` gives it.
    """

    flavor: str

    def input_features(self) -> list[InputFeature]:
        """The columns that `predict` takes; others are ignored."""

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Predicts for rows of raw features.

        Args:
            batch: Columns by name: plain, or lists of values (of one value where the model
                takes a plain column).

        Returns:
            As many rows. Columns have the names of the model's outputs: those of the
            signature of a SavedModel; `prediction`, and for classifiers `probabilities`
            (lists, with the classes in the metadata of the field under `CLASSES_KEY`)
            elsewhere. Vectors are lists; a vector of one number is that number.

        Raises:
            InputError: A column is missing, or has the wrong type or shape.
            ExecutionError: The model failed.
        """
