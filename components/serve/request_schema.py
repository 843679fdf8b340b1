# SPDX-License-Identifier: Apache-2.0
"""Checks requests against a schema of the data: types, and what values may be.

A model says which features it takes, and not always of which type; the schema that the
training data was validated against knows more. Features that the model does not take (the
label) are left out. See https://www.tensorflow.org/tfx/data_validation/get_started.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from ..ingest.list_columns import is_list
from .feature_columns import FeatureColumn, RequestError

_TYPES = {
    schema_pb2.INT: pa.int64(),
    schema_pb2.FLOAT: pa.float64(),
    schema_pb2.BYTES: pa.string(),
}
_SHOWN = 8


class RequestSchema:
    """What a schema says of values.

    Args:
        schema: The schema.
    """

    def __init__(self, schema: schema_pb2.Schema) -> None:
        self._features = {feature.name: feature for feature in schema.feature}
        self._domains = {domain.name: list(domain.value) for domain in schema.string_domain}

    def typed(self, columns: Mapping[str, FeatureColumn]) -> dict[str, FeatureColumn]:
        """Columns with what only the schema knows: types, values, what must be there."""
        return {name: self._typed(column) for name, column in columns.items()}

    def check(self, batch: pa.RecordBatch) -> None:
        """Looks through the values of a request.

        Raises:
            RequestError: A value is outside its domain.
        """
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            feature = self._features.get(name)
            if feature is None:
                continue
            found = _values_of(column)
            kind = found.values.type
            texts = self._values(feature)
            if texts is not None and pa.types.is_string(kind):
                outside = pc.invert(pc.is_in(found.values, value_set=pa.array(texts, pa.string())))
                _refuse(name, found, outside, _listed(texts))
            if pa.types.is_integer(kind) or pa.types.is_floating(kind):
                for domain in ("int_domain", "float_domain"):
                    if feature.HasField(domain):
                        _check_bounds(name, found, getattr(feature, domain))

    def _typed(self, column: FeatureColumn) -> FeatureColumn:
        feature = self._features.get(column.name)
        if feature is None:
            return column
        kind = column.type or _TYPES.get(feature.type)
        values = self._values(feature)
        example: Any = None
        if kind is not None and (not column.depth or column.takes_one):
            if values and pa.types.is_string(kind):
                example = values[0]
            elif feature.HasField("int_domain") and feature.int_domain.HasField("min"):
                example = feature.int_domain.min
            if column.depth and example is not None:
                example = [example]
        always = feature.HasField("presence") and feature.presence.min_fraction >= 1.0
        return dataclasses.replace(
            column, type=kind, example=example, required=column.required or always
        )

    def _values(self, feature: Any) -> list[str] | None:
        """The texts that a feature may have; None where any will do."""
        if feature.distribution_constraints.min_domain_mass < 1.0 and feature.HasField(
            "distribution_constraints"
        ):
            return None  # Some values outside the domain are allowed.
        if feature.HasField("domain"):
            return self._domains.get(feature.domain)
        if feature.HasField("string_domain"):
            return list(feature.string_domain.value)
        return None


@dataclasses.dataclass(frozen=True)
class _Values:
    """The values of a column, those of lists one after another, and the record of each."""

    values: pa.Array
    records: pa.Array | None = None


def _values_of(column: pa.Array) -> _Values:
    records = None
    while is_list(column.type):
        parents = pc.list_parent_indices(column)
        records = parents if records is None else records.take(parents)
        column = pc.list_flatten(column)
    return _Values(column, records)


def _check_bounds(name: str, found: _Values, bounds: Any) -> None:
    if bounds.HasField("min"):
        below = pc.less(found.values, bounds.min)
        _refuse(name, found, below, f"at least {bounds.min:g}")
    if bounds.HasField("max"):
        above = pc.greater(found.values, bounds.max)
        _refuse(name, found, above, f"at most {bounds.max:g}")


def _refuse(name: str, found: _Values, outside: pa.Array, wanted: str) -> None:
    outside = pc.and_(pc.fill_null(outside, False), found.values.is_valid())
    place = pc.index(outside, True).as_py()
    if place >= 0:
        row = place if found.records is None else found.records[place].as_py()
        raise RequestError(
            f"record {row}: the feature {name!r} must be {wanted}, "
            f"got {found.values[place].as_py()!r}"
        )


def _listed(values: list[str]) -> str:
    shown = ", ".join(values[:_SHOWN])
    return f"one of {shown}" + (" …" if len(values) > _SHOWN else "")
