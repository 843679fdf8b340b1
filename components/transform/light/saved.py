# SPDX-License-Identifier: Apache-2.0
"""A fitted light transform in a folder: written once, applied in training and in serving.

======================  ==============================================================
`light_transform.json`  which form, raw columns, transformed columns, versions
`transformer.skops`     the fitted scikit-learn transformer (form `estimator`)
`state.json`            what `fit` returned (form `functions`), with `array-n.npy`
`code.json`             the user's modules, by digest, where they are needed to apply it
======================  ==============================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from ....utils import storage
from ....utils.errors import DataError
from ...ingest.arrow_schema_json import schema_from_json, schema_to_json
from ...train.flavors.predictor import InputFeature
from .forms import EstimatorForm, Form, FunctionForm
from .raw_columns import RawColumns
from .saved_code import SavedCode, read_code, saved_code_name
from .state_file import read_state

DESCRIPTION_FILE = "light_transform.json"
TRANSFORMER_FILE = "transformer.skops"
#: Folder in a model's folder that holds the transform to apply before the model.
MODEL_SUBFOLDER = "transform"

_VERSION = 1


class FittedTransform:
    """Turns raw columns into what the model was trained on.

    Args:
        form: What to do.
        raw: The raw columns it takes.
        output_schema: The columns that it gives; None while that is being found out.
    """

    def __init__(self, form: Form, raw: RawColumns, output_schema: pa.Schema | None) -> None:
        self._form = form
        self._raw = raw
        self._output_schema = output_schema

    @property
    def output_schema(self) -> pa.Schema:
        """Names and types of the transformed columns."""
        assert self._output_schema is not None  # set by whoever fitted it, before saving
        return self._output_schema

    def input_features(self) -> list[InputFeature]:
        """The raw columns that `transform` takes; it takes no notice of others."""
        return [one.feature() for one in self._raw.columns]

    def transform(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The transformed columns of a batch, one row for each of its rows.

        Args:
            batch: Raw columns, plain or as lists; those that the transform does not know
                (a label, say) are left out.

        Raises:
            DataError: A column is missing or has another type; or the result has other
                rows, columns or types than in training.
            UserCodeError: The user's code raised, or returned no table.
        """
        result = self._form.apply(self._raw.fit(batch))
        if result.num_rows != batch.num_rows:
            raise DataError(
                "the transform returned another number of rows than it was given",
                expected=f"{batch.num_rows} rows",
                got=f"{result.num_rows} rows",
                fix="let it keep every row: leave rows out in a step before the transform",
            )
        if self._output_schema is None:
            return result
        return _as_in_training(result, self._output_schema)

    def with_output(self, schema: pa.Schema, raw: RawColumns) -> FittedTransform:
        """The same transform, once its columns are known."""
        return FittedTransform(self._form, raw, schema)


def is_light(folder: str) -> bool:
    """Whether a folder holds a light transform."""
    return storage.exists(storage.join(folder, DESCRIPTION_FILE))


def load(
    folder: str, *, trusted: Collection[str] = (), code: SavedCode | None = None
) -> FittedTransform:
    """The transform in a folder.

    A transform that was written with code of the user's own runs that code, as it was when
    the transform was fitted; anything else is data.

    Args:
        folder: The `transform_graph` of a `LightTransform`, or `transform/` in a model.
        trusted: What may run, if there is code: see `saved_code.read_code`.
        code: The user's modules, where the caller has them already.

    Raises:
        DataError: There is no light transform, or it is damaged.
        CodeError: The saved code does not fit its digest, or nobody trusts it.
        UserCodeError: Importing it raised.
    """
    description = _read_description(folder)
    raw = RawColumns.from_dicts(description["inputs"])
    outputs = description.get("outputs")
    schema = None if outputs is None else schema_from_json(json.dumps(outputs))
    code = code or read_code(folder, trusted)
    return FittedTransform(_load_form(folder, description, raw, code), raw, schema)


