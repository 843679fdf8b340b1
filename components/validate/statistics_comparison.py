# SPDX-License-Identifier: Apache-2.0
"""What statistics are compared with, and by which comparators."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils.errors import ParameterError, nearest
from ..base.artifact_types import ExampleStatistics
from .comparators import DEFAULT_CATEGORIES, DEFAULT_NUMBERS, Comparators, FeatureComparator
from .distribution import features_by_name
from .statistics_file import read_statistics

_log = logging.getLogger(__name__)

#: Against what: the span before, or what the model is asked about.
Comparison = Literal["drift", "skew"]

_CATEGORIES_ONLY = ("infinity_norm", "normalized_abs_difference")


def baseline_split(
    baseline: ExampleStatistics | None, split: str, comparison: Comparison, node: str
) -> Any:
    """Statistics that those of a split are compared with, or None where there are none.

    They are those of the same split, or of the only one there is.
    """
    if baseline is None:
        return None
    if split in baseline.splits:
        return read_statistics(baseline, split)
    if comparison == "skew" and len(baseline.splits) == 1:
        return read_statistics(baseline, baseline.splits[0])
    _log.warning(
        "%s: no %s is looked for in split %s: the other statistics have only %s",
        node,
        comparison,
        split,
        ", ".join(baseline.splits) or "no splits",
    )
    return None


def set_comparators(
    schema: schema_pb2.Schema,
    comparators: Comparators | None,
    dataset: Any,
    comparison: Comparison,
    node: str,
) -> None:
    """Puts comparators into a schema, in the place of those that it has.

    Args:
        schema: Is changed.
        comparators: What to put there. None keeps the schema's; where it has none at all,
            every feature gets a default.
        dataset: Statistics that are to be validated: they tell which features are categories.
        comparison: Which of the comparators to set.
        node: Id of the node, for messages.

    Raises:
        ParameterError: A comparator names a feature that is not there, or does not fit it.
    """
    attribute = f"{comparison}_comparator"
    if comparators is None and _has_comparators(schema, attribute):
        return
    kinds = {
        name: feature.WhichOneof("stats") for name, feature in features_by_name(dataset).items()
    }
    names = [feature.name for feature in schema.feature]
    chosen = comparators or Comparators()
    for name in chosen.features:
        if name not in names:
            raise ParameterError(
                f"the {comparison} comparators name {name!r}, which is no feature of the schema",
                node=node,
                expected=", ".join(names),
                got=name,
                suggestion=nearest(name, names),
            )
    for feature in schema.feature:
        feature.ClearField(attribute)
        found = _comparator(feature.name, chosen, comparators is None, kinds.get(feature.name))
        if found is not None:
            _check_fit(feature.name, found, kinds.get(feature.name), comparison, node)
            json_format.ParseDict(found.model_dump(exclude_none=True), getattr(feature, attribute))
    _set_num_examples(schema, chosen, comparison, node)


def _comparator(
    name: str, chosen: Comparators, out_of_the_box: bool, kind: str | None
) -> FeatureComparator | None:
    if name in chosen.features:
        return chosen.features[name]
    if out_of_the_box:
        return {"string_stats": DEFAULT_CATEGORIES, "num_stats": DEFAULT_NUMBERS}.get(kind or "")
    default = chosen.default
    if default is None:
        return None
    by_shares = any(getattr(default, each) is not None for each in _CATEGORIES_ONLY)
    unfit: tuple[str, ...] = _CATEGORIES_ONLY
    if kind == "string_stats":
        unfit = ("jensen_shannon_divergence",) if by_shares else ()
    fitting = default.model_copy(update=dict.fromkeys(unfit))
    return fitting if fitting.model_dump(exclude_none=True) else None


def _check_fit(
    name: str, found: FeatureComparator, kind: str | None, comparison: Comparison, node: str
) -> None:
    # TFDV would find a distance of 0 between any two distributions of numbers.
    wrong = [each for each in _CATEGORIES_ONLY if getattr(found, each) is not None]
    if kind == "num_stats" and wrong:
        raise ParameterError(
            f"feature {name!r} holds numbers, which {wrong[0]} does not compare",
            node=node,
            expected="jensen_shannon_divergence, or a feature that is a category",
            got=f"{comparison} comparator {wrong[0]}",
            fix="use jensen_shannon_divergence; or, where the numbers are categories, set "
            "int_domain { is_categorical: true } in a schema that StatisticsGen gets, too",
        )


def _has_comparators(schema: schema_pb2.Schema, attribute: str) -> bool:
    drift = attribute == "drift_comparator"
    return any(feature.HasField(attribute) for feature in schema.feature) or (
        drift and schema.dataset_constraints.HasField("num_examples_drift_comparator")
    )


def _set_num_examples(
    schema: schema_pb2.Schema, chosen: Comparators, comparison: Comparison, node: str
) -> None:
    if comparison == "drift" and schema.HasField("dataset_constraints"):
        schema.dataset_constraints.ClearField("num_examples_drift_comparator")
    if chosen.num_examples is None:
        return
    if comparison == "skew":
        raise ParameterError(
            "the number of records is not compared with serving data",
            node=node,
            expected="skew comparators without num_examples",
            got=str(chosen.num_examples),
        )
    json_format.ParseDict(
        chosen.num_examples.model_dump(exclude_none=True),
        schema.dataset_constraints.num_examples_drift_comparator,
    )


def environment_of(schema: schema_pb2.Schema, environment: str | None, node: str) -> str | None:
    """The schema environment to validate in.

    Raises:
        ParameterError: The schema has no such environment.
    """
    known: Sequence[str] = list(schema.default_environment)
    if environment is None or environment in known:
        return environment
    raise ParameterError(
        f"the schema has no environment {environment!r}",
        node=node,
        expected=", ".join(known) or "none: the schema has no environments",
        got=environment,
        suggestion=nearest(environment, known),
        fix="add it: SchemaGen(environments={…}), or default_environment in the schema file",
    )
