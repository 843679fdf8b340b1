# SPDX-License-Identifier: Apache-2.0
"""Requests of KServe's V1 and V2 protocols as record batches, checked against the features.

V1 takes TensorFlow Serving's two forms (https://www.tensorflow.org/tfx/serving/api_rest):
`{"instances": [{feature: value}, …]}`, a row for each record, and
`{"inputs": {feature: [value, …]}}`, a column for each feature. V2 is the Open Inference
Protocol (https://github.com/kserve/open-inference-protocol).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ...utils.errors import nearest
from .feature_columns import FeatureColumn, RequestError, json_kind
from .request_schema import RequestSchema

_V1_KEYS = {"instances", "inputs", "signature_name", "id", "parameters"}

_DEFAULT_SIGNATURE = "serving_default"

_DATATYPES = {
    "BOOL": pa.types.is_boolean,
    "BYTES": lambda kind: pa.types.is_string(kind) or pa.types.is_binary(kind),
    **dict.fromkeys(["FP16", "FP32", "FP64"], pa.types.is_floating),
    **dict.fromkeys(
        [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)],
        lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind),
    ),
}


class RequestReader:
    """Reads requests for one model.

    Args:
        columns: The model's features by name.
        max_rows: Most records that a request may have.
        schema: Says which values features may have; None for any.
        signature: The SavedModel's signature that answers; empty for its default.
    """

    def __init__(
        self,
        columns: Mapping[str, FeatureColumn],
        max_rows: int,
        schema: RequestSchema | None = None,
        signature: str = "",
    ) -> None:
        self._signature = signature or _DEFAULT_SIGNATURE
        self._columns = columns
        self._max_rows = max_rows
        self._schema = schema

    def read_v1(self, payload: Any) -> pa.RecordBatch:
        """The records of a V1 request.

        Raises:
            RequestError: It is not what it should be.
        """
        if not isinstance(payload, dict):
            raise RequestError(
                'the body must be a JSON object such as {"instances": [{…}]}, '
                f"got {json_kind(payload)}"
            )
        unknown = sorted(payload.keys() - _V1_KEYS)
        if unknown:
            close = nearest(unknown[0], ["instances", "inputs"])
            hint = f"; did you mean {close!r}?" if close else ""
            raise RequestError(f"the body has an unknown key {unknown[0]!r}{hint}")
        asked = payload.get("signature_name") or self._signature
        if asked != self._signature:
            raise RequestError(
                f"this server answers by the signature {self._signature!r}, not by {asked!r}; "
                "leave 'signature_name' out, or start a server with --signature"
            )
        if ("instances" in payload) == ("inputs" in payload):
            raise RequestError("the body must have either the key 'instances' or the key 'inputs'")
        if "instances" in payload:
            return self._from_rows(payload["instances"])
        return self._from_columns(payload["inputs"])

    def read_v2(self, tensors: Sequence[Any]) -> pa.RecordBatch:
        """The records of a V2 request.

        Args:
            tensors: Its inputs: objects with `name`, `shape`, `datatype` and `data`.

        Raises:
            RequestError: It is not what it should be.
        """
        if not tensors:
            raise RequestError("'inputs' is empty; send one tensor for each feature")
        found: dict[str, list[Any]] = {}
        for tensor in tensors:
            name = tensor.name
            if name in found:
                raise RequestError(f"the input {name!r} stands twice in 'inputs'")
            self._known([name])
            found[name] = _tensor_values(tensor, self._columns[name])
        return self._batch(found)

    def _from_rows(self, rows: Any) -> pa.RecordBatch:
        if not isinstance(rows, list):
            raise RequestError(f"'instances' must be a list of records, got {json_kind(rows)}")
        self._check_count(len(rows))
        if len(self._columns) == 1 and not any(isinstance(row, dict) for row in rows):
            return self._batch({next(iter(self._columns)): rows})
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                names = ", ".join(self._columns)
                raise RequestError(
                    f"record {number} must be an object with the features {names}; "
                    f"got {json_kind(row)}"
                )
            if row.keys() - self._columns.keys():
                self._known(row, f"record {number}: ")
        return self._batch({name: [row.get(name) for row in rows] for name in self._columns})

    def _from_columns(self, columns: Any) -> pa.RecordBatch:
        if isinstance(columns, list) and len(self._columns) == 1:
            columns = {next(iter(self._columns)): columns}
        if not isinstance(columns, dict):
            raise RequestError(
                "'inputs' must be an object with a list of values for each feature, "
                f"got {json_kind(columns)}"
            )
        self._known(columns)
        for name, values in columns.items():
            if not isinstance(values, list):
                raise RequestError(
                    f"'inputs': {name!r} must be a list with a value for each record, "
                    f"got {json_kind(values)}"
                )
        return self._batch(columns)

    def _batch(self, values: Mapping[str, list[Any]]) -> pa.RecordBatch:
        counts = {name: len(each) for name, each in values.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name!r} has {count}" for name, count in counts.items())
            raise RequestError(f"features have different numbers of records: {told}")
        rows = next(iter(counts.values()), 0)
        self._check_count(rows)
        arrays = []
        for name, column in self._columns.items():
            if name not in values and column.required:
                close = nearest(name, values.keys() - self._columns.keys())
                hint = f"; did you mean it by {close!r}?" if close else ""
                raise RequestError(f"the feature {name!r} is missing; it is required{hint}")
            arrays.append(column.array(values.get(name, [None] * rows)))
        batch = pa.RecordBatch.from_arrays(arrays, names=list(self._columns))
        if self._schema is not None:
            self._schema.check(batch)
        return batch

    def _known(self, names: Any, where: str = "") -> None:
        for name in names:
            if name not in self._columns:
                close = nearest(str(name), self._columns)
                hint = f"did you mean {close!r}? " if close else ""
                raise RequestError(
                    f"{where}the model has no feature {name!r}; {hint}"
                    f"it has {', '.join(self._columns)}"
                )

    def _check_count(self, rows: int) -> None:
        if not rows:
            raise RequestError("the request has no records; send at least one")
        if rows > self._max_rows:
            raise RequestError(
                f"the request has {rows} records; at most {self._max_rows} are taken at a time",
                413,
            )


def _tensor_values(tensor: Any, column: FeatureColumn) -> list[Any]:
    """The values of a V2 tensor, one for each record."""
    name, shape = tensor.name, list(tensor.shape)
    fits = _DATATYPES.get(str(tensor.datatype).upper())
    if fits is None:
        raise RequestError(
            f"input {name!r}: unknown datatype {tensor.datatype!r}; one of {', '.join(_DATATYPES)}"
        )
    if column.type is not None and not fits(column.type):
        raise RequestError(
            f"input {name!r}: datatype {tensor.datatype} does not fit; "
            f"each record must have {column.wanted}"
        )
    if not shape or any(type(size) is not int or size < 0 for size in shape):
        raise RequestError(f"input {name!r}: the shape {shape} is none: [records, …] is wanted")
    data = tensor.data
    if not isinstance(data, list):
        raise RequestError(f"input {name!r} must have its values in 'data', as a list")
    flat = _flat(data, len(shape))
    if flat is None:
        raise RequestError(f"input {name!r}: 'data' is nested deeper than its shape {shape}")
    if len(flat) != math.prod(shape):
        raise RequestError(
            f"input {name!r}: the shape {shape} means {math.prod(shape)} values, "
            f"but 'data' has {len(flat)}"
        )
    inner = shape[1:]
    if column.type is None and any(size != 1 for size in inner):
        return _nested(flat, inner)
    if all(size == 1 for size in inner) and (not column.depth or column.takes_one):
        return flat
    if len(inner) != column.depth:
        raise RequestError(
            f"input {name!r} has the shape {shape}, but each record must have {column.wanted}"
        )
    return _nested(flat, inner)


def _flat(data: list[Any], depth: int) -> list[Any] | None:
    """The values in row-major order; None where they lie deeper than `depth` lists."""
    while data and isinstance(data[0], list):
        depth -= 1
        if not depth:
            return None
        deeper: list[Any] = []
        for each in data:
            deeper.extend(each if isinstance(each, list) else [each])
        data = deeper
    return data


def _nested(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    """Cuts a flat list into nested ones of `shape`, from the innermost outwards."""
    for size in reversed(shape):
        flat = [flat[start : start + size] for start in range(0, len(flat), size)] if size else []
    return flat