def write_description(
    folder: str,
    entry: Mapping[str, str],
    raw: RawColumns,
    output_schema: pa.Schema | None,
    versions: Mapping[str, str],
) -> None:
    """Writes `light_transform.json`.

    Args:
        folder: Folder of the transform.
        entry: `form`, and for functions `module` and `function`.
        raw: The raw columns.
        output_schema: The transformed ones, once they are known.
        versions: Versions of the libraries that the transform depends on.
    """
    outputs = None if output_schema is None else json.loads(schema_to_json(output_schema))
    text = json.dumps(
        {
            "version": _VERSION,
            **entry,
            "inputs": raw.to_dicts(),
            "outputs": outputs,
            "libraries": dict(sorted(versions.items())),
        },
        indent=1,
    )
    storage.write_text_atomic(os.path.join(folder, DESCRIPTION_FILE), text + "\n")


def attach(folder: str, model_dir: str) -> list[str]:
    """Copies the transform in `folder` into a model's folder, to be applied before the model.

    Returns:
        What whoever loads the model must trust: the user's code, if the transform has any.

    Raises:
        DataError: The model's folder has something else under that name.
        StorageError: It cannot be copied.
    """
    target = os.path.join(model_dir, MODEL_SUBFOLDER)
    if os.path.exists(target) and not is_light(target):
        raise DataError(
            f"the model's folder has a {MODEL_SUBFOLDER!r} of its own",
            expected="the place free: the transform of the LightTransform is copied there",
            location=target,
            fix="let run_fn save under another name",
        )
    if os.path.exists(target):
        storage.remove_tree(target)
    storage.copy_tree(folder, target)
    name = saved_code_name(folder)
    return [] if name is None else [name]


def _read_description(folder: str) -> dict[str, Any]:
    location = storage.join(folder, DESCRIPTION_FILE)
    if not storage.exists(location):
        raise DataError(
            "there is no fitted light transform",
            expected=f"a file {DESCRIPTION_FILE}",
            got="an empty folder or something else",
            location=folder,
            fix="pass the output transform_graph of a LightTransform that has run",
        )
    try:
        found: dict[str, Any] = json.loads(storage.read_text(location))
        version = found["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            "the description of a transform cannot be read",
            got=f"{type(error).__name__}: {error}",
            location=location,
            fix="run the node that writes it again",
        ) from None
    if version != _VERSION:
        raise DataError(
            "a light transform was written by another version of Penstock",
            expected=f"version {_VERSION}",
            got=f"version {version}",
            location=location,
            fix="run its LightTransform again",
        )
    return found


def _load_form(
    folder: str, description: Mapping[str, Any], raw: RawColumns, code: SavedCode | None
) -> Form:
    if description["form"] == "functions":
        if code is None:
            raise DataError(
                "the code of a transform is missing",
                expected="code.json",
                location=folder,
                fix="run the node that writes it again",
            )
        function = code.function(description["module"], description["function"])
        return FunctionForm(function, read_state(folder), code)
    # Loads scikit-learn, which transforms of the other form may live without.
    from .skops_file import foreign_types
    from .skops_file import load as load_skops

    location = storage.join(folder, TRANSFORMER_FILE)
    data = storage.read_bytes(location)
    if code is None:
        return EstimatorForm(load_skops(data, [], location), raw.had_nulls, None)
    with code.active():
        own = [name for name in foreign_types(data) if code.owns(name)]
        return EstimatorForm(load_skops(data, own, location), raw.had_nulls, code)


def _as_in_training(result: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    names = result.schema.names
    if names != schema.names:
        missing = [name for name in schema.names if name not in names]
        added = [name for name in names if name not in schema.names]
        raise DataError(
            "the transform gives other columns for these rows than for the first ones",
            expected=", ".join(schema.names),
            got=", ".join(names),
            fix="missing: " + ", ".join(missing)
            if missing
            else "added: " + ", ".join(added)
            if added
            else "always return the columns in the same order",
        )
    columns = []
    for field, column in zip(schema, result.columns, strict=True):
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"the transform gives {field.name!r} another type for these rows than "
                "for the first ones",
                expected=str(field.type),
                got=f"{column.type} ({error})",
                fix=f"convert {field.name!r} to one type always",
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)
