# SPDX-License-Identifier: Apache-2.0
"""What columns a BulkInferrer makes of a model's outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ...utils.errors import ParameterError, nearest
from ..ingest.list_columns import is_list
from ..train.flavors.predictor import CLASSES_KEY
from .bulk_inferrer_specs import ClassifyOutput, OutputColumnsSpec, OutputExampleSpec

#: What the columns of predictions are named by, here and in a server's prediction log.
PREDICTION = "prediction"
#: Outputs of a SavedModel's signature for classification.
_CLASSES, _SCORES = "classes", "scores"

#: Predictions by signature; None stands for a model's own way.
Predictions = Mapping[str | None, pa.RecordBatch]


class Columns:
    """Columns in order, with their fields."""

    def __init__(self) -> None:
        self._fields: list[pa.Field] = []
        self._arrays: list[pa.Array] = []

    def add(self, field: pa.Field, array: pa.Array) -> None:
        """Appends one."""
        self._fields.append(field)
        self._arrays.append(array)

    @property
    def names(self) -> list[str]:
        """Names of the columns so far."""
        return [field.name for field in self._fields]

    def batch(self) -> pa.RecordBatch:
        """All of them."""
        return pa.RecordBatch.from_arrays(self._arrays, schema=pa.schema(self._fields))


def joined(rows: pa.RecordBatch, predictions: Predictions) -> pa.RecordBatch:
    """Records with their predictions beside them."""
    found = Columns()
    for field, array in zip(rows.schema, rows.columns, strict=True):
        found.add(field, array)
    for signature, outputs in predictions.items():
        for field, array in zip(outputs.schema, outputs.columns, strict=True):
            name = output_name(field.name, signature if len(predictions) > 1 else None)
            while name in found.names:
                name += "_"
            found.add(field.with_name(name), array)
    return found.batch()


def output_name(output: str, signature: str | None = None) -> str:
    """Name of the column of an output."""
    if signature is not None:
        return f"{PREDICTION}_{signature}_{output}"
    return output if output.startswith(PREDICTION) else f"{PREDICTION}_{output}"


def extended(
    rows: pa.RecordBatch, predictions: Predictions, spec: OutputExampleSpec
) -> pa.RecordBatch:
    """Records with the columns that a specification names.

    Raises:
        ParameterError: It names an output that is not there, or a column that is.
    """
    found = Columns()
    for field, array in zip(rows.schema, rows.columns, strict=True):
        found.add(field, array)
    for signature, outputs in predictions.items():
        for name, field, array in _wanted(outputs, spec_of(spec, signature, len(predictions))):
            if name in found.names:
                raise ParameterError(
                    f"output_example_spec names a column {name!r} that the examples have already",
                    expected="a new name",
                    got=name,
                    fix="choose another output_column",
                )
            found.add(field.with_name(name), array)
    return found.batch()


def spec_of(spec: OutputExampleSpec, signature: str | None, signatures: int) -> OutputColumnsSpec:
    """The columns for one signature.

    Raises:
        ParameterError: There are none, or several.
    """
    name = signature or "serving_default"
    named = [
        each
        for each in spec.output_columns_spec
        if (each.signature_name or "serving_default") == name
        or (signatures == 1 and not each.signature_name)
    ]
    if len(named) == 1 and len(spec.output_columns_spec) == signatures:
        return named[0]
    raise ParameterError(
        f"output_example_spec must have one output_columns_spec for signature {name!r}",
        expected=f"{signatures} in all, one for each signature of model_spec",
        got=", ".join(each.signature_name or "(no name)" for each in spec.output_columns_spec),
    )


def class_scores(outputs: pa.RecordBatch) -> tuple[pa.Array | None, pa.Array | None]:
    """(names of classes, scores) of a classifier, as lists; None where it tells none."""
    by_name = dict(zip(outputs.schema.names, outputs.columns, strict=True))
    if PREDICTION in by_name and "probabilities" in by_name:
        scores = by_name["probabilities"]
        metadata = outputs.schema.field("probabilities").metadata or {}
        if CLASSES_KEY not in metadata:
            return None, scores
        names = [str(each) for each in json.loads(metadata[CLASSES_KEY])]
        return pa.array([names] * len(scores), pa.list_(pa.string())), scores
    classes, scores = by_name.get(_CLASSES), by_name.get(_SCORES)
    return (
        None if classes is None else _as_lists(classes),
        None if scores is None else _as_lists(scores),
    )


def regression(outputs: pa.RecordBatch) -> tuple[pa.Field, pa.Array] | None:
    """The value of a regression: its only output, or the one named `outputs`."""
    names = outputs.schema.names
    for name in ("outputs", PREDICTION):
        if name in names:
            return outputs.schema.field(name), outputs.column(names.index(name))
    return (outputs.schema.field(0), outputs.column(0)) if len(names) == 1 else None


def _wanted(
    outputs: pa.RecordBatch, spec: OutputColumnsSpec
) -> list[tuple[str, pa.Field, pa.Array]]:
    names = outputs.schema.names
    if spec.predict_output is not None:
        return [
            (each.output_column, *_output(outputs, each.output_key))
            for each in spec.predict_output.output_columns
        ]
    if spec.regress_output is not None:
        value = regression(outputs)
        if value is None:
            raise _no_output("regress_output", "an output named outputs", names)
        return [(spec.regress_output.value_column, *value)]
    assert spec.classify_output is not None  # `OutputColumnsSpec` sees to that
    return _classification(outputs, spec.classify_output)


def _classification(
    outputs: pa.RecordBatch, wanted: ClassifyOutput
) -> list[tuple[str, pa.Field, pa.Array]]:
    found = []
    labels, scores = class_scores(outputs)
    for column, array, kind in (
        (wanted.label_column, labels, "names of classes"),
        (wanted.score_column, scores, "scores of classes"),
    ):
        if not column:
            continue
        if array is None:
            raise _no_output("classify_output", kind, outputs.schema.names)
        found.append((column, pa.field(column, array.type), array))
    return found


def _output(outputs: pa.RecordBatch, key: str) -> tuple[pa.Field, pa.Array]:
    index = outputs.schema.get_field_index(key)
    if index < 0:
        raise ParameterError(
            f"the model has no output {key!r}",
            expected=", ".join(outputs.schema.names),
            got=f"output_key {key!r}",
            suggestion=nearest(key, outputs.schema.names),
        )
    return outputs.schema.field(index), outputs.column(index)


def _no_output(kind: str, expected: str, there: Sequence[str]) -> ParameterError:
    return ParameterError(
        f"output_example_spec has {kind}, which the model does not answer",
        expected=expected,
        got="outputs " + ", ".join(there),
        fix="use predict_output, with the outputs by name",
    )


def _as_lists(array: Any) -> pa.Array:
    if is_list(array.type):
        return array
    return pa.ListArray.from_arrays(pa.array(range(len(array) + 1), pa.int32()), array)
