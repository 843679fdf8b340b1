# SPDX-License-Identifier: Apache-2.0
"""Artifacts as tables to compute with: pandas DataFrames and Arrow tables."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ....components.base.artifact import Artifact
from ....components.base.artifact_types import Examples, ModelEvaluation
from ....utils import storage
from ....utils.errors import DataError, nearest
from .splits import as_type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_PREDICTIONS = "predictions-"


def to_arrow(
    artifact: Artifact,
    *,
    split: str | None = None,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """An artifact's data as a `pyarrow.Table`.

    `Examples` and predictions: their records. An evaluation: a row for each slice. Statistics:
    a row for each split and feature. What training logged: a row for each number and step.

    Args:
        artifact: The artifact.
        split: Name of the split; with none, records of all splits, with a column `split`.
        limit: How many records at most of each split; all by default.
        columns: Names of columns; all by default.

    Raises:
        DataError: The artifact holds no table, or has no such split or column.
    """
    import pyarrow as pa

    if artifact.TYPE_NAME == "Examples":
        return _examples(artifact, split, limit, columns)
    if artifact.TYPE_NAME == "InferenceResult":
        found = _predictions(artifact, split, limit)
    elif artifact.TYPE_NAME in _ROWS:
        rows = _ROWS[artifact.TYPE_NAME](artifact)
        rows = [row for row in rows if split is None or row.get("split", split) == split]
        found = pa.Table.from_pylist(rows[:limit])
    else:
        raise DataError(
            f"a {artifact.TYPE_NAME} holds no table",
            expected=", ".join(["Examples", "InferenceResult", *_ROWS]),
            got=repr(artifact),
        )
    return found.select(_known(found.column_names, columns)) if columns is not None else found


def to_pandas(
    artifact: Artifact,
    *,
    split: str | None = None,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """An artifact's data as a `pandas.DataFrame`: see `to_arrow`.

    Texts that were kept as bytes become text.

    Raises:
        DataError: The artifact holds no table, or has no such split or column.
    """
    import pyarrow as pa

    table = to_arrow(artifact, split=split, limit=limit, columns=columns)
    for index, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            try:
                texts = table.column(index).cast(pa.large_string())
            except pa.ArrowInvalid:
                continue  # bytes that are no text stay bytes
            table = table.set_column(index, field.name, texts)
    return table.to_pandas()


def _examples(
    artifact: Artifact, split: str | None, limit: int | None, columns: Sequence[str] | None
) -> pa.Table:
    from .examples_view import first_rows

    examples = as_type(artifact, Examples)
    chosen = list(columns) if columns is not None else None
    if split is not None:
        return first_rows(examples, split, limit, chosen)
    parts = {name: first_rows(examples, name, limit, chosen) for name in examples.splits}
    return _joined(parts, artifact)


def _joined(parts: dict[str, Any], artifact: Artifact) -> pa.Table:
    """Tables of splits as one, with a column that says which."""
    import pyarrow as pa

    if not parts:
        raise DataError("the artifact has no splits", got=repr(artifact), location=artifact.uri)
    column = "split"
    while any(column in table.column_names for table in parts.values()):
        column += "_"
    return pa.concat_tables(
        table.add_column(0, column, pa.array([name] * table.num_rows, pa.string()))
        for name, table in parts.items()
    )


def _predictions(artifact: Artifact, split: str | None, limit: int | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = storage.local_path(artifact.uri)
    there = sorted(
        name.removeprefix("Split-") for name in os.listdir(folder) if name.startswith("Split-")
    )
    if split is not None and split not in there:
        raise DataError(
            f"there are no predictions for split {split!r}",
            expected=", ".join(there) or "no splits at all",
            got=split,
            suggestion=nearest(split, there),
            location=artifact.uri,
        )
    parts = {}
    for name in [split] if split is not None else there:
        at = os.path.join(folder, f"Split-{name}")
        files = [os.path.join(at, each) for each in sorted(os.listdir(at))]
        files = [each for each in files if each.endswith(".parquet")]
        if not files:
            raise DataError(
                "the predictions are not in Parquet",
                expected=f"{_PREDICTIONS}….parquet",
                got=", ".join(sorted(os.listdir(at))[:5]) or "no files",
                location=at,
                fix='BulkInferrer(inference_format="parquet") writes it',
            )
        parts[name] = pa.concat_tables(pq.read_table(each) for each in files).slice(0, limit)
    return parts[split] if split is not None else _joined(parts, artifact)


def _known(there: Sequence[str], columns: Sequence[str]) -> list[str]:
    for name in columns:
        if name not in there:
            raise DataError(
                f"there is no column {name!r}",
                expected=", ".join(there),
                got=name,
                suggestion=nearest(name, there),
            )
    return list(columns)


def _evaluation_rows(artifact: Artifact) -> list[dict[str, Any]]:
    from ....components.analyze.evaluation_summary import metrics_by_slice
    from .evaluation_view import slice_name

    return [
        {
            "slice": slice_name(each),
            **{name: value for name, value in each.get("metrics", {}).items()},
            **{f"{name} (baseline)": v for name, v in (each.get("baseline") or {}).items()},
        }
        for each in metrics_by_slice(as_type(artifact, ModelEvaluation))
    ]


def _training_rows(artifact: Artifact) -> list[dict[str, Any]]:
    from .event_files import read_scalars

    return [
        {"name": tag, "series": series, "step": int(step), "value": value}
        for tag, each in read_scalars(storage.local_path(artifact.uri)).items()
        for series, points in each.items()
        for step, value in points
    ]


def _anomaly_rows(artifact: Artifact) -> list[dict[str, Any]]:
    from ....components.validate.anomaly_report import read_report

    return [
        {"split": a.split, "feature": a.feature, "severity": a.severity, "anomaly": a.short,
         "description": a.long}
        for a in read_report(artifact).anomalies
    ]  # fmt: skip


def _statistics_rows(artifact: Artifact) -> list[dict[str, Any]]:
    from ....components.base.artifact_types import ExampleStatistics
    from ....components.validate.distribution import features_by_name, whole_dataset
    from ....components.validate.statistics_file import read_statistics

    statistics = as_type(artifact, ExampleStatistics)
    rows = []
    for split in statistics.splits:
        found = features_by_name(whole_dataset(read_statistics(statistics, split)))
        for name, feature in found.items():
            kind = feature.WhichOneof("stats")
            stats = getattr(feature, kind)
            common = getattr(stats, "common_stats", stats)
            row: dict[str, Any] = {
                "split": split, "feature": name,
                "present": common.num_non_missing, "missing": common.num_missing,
                "mean": None, "std_dev": None, "min": None, "median": None, "max": None,
                "distinct": None,
            }  # fmt: skip
            if kind == "num_stats":
                row |= {key: getattr(stats, key) for key in ("mean", "min", "median", "max")}
                row["std_dev"] = stats.std_dev
            elif kind == "string_stats":
                row["distinct"] = stats.unique
            rows.append(row)
    return rows


def _trial_rows(artifact: Artifact) -> list[dict[str, Any]]:
    from ....components.train.tuning.trial_records import read_trials

    return [
        {"trial": each["number"], "state": each["state"], "value": each["value"],
         **{name: _plain(v) for name, v in each["parameters"].items()}}
        for each in read_trials(storage.local_path(artifact.uri))["trials"]
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool)) else json.dumps(value)


_ROWS = {
    "ModelEvaluation": _evaluation_rows,
    "ModelRun": _training_rows,
    "ExampleAnomalies": _anomaly_rows,
    "ExampleStatistics": _statistics_rows,
    "TunerResults": _trial_rows,
}
