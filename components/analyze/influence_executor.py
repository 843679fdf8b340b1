# SPDX-License-Identifier: Apache-2.0
"""Executor of FeatureInfluence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ...utils.errors import DataError, ParameterError, PenstockError, nearest
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, FeatureInfluenceArtifact, Model
from ..base.executor import Task
from ..ingest.examples_reader import count_rows, iter_record_batches
from ..train.flavors.model_artifact import load_model
from ..train.flavors.predictor import Predictor
from .evaluation_summary import OVERALL
from .influence_file import FORMAT, write_influence
from .influence_gradients import Attributions, differentiable, integrated_gradients
from .influence_permutation import BACKGROUND_ROWS, explain_record, permutation_influence
from .influence_scores import Array, Scorer

_log = get_logger(__name__)


@dataclass(frozen=True)
class _Measured:
    """What a method found: by feature, an array of (repeats, records)."""

    score: str
    base: Array
    worse: Mapping[str, Array]
    explained: list[dict[str, Any]]
    gap: float | None = None


class FeatureInfluenceExecutor:
    """Measures how much features matter to a model."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `influence`.

        Returns:
            `rows`, `features`, and `most_important`.

        Raises:
            ModelError: The model cannot be loaded.
            InputError: The records are not what it takes.
            ParameterError: A column is not there, or the method does not suit the model.
            DataError: There is no such split, or the label does not go with the model.
        """
        try:
            found = measure(task)
        except PenstockError as error:
            error.node = error.node or task.node_id
            raise
        write_influence(task.output("influence", FeatureInfluenceArtifact), found)
        overall = found["slices"][0]["features"]
        most = overall[0]["name"] if overall else ""
        _log.info("%s matters most of %d features", most, len(overall))
        return {"rows": found["rows"], "features": len(overall), "most_important": most}


def measure(task: Task) -> dict[str, Any]:
    """How much features matter, as `influence_file` describes it."""
    examples = task.input("examples", Examples)
    split = str(task.parameters.get("split") or "eval")
    seed = int(task.parameters.get("seed") or 0)
    rows = sample_rows(examples, split, _positive(task, "max_rows", 2000), seed)
    model = load_model(task.input("model", Model), signature=task.parameters.get("signature"))
    features = _features(task, model, rows)
    slice_by: list[str] = task.parameters.get("slice_by") or []
    for name in slice_by:
        _check_column(name, rows, "slice_by")
    gradients = task.parameters.get("method") == "integrated_gradients"
    measured = (
        _by_gradients(task, model, rows, features)
        if gradients
        else _by_permutation(task, model, rows, features)
    )
    slices = [_slice(OVERALL, np.ones(rows.num_rows, bool), measured)]
    smallest = _positive(task, "min_slice_rows", 20)
    for name in slice_by:
        for value, members in _values(rows, name):
            if members.sum() >= smallest:
                slices.append(_slice(f"{name}: {value}", members, measured))
    return {
        "format": FORMAT,
        "method": "integrated gradients" if gradients else "permutation",
        "score": measured.score,
        "split": split,
        "rows": rows.num_rows,
        "repeats": 1 if gradients else _positive(task, "repeats", 5),
        "seed": seed,
        "gap": measured.gap,
        "slices": slices,
        "explained": measured.explained,
    }


def sample_rows(examples: Examples, split: str, most: int, seed: int) -> pa.RecordBatch:
    """At most so many records of a split, drawn evenly, in their order.

    Raises:
        DataError: There is no such split, or it has no records.
    """
    total = count_rows(examples, split)
    if not total:
        raise DataError(f"split {split!r} has no records", location=examples.split_uri(split))
    chosen = np.arange(total)
    if total > most:
        chosen = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
    parts, start = [], 0
    for batch in iter_record_batches(examples, split):
        first, last = np.searchsorted(chosen, [start, start + batch.num_rows])
        if last > first:
            parts.append(pa.Table.from_batches([batch]).take(pa.array(chosen[first:last] - start)))
        start += batch.num_rows
    whole = pa.concat_tables(parts).combine_chunks()
    (found,) = whole.to_batches(max_chunksize=whole.num_rows)
    return found


def _by_permutation(
    task: Task, model: Predictor, rows: pa.RecordBatch, features: Sequence[str]
) -> _Measured:
    key = task.parameters.get("label_key")
    label = None
    if key:
        _check_column(key, rows, "label_key")
        label = rows.column(rows.schema.get_field_index(key))
    scorer = Scorer(model, task.parameters.get("output_key"), label)
    done = 0

    def report(name: str) -> None:
        nonlocal done
        done += 1
        task.report_progress(done, len(features), f"features, {name}")

    repeats = _positive(task, "repeats", 5)
    seed = int(task.parameters.get("seed") or 0)
    found = permutation_influence(scorer, rows, features, repeats, seed, report)
    plain = Scorer(model, scorer.output_key, None)
    background = rows.slice(0, BACKGROUND_ROWS)
    explained = []
    for number in range(min(int(task.parameters.get("explain") or 0), rows.num_rows)):
        prediction, adds = explain_record(plain, rows.slice(number, 1), background, features)
        explained.append(_explanation(rows, number, prediction, adds))
    return _Measured(found.score, found.base, found.worse, explained)


def _by_gradients(
    task: Task, model: Predictor, rows: pa.RecordBatch, features: Sequence[str]
) -> _Measured:
    through = differentiable(model)
    found: Attributions = integrated_gradients(
        through,
        rows,
        task.parameters.get("output_key"),
        _positive(task, "steps", 50),
        lambda done: task.report_progress(done, rows.num_rows, "records"),
    )
    names = [name for name in features if name in found.by_feature]
    if not names:
        raise ParameterError(
            "none of the features has gradients",
            expected=", ".join(found.by_feature),
            got=", ".join(features),
        )
    explained = [
        _explanation(
            rows,
            number,
            float(found.predictions[number]),
            {name: float(found.by_feature[name][number]) for name in names},
        )
        for number in range(min(int(task.parameters.get("explain") or 0), rows.num_rows))
    ]
    worse = {name: np.abs(found.by_feature[name])[None, :] for name in names}
    base = np.zeros(rows.num_rows)
    return _Measured("the prediction's change", base, worse, explained, found.gap)


def _explanation(
    rows: pa.RecordBatch, number: int, prediction: float, adds: Mapping[str, float]
) -> dict[str, Any]:
    values = {name: rows.column(rows.schema.get_field_index(name))[number].as_py() for name in adds}
    ordered = sorted(adds, key=lambda name: (-abs(adds[name]), name))
    return {
        "record": number,
        "prediction": prediction,
        "features": [
            {"name": name, "value": _shown(values[name]), "adds": adds[name]} for name in ordered
        ],
    }


def _slice(name: str, members: Array, measured: _Measured) -> dict[str, Any]:
    """Figures of some of the records, the most important feature first."""
    features: list[dict[str, Any]] = []
    for feature, worse in measured.worse.items():
        means = worse[:, members].mean(axis=1)
        features.append(
            {
                "name": feature,
                "importance": float(means.mean()),
                "deviation": float(means.std(ddof=1)) if len(means) > 1 else 0.0,
            }
        )
    features.sort(key=lambda each: (-each["importance"], each["name"]))
    return {
        "name": name,
        "rows": int(members.sum()),
        "base": float(measured.base[members].mean()),
        "features": features,
    }


def _values(rows: pa.RecordBatch, name: str) -> list[tuple[str, Array]]:
    column = rows.column(rows.schema.get_field_index(name))
    texts = np.array([_shown(value) for value in column.to_pylist()], dtype=object)
    return [(str(value), texts == value) for value in sorted(set(texts.tolist()), key=str)]


def _features(task: Task, model: Predictor, rows: pa.RecordBatch) -> list[str]:
    """Columns to measure: all that the model takes and the records have, or those named."""
    there = [each.name for each in model.input_features() if each.name in rows.schema.names]
    wanted: list[str] | None = task.parameters.get("features")
    for name in wanted or ():
        if name not in there:
            raise ParameterError(
                f"features names {name!r}, which the model does not take",
                expected=", ".join(there),
                got=name,
                suggestion=nearest(name, there),
            )
    if wanted is None and not there:
        # A signature that takes whole examples need not say which features it parses.
        label = task.parameters.get("label_key")
        there = [name for name in rows.schema.names if name != label]
    return list(wanted or there)


def _check_column(name: str, rows: pa.RecordBatch, parameter: str) -> None:
    if name not in rows.schema.names:
        raise ParameterError(
            f"{parameter} names {name!r}, which is no column of the examples",
            expected=", ".join(rows.schema.names),
            got=name,
            suggestion=nearest(name, rows.schema.names),
        )


def _positive(task: Task, name: str, default: int) -> int:
    value = task.parameters.get(name)
    number = default if value is None else int(value)
    if number < 1:
        raise ParameterError(f"{name} must be positive", expected="1 or more", got=number)
    return number


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return "(missing)" if value is None else str(value)
