# SPDX-License-Identifier: Apache-2.0
"""Permutation importance: how much worse a model gets when a feature's values are shuffled."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from .influence_scores import Array, Scorer, one_number

#: Values that each feature of one explained record is given in turn.
BACKGROUND_ROWS = 100


@dataclass(frozen=True)
class Influence:
    """How much features matter, record by record.

    Attributes:
        score: What is measured.
        base: The score of each record as it is; zeros where changes are measured.
        worse: By feature, how much worse each record gets, by repeat: (repeats, records).
    """

    score: str
    base: Array
    worse: Mapping[str, Array]


def permutation_influence(
    scorer: Scorer,
    rows: pa.RecordBatch,
    features: Sequence[str],
    repeats: int,
    seed: int,
    report: Callable[[str], None],
) -> Influence:
    """Shuffles each feature in turn.

    Args:
        scorer: The model, and what is true.
        rows: The records.
        features: Names of columns to shuffle.
        repeats: How often.
        seed: Seed. What is drawn for one feature does not depend on the others.
        report: Told of each feature that is done.
    """
    outputs, classes = scorer.outputs(rows)
    labelled = scorer.label is not None
    base = scorer.losses(outputs, classes) if labelled else np.zeros(len(outputs))
    worse = {}
    for name in features:
        found = []
        for repeat in range(repeats):
            random = np.random.default_rng([seed, zlib.crc32(name.encode()), repeat])
            order = random.permutation(rows.num_rows)
            column = rows.column(rows.schema.get_field_index(name)).take(pa.array(order))
            shuffled, _ = scorer.outputs(_with_column(rows, name, column))
            found.append(
                scorer.losses(shuffled, classes) - base
                if labelled
                else np.abs(shuffled - outputs).mean(axis=1)
            )
        worse[name] = np.stack(found)
        report(name)
    return Influence(scorer.score_name(outputs), base, worse)


def explain_record(
    scorer: Scorer,
    record: pa.RecordBatch,
    background: pa.RecordBatch,
    features: Sequence[str],
) -> tuple[float, dict[str, float]]:
    """What each feature's value adds to one prediction.

    Args:
        scorer: The model.
        record: One record.
        background: Records whose values the feature is given in turn.
        features: Names of features.

    Returns:
        (the prediction, for each feature the prediction less its mean over other values).
    """
    prediction = float(one_number(scorer.outputs(record)[0])[0])
    rows = background.num_rows
    repeated = pa.RecordBatch.from_arrays(
        [column.take(pa.array(np.zeros(rows, np.int64))) for column in record.columns],
        schema=record.schema,
    )
    adds = {}
    for name in features:
        column = background.column(background.schema.get_field_index(name))
        others = one_number(scorer.outputs(_with_column(repeated, name, column))[0])
        adds[name] = prediction - float(others.mean())
    return prediction, adds


def _with_column(rows: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    columns = [
        column if field.name == name else array
        for field, array in zip(rows.schema, rows.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)
