# SPDX-License-Identifier: Apache-2.0
"""In what two schemas differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

#: Most values that are named of a difference between domains.
_NAMED_VALUES = 8


@dataclass(frozen=True)
class SchemaDifference:
    """One difference.

    Attributes:
        feature: Name of the feature.
        what: What of it differs.
        curated: What the curated schema says; empty where it says nothing.
        inferred: What the schema inferred from the data says.
    """

    feature: str
    what: str
    curated: str
    inferred: str

    def __str__(self) -> str:
        said = f"{self.curated or 'nothing'}, the data {self.inferred or 'nothing'}"
        return f"{self.feature}: {self.what}: the schema says {said}"


def diff_schemas(curated: schema_pb2.Schema, inferred: schema_pb2.Schema) -> list[SchemaDifference]:
    """Differences in features, types, presence, shapes and domains, by feature name.

    Not everything is one: where a curated schema allows more than the data shows (fewer
    values present, further values of a domain), it does so on purpose, and says nothing wrong.
    """
    mine = {feature.name: feature for feature in curated.feature}
    other = {feature.name: feature for feature in inferred.feature}
    found: list[SchemaDifference] = []
    for name in sorted({*mine, *other}):
        if name not in other:
            found.append(SchemaDifference(name, "feature", "there is one", ""))
        elif name not in mine:
            kind = schema_pb2.FeatureType.Name(other[name].type)
            found.append(SchemaDifference(name, "feature", "", f"there is one, {kind}"))
        else:
            found += _differences(mine[name], other[name], curated, inferred)
    return found


def _differences(
    mine: Any, other: Any, curated: schema_pb2.Schema, inferred: schema_pb2.Schema
) -> Iterable[SchemaDifference]:
    kinds = [schema_pb2.FeatureType.Name(each.type) for each in (mine, other)]
    if mine.type != other.type:
        yield SchemaDifference(mine.name, "type", *kinds)
    if mine.presence.min_fraction > other.presence.min_fraction:
        fractions = [f"in at least {f.presence.min_fraction:.1%} of records" for f in (mine, other)]
        yield SchemaDifference(mine.name, "presence", *fractions)
    shapes = [_shape(each) for each in (mine, other)]
    if shapes[0] != shapes[1] and all(shapes):
        yield SchemaDifference(mine.name, "shape", *shapes)
    domains = [_values(mine, curated), _values(other, inferred)]
    if domains[0] is not None and domains[1] is not None:
        unknown = [value for value in domains[1] if value not in set(domains[0])]
        if unknown:
            named = ", ".join(unknown[:_NAMED_VALUES])
            more = len(unknown) - _NAMED_VALUES
            named += f" and {more} more" if more > 0 else ""
            known = f"{len(domains[0])} values without them"
            yield SchemaDifference(mine.name, "values", known, f"has also {named}")
    kind = [each.WhichOneof("domain_info") for each in (mine, other)]
    if kind[0] != kind[1] and {"bool_domain", "struct_domain"} & set(kind):
        yield SchemaDifference(mine.name, "domain", kind[0] or "", kind[1] or "")


def _shape(feature: Any) -> str:
    if feature.WhichOneof("shape_type") != "shape":
        return ""
    return "[" + ", ".join(str(dim.size) for dim in feature.shape.dim) + "]"


def _values(feature: Any, schema: schema_pb2.Schema) -> Sequence[str] | None:
    """Values of a feature's domain; None where it has none."""
    kind = feature.WhichOneof("domain_info")
    if kind == "string_domain":
        return list(feature.string_domain.value)
    if kind == "domain":
        for domain in schema.string_domain:
            if domain.name == feature.domain:
                return list(domain.value)
    return None
