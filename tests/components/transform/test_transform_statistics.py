# SPDX-License-Identifier: Apache-2.0
"""Schema and statistics before and after a transform, where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow_data_validation")
pytest.importorskip("tensorflow_transform")

from penstock.components.base.artifact_types import ExampleAnomalies, ExampleStatistics, Schema
from penstock.utils.errors import ParameterError

pytestmark = pytest.mark.heavy

OUTPUTS = {
    "pre_transform_schema": Schema,
    "pre_transform_stats": ExampleStatistics,
    "post_transform_schema": Schema,
    "post_transform_stats": ExampleStatistics,
    "post_transform_anomalies": ExampleAnomalies,
}


@pytest.fixture(scope="module")
def described(
    raw_examples: Any, taxi_preprocessing_fn: Any, run_transform: Callable[..., Any]
) -> dict[str, Any]:
    """The outputs of a run that describes its data."""
    made: dict[str, Any] = {}
    run_transform(raw_examples, taxi_preprocessing_fn, outputs=OUTPUTS, made=made)
    return made


def test_both_sides_are_described(described: dict[str, Any]) -> None:
    """Skew between raw and transformed data cannot be looked into."""
    from penstock.components.validate.statistics_file import read_anomalies, read_statistics

    assert described["pre_transform_stats"].splits == ["train"]
    (raw,) = read_statistics(described["pre_transform_stats"], "train").datasets
    assert raw.num_examples == 400
    assert {feature.path.step[0] for feature in raw.features} >= {"fare", "miles", "tip"}
    assert described["post_transform_stats"].splits == ["train", "eval"]
    (made,) = read_statistics(described["post_transform_stats"], "eval").datasets
    by_name = {feature.path.step[0]: feature for feature in made.features}
    assert made.num_examples == 200
    assert abs(by_name["fare_z"].num_stats.mean) < 0.5
    assert not read_anomalies(described["post_transform_anomalies"], "train").anomaly_info
    schema = Path(described["post_transform_schema"].path("schema.pbtxt")).read_text()
    assert '"miles_bucket"' in schema
    schema = Path(described["pre_transform_schema"].path("schema.pbtxt")).read_text()
    assert '"miles"' in schema


def test_statistics_that_exist_are_not_computed_again(
    described: dict[str, Any],
    raw_examples: Any,
    taxi_preprocessing_fn: Any,
    run_transform: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What StatisticsGen computed is computed twice."""
    from penstock.components.validate import local_statistics
    from penstock.utils.hashing import digest_tree

    calls = []
    compute = local_statistics.compute_statistics

    def noted(*arguments: Any) -> Any:
        calls.append(arguments)
        return compute(*arguments)

    monkeypatch.setattr(local_statistics, "compute_statistics", noted)
    made: dict[str, Any] = {}
    given = {"statistics": described["pre_transform_stats"]}
    run_transform(raw_examples, taxi_preprocessing_fn, inputs=given, outputs=OUTPUTS, made=made)
    # Those of the two transformed splits.
    assert len(calls) == 2
    assert digest_tree(made["pre_transform_stats"].uri) == digest_tree(
        described["pre_transform_stats"].uri
    )
    with pytest.raises(ParameterError, match="lack a split") as caught:
        run_transform(
            raw_examples,
            taxi_preprocessing_fn,
            inputs=given,
            outputs=OUTPUTS,
            splits_config={"analyze": ["train", "eval"]},
        )
    assert caught.value.got == "train"
