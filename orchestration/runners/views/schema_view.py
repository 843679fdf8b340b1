# SPDX-License-Identifier: Apache-2.0
"""A schema as a table: what each feature has to be like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.artifact_types import Schema
from ....components.validate.report_html import shortened
from ....utils import storage
from ....utils.readable import counted
from .files_view import files_table
from .splits import as_type
from .view import Block, Cell, Code, Fold, Table, View, Wanted, Words

_COLUMNS = ("feature", "type", "required", "values", "domain", "checks")
_MOST_VALUES, _LONGEST_VALUE = 12, 60
#: `FeatureType.BYTES`, which texts have too.
_BYTES = 1
#: Where TensorFlow Transform keeps the schema of transformed records.
_TRANSFORMED_SCHEMA = ("transformed_metadata", "schema.pbtxt")


def schema_view(artifact: Artifact, wanted: Wanted) -> View:
    """The schema of an artifact.

    Raises:
        DataError: The file is not a schema.
    """
    from ....components.validate.schema_text import read_schema

    schema = read_schema(as_type(artifact, Schema))
    return View("Schema", _blocks(schema, wanted), artifact.uri)


def transform_view(artifact: Artifact, wanted: Wanted) -> View:
    """A transform graph: the schema of what it puts out, and its files.

    Raises:
        DataError: It has no schema.
    """
    from ....components.validate.schema_text import parse_schema

    schema = parse_schema(storage.local_path(artifact.path(*_TRANSFORMED_SCHEMA)))
    blocks = [*_blocks(schema, wanted), Fold("Files", [files_table(artifact)])]
    return View("Transformed features", blocks, artifact.uri)


def _blocks(schema: Any, wanted: Wanted) -> list[Block]:
    from google.protobuf import text_format

    domains = {domain.name: domain for domain in schema.string_domain}
    chosen = set(wanted.features)
    rows = [_row(f, domains) for f in schema.feature if not chosen or f.name in chosen]
    blocks: list[Block] = [
        Words(counted(len(schema.feature), "feature"), "dim"),
        Table(_COLUMNS, rows).without_empty("domain", "checks"),
    ]
    if schema.default_environment:
        names = ", ".join(schema.default_environment)
        blocks.append(Words(f"environments: {names}", "dim"))
    long = [
        [name, len(domain.value), ", ".join(domain.value)]
        for name, domain in domains.items()
        if len(domain.value) > _MOST_VALUES
    ]
    if long:
        blocks.append(Fold("Domains", [Table(("domain", "values", "all of them"), long)]))
    text = text_format.MessageToString(schema, as_utf8=True)
    blocks.append(Fold("As text", [Code(text)]))
    return blocks


def _row(feature: Any, domains: dict[str, Any]) -> list[Cell]:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return [
        feature.name,
        schema_pb2.FeatureType.Name(feature.type).lower() if feature.type else "any",
        _presence(feature),
        _shape(feature),
        _domain(feature, domains),
        _checks(feature),
    ]


def _presence(feature: Any) -> str:
    share = feature.presence.min_fraction
    if share >= 1:
        return "always"
    return f"in at least {share:.4g} of the records" if share else "optional"


def _shape(feature: Any) -> str:
    if feature.HasField("shape"):
        sizes = [dimension.size for dimension in feature.shape.dim]
        return "one" if sizes in ([], [1]) else " × ".join(map(str, sizes))
    low, high = feature.value_count.min, feature.value_count.max
    if low == high == 1:
        return "one"
    return f"{low} to {high or 'any number'}" if low or high else "any number"


def _domain(feature: Any, domains: dict[str, Any]) -> str:
    kind = feature.WhichOneof("domain_info")
    if kind is None:
        return ""
    found: Any = domains.get(feature.domain) if kind == "domain" else getattr(feature, kind)
    if kind in ("domain", "string_domain"):
        values = list(found.value) if found is not None else []
        more = f", … ({len(values)} values)" if len(values) > _MOST_VALUES else ""
        return ", ".join(map(_value, values[:_MOST_VALUES])) + more
    if kind in ("int_domain", "float_domain"):
        return ", ".join(_numbers(feature, str(kind), found))
    return str(kind).removesuffix("_domain").replace("_", " ")


def _value(value: str) -> str:
    return shortened(value, _LONGEST_VALUE) or "(empty text)"


def _numbers(feature: Any, kind: str, found: Any) -> Iterator[str]:
    """What a domain of numbers says; often nothing but that a text holds numbers."""
    if feature.type == _BYTES:
        yield f"{'whole numbers' if kind == 'int_domain' else 'numbers'} as text"
    # Bounds of floats are kept in single precision.
    form = ",d" if kind == "int_domain" else ",.7g"
    low = format(found.min, form) if found.HasField("min") else ""
    high = format(found.max, form) if found.HasField("max") else ""
    if low and high:
        yield f"{low} to {high}"
    elif low or high:
        yield f"at least {low}" if low else f"at most {high}"
    if kind == "int_domain" and found.is_categorical:
        yield "categories"
    if kind == "float_domain":
        yield from (f"no {what}" for what in ("nan", "inf") if getattr(found, f"disallow_{what}"))


def _checks(feature: Any) -> str:
    found = []
    for name in ("drift", "skew"):
        if feature.HasField(f"{name}_comparator"):
            comparator = getattr(feature, f"{name}_comparator")
            for field, value in comparator.ListFields():
                found.append(f"{name}: {field.name.replace('_', ' ')} up to {value.threshold:g}")
    if feature.not_in_environment:
        found.append(f"not in {', '.join(feature.not_in_environment)}")
    if feature.unique_constraints.ByteSize():
        low, high = feature.unique_constraints.min, feature.unique_constraints.max
        found.append(f"{low} to {high} different values")
    return "; ".join(found)
