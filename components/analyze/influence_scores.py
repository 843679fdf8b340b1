# SPDX-License-Identifier: Apache-2.0
"""How good a model's predictions are, record by record, whatever it predicts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...utils.errors import DataError, ParameterError, nearest
from ..ingest.list_columns import is_list, is_text
from ..train.flavors.predictor import CLASSES_KEY, Predictor

Array = npt.NDArray[Any]

#: Chances are kept this far from 0 and 1, so that one record cannot decide everything.
_TINY = 1e-6


@dataclass(frozen=True)
class Scorer:
    """Asks a model, and says how wrong it is about each record.

    Attributes:
        model: The model.
        output_key: The output to look at; None for the usual one.
        label: What is true, by record; None where nobody knows.
    """

    model: Predictor
    output_key: str | None
    label: pa.Array | None

    def outputs(self, rows: pa.RecordBatch) -> tuple[Array, list[str] | None]:
        """(an array with a row of numbers for each record, names of classes or None).

        Raises:
            InputError: The records are not what the model takes.
            ParameterError: There is no such output, or it holds no numbers.
        """
        found = self.model.predict(rows)
        names = found.schema.names
        key = self.output_key or _usual(names)
        if key not in names:
            raise ParameterError(
                "output_key must name one of the model's outputs"
                if self.output_key is None
                else f"the model has no output {key!r}",
                expected=", ".join(names),
                got=f"output_key {self.output_key!r}",
                suggestion=nearest(key, names) if self.output_key else None,
            )
        column = found.column(names.index(key))
        metadata = found.schema.field(key).metadata or {}
        classes = json.loads(metadata[CLASSES_KEY]) if CLASSES_KEY in metadata else None
        return _numbers(column, key), None if classes is None else [str(c) for c in classes]

    def losses(self, outputs: Array, classes: list[str] | None) -> Array:
        """Loss of each record; see `score_name`.

        Raises:
            DataError: The label does not go with the outputs.
        """
        assert self.label is not None
        if is_classes(outputs):
            wanted = _class_numbers(self.label, outputs.shape[1], classes)
            chances = np.clip(outputs[np.arange(len(outputs)), wanted], _TINY, 1)
            return np.asarray(-np.log(chances))
        truth = _numeric(self.label)
        single = outputs[:, 0]
        if _is_chance(truth, single):
            chances = np.clip(single, _TINY, 1 - _TINY)
            return np.asarray(-np.where(truth == 1, np.log(chances), np.log(1 - chances)))
        return np.asarray((single - truth) ** 2)

    def score_name(self, outputs: Array) -> str:
        """What is measured: `log loss`, `squared error`, or `the prediction's change`."""
        if self.label is None:
            return "the prediction's change"
        if is_classes(outputs) or _is_chance(_numeric(self.label), outputs[:, 0]):
            return "log loss"
        return "squared error"


def is_classes(outputs: Array) -> bool:
    """Whether outputs are the probabilities of several classes."""
    return bool(outputs.shape[1] > 1)


def one_number(outputs: Array) -> Array:
    """What is explained of each record: the number; of two classes the second's chance."""
    return np.asarray(outputs[:, 1] if outputs.shape[1] == 2 else outputs.mean(axis=1))


def _usual(names: list[str]) -> str:
    if "probabilities" in names:
        return "probabilities"
    return names[0] if len(names) == 1 else "prediction"


def _numbers(column: pa.Array, key: str) -> Array:
    values = column.flatten() if is_list(column.type) else column
    if is_text(values.type) or pa.types.is_null(values.type):
        raise ParameterError(
            f"the model's output {key!r} holds no numbers",
            expected="an output with numbers",
            got=str(column.type),
            fix="name another one as output_key",
        )
    found = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    return found.reshape(len(column), -1)


def _is_chance(truth: Array, outputs: Array) -> bool:
    binary = np.isin(truth, (0.0, 1.0)).all()
    return bool(binary and outputs.min(initial=0) >= 0 and outputs.max(initial=0) <= 1)


def _numeric(label: pa.Array) -> Array:
    values = label.flatten() if is_list(label.type) else label
    if is_text(values.type):
        raise DataError(
            "the label holds texts, and the model answers one number",
            expected="a label with numbers, or a model with classes of these names",
            got=str(label.type),
            fix="leave label_key out: then changes of predictions are measured",
        )
    if values.null_count or len(values) != len(label):
        raise DataError("some records have no label", expected="one in every record")
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _class_numbers(label: pa.Array, width: int, classes: list[str] | None) -> Array:
    values = label.flatten() if is_list(label.type) else label
    plain = [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values.to_pylist()
    ]
    names = classes if classes is not None else [str(number) for number in range(width)]
    place = {name: number for number, name in enumerate(names)}
    found = [place.get(str(value), -1) for value in plain]
    if len(found) != len(label) or -1 in found:
        odd = next((value for value in plain if str(value) not in place), None)
        raise DataError(
            "the label is none of the model's classes",
            expected=", ".join(names[:10]),
            got=repr(odd),
            fix="name the right column as label_key, or leave it out",
        )
    return np.asarray(found)
