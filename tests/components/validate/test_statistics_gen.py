# SPDX-License-Identifier: Apache-2.0
"""`StatisticsGen`: what it computes, and that equal data has equal statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.components.validate.statistics_gen import StatisticsGen
from penstock.utils.errors import ParameterError

tfdv = pytest.importorskip("tensorflow_data_validation")
pytestmark = pytest.mark.heavy

TRAIN = {
    "n": [1, 2, None, 4] * 50,
    "x": [0.5, 1.5, 2.5, None] * 50,
    "s": ["a", "b", "a", None] * 50,
    "w": [1.0, 2.0, 3.0, 4.0] * 50,
}
EVAL = {name: cells[:20] for name, cells in TRAIN.items()}


def load(artifact: Any, split: str) -> Any:
    """Statistics as TFDV itself reads them."""
    return tfdv.load_stats_binary(f"{artifact.uri}/Split-{split}/FeatureStats.pb")


def feature(artifact: Any, split: str, name: str) -> Any:
    """Statistics of one feature."""
    return tfdv.get_feature_stats(load(artifact, split).datasets[0], tfdv.FeaturePath([name]))


def test_counts_and_moments(execute: Any, examples: Any) -> None:
    """Statistics are wrong, or are not where TFX puts them."""
    found = execute(StatisticsGen, {"examples": examples(train=TRAIN, eval=EVAL)})["statistics"]
    assert found.splits == ["train", "eval"] and found.span == 3
    assert load(found, "train").datasets[0].num_examples == 200
    assert load(found, "eval").datasets[0].num_examples == 20
    n = feature(found, "train", "n").num_stats
    assert (n.common_stats.num_missing, n.common_stats.num_non_missing) == (50, 150)
    assert n.mean == pytest.approx(7 / 3)
    assert (n.min, n.max) == (1, 4)
    s = feature(found, "train", "s").string_stats
    assert [(v.value, v.frequency) for v in s.top_values] == [("a", 100), ("b", 50)]
    assert s.unique == 2


def test_batches_add_up_to_the_whole(execute: Any, examples: Any) -> None:
    """Statistics of several batches differ from those of one."""
    data = examples(train=TRAIN)
    whole = execute(StatisticsGen, {"examples": data})["statistics"]
    parts = execute(StatisticsGen, {"examples": data}, stats_options={"desired_batch_size": 7})[
        "statistics"
    ]
    for name in TRAIN:
        one, many = feature(whole, "train", name), feature(parts, "train", name)
        if one.HasField("num_stats"):
            assert many.num_stats.mean == pytest.approx(one.num_stats.mean)
            assert many.num_stats.std_dev == pytest.approx(one.num_stats.std_dev)
            assert many.num_stats.common_stats.num_missing == one.num_stats.common_stats.num_missing
        else:
            assert many.string_stats.rank_histogram == one.string_stats.rank_histogram


def test_payload_format_makes_no_difference(execute: Any, examples: Any) -> None:
    """Bytes differ between runs or payload formats, so nothing downstream is reused."""
    written = {
        (Path(found.uri) / "Split-train/FeatureStats.pb").read_bytes()
        for payload in ("parquet", "parquet", "tfrecord", "tfrecord_gzip")
        for found in [
            execute(StatisticsGen, {"examples": examples(payload, train=TRAIN)})["statistics"]
        ]
    }
    assert len(written) == 1


def test_options(execute: Any, examples: Any) -> None:
    """An option has no effect."""
    data = examples(train=TRAIN)
    found = execute(
        StatisticsGen,
        {"examples": data},
        stats_options={"feature_allowlist": ["x", "s"], "weight_feature": "w", "num_top_values": 1},
    )["statistics"]
    names = {f.path.step[0] for f in load(found, "train").datasets[0].features}
    assert names == {"x", "s", "w"}
    assert feature(found, "train", "x").num_stats.weighted_numeric_stats.mean == pytest.approx(
        (0.5 * 1 + 1.5 * 2 + 2.5 * 3) / 6
    )
    assert len(feature(found, "train", "s").string_stats.top_values) == 1
    other = execute(
        StatisticsGen,
        {"examples": data},
        stats_options={"per_feature_weight_override": {"x": "w"}},
    )["statistics"]
    assert feature(other, "train", "x").num_stats.HasField("weighted_numeric_stats")


def test_sample_is_the_same_every_time(execute: Any, examples: Any) -> None:
    """Sampling makes every run's statistics different, or depends on batches."""
    data = examples(train={"x": list(range(5000))})
    counts = [
        load(
            execute(StatisticsGen, {"examples": data}, stats_options=options)["statistics"], "train"
        )
        .datasets[0]
        .num_examples
        for options in (
            {"sample_rate": 0.1},
            {"sample_rate": 0.1},
            {"sample_rate": 0.1, "desired_batch_size": 100},
        )
    ]
    assert len(set(counts)) == 1
    assert 400 < counts[0] < 600


def test_schema_makes_numbers_categories(execute: Any, examples: Any, schema_of: Any) -> None:
    """A schema has no effect on statistics."""
    text = 'feature { name: "n" type: INT int_domain { is_categorical: true } }'
    inputs = {"examples": examples(train=TRAIN), "schema": schema_of(text)}
    with pytest.raises(ParameterError, match="given twice"):
        execute(StatisticsGen, inputs, stats_options={"schema_text": text})
    found = execute(StatisticsGen, inputs)
    del inputs["schema"]
    same = execute(StatisticsGen, inputs, stats_options={"schema_text": text})
    assert load(same["statistics"], "train") == load(found["statistics"], "train")
    assert feature(found["statistics"], "train", "n").HasField("string_stats")


def test_split_without_records(execute: Any, examples: Any) -> None:
    """A split that got no record stops the pipeline, or loses its features."""
    empty: dict[str, list[Any]] = {name: [] for name in TRAIN}
    found = execute(StatisticsGen, {"examples": examples(train=TRAIN, eval=empty)})["statistics"]
    assert load(found, "eval").datasets[0].num_examples == 0


def test_splits_can_be_left_out(execute: Any, examples: Any) -> None:
    """`exclude_splits` has no effect, or a misspelt one is ignored."""
    data = examples(train=TRAIN, eval=EVAL)
    found = execute(StatisticsGen, {"examples": data}, exclude_splits=["eval"])["statistics"]
    assert found.splits == ["train"]
    assert not (Path(found.uri) / "Split-eval").exists()
    with pytest.raises(ParameterError, match=r"did you mean: *eval"):
        execute(StatisticsGen, {"examples": data}, exclude_splits=["evla"])
    # What has been left out before is no mistake.
    again = execute(StatisticsGen, {"examples": data}, exclude_splits=["old", "eval"])["statistics"]
    assert again.splits == ["train"]
    with pytest.raises(ParameterError, match="leaves no split"):
        execute(StatisticsGen, {"examples": data}, exclude_splits=["eval", "train"])


def test_unknown_features_are_named(execute: Any, examples: Any) -> None:
    """A misspelt feature is ignored."""
    for options in (
        {"feature_allowlist": ["weigth"]},
        {"weight_feature": "weigth"},
        {"per_feature_weight_override": {"weight": "weigth"}},
    ):
        with pytest.raises(ParameterError, match=r"did you mean: *weight"):
            execute(
                StatisticsGen,
                {"examples": examples(train={"weight": [1.0]})},
                stats_options=options,
            )
