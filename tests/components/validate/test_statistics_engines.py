# SPDX-License-Identifier: Apache-2.0
"""`StatisticsGen`: in one process and on Beam, and what only one of them can do."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import Examples, ExampleStatistics, Schema
from penstock.components.base.executor import Task
from penstock.components.validate.stats_options import StatsOptions
from penstock.utils.errors import ParameterError

tfdv = pytest.importorskip("tensorflow_data_validation")
pytestmark = pytest.mark.heavy

#: Another than the one inside this process: for it, Beam takes over.
ELSEWHERE = ["--runner=DirectRunner", "--direct_running_mode=multi_processing"]
EPSILON = 0.01


def table(rows: int) -> dict[str, list[Any]]:
    """Rows with numbers, texts, missing values and weights."""
    draw = random.Random(7)
    return {
        "n": [draw.randrange(-50, 1000) if draw.random() > 0.1 else None for _ in range(rows)],
        "x": [draw.gauss(3, 2) for _ in range(rows)],
        "s": [draw.choice("abcde") if draw.random() > 0.2 else None for _ in range(rows)],
        "id": [f"id-{number % 9_999}" for number in range(rows)],
        "w": [draw.random() + 0.5 for _ in range(rows)],
    }


def compute(
    examples: Examples, folder: Path, beam: list[str], schema: Schema | None = None, **options: Any
) -> ExampleStatistics:
    """Runs the executor; `beam` are its flags."""
    from penstock.components.validate.statistics_executor import StatisticsExecutor

    folder.mkdir()
    made = ExampleStatistics(str(folder))
    sharded = options.pop("sharded", False)
    task = Task(
        inputs={"examples": [examples], "schema": [schema] if schema else []},
        outputs={"statistics": [made]},
        parameters={
            "stats_options": options,
            "exclude_splits": [],
            "sharded_stats_output": sharded,
        },
        beam_pipeline_args=beam,
    )
    made.custom_properties["engine"] = StatisticsExecutor().execute(task)["engine"]
    return made


def datasets(artifact: ExampleStatistics, split: str = "train") -> Mapping[str, Any]:
    """Statistics by slice, as TFDV itself reads them."""
    loaded = tfdv.load_stats_binary(artifact.path(f"Split-{split}", "FeatureStats.pb"))
    return {dataset.name: dataset for dataset in loaded.datasets}


def features(dataset: Any) -> dict[str, Any]:
    """Statistics of features, by name."""
    return {each.path.step[0]: each for each in dataset.features}


def check_equal(one: Any, other: Any) -> None:
    """Both are equal where the algorithm is exact, and close where it is not."""
    assert one.num_examples == other.num_examples
    assert list(features(one)) == list(features(other))
    for mine, theirs in zip(one.features, other.features, strict=True):
        kind = mine.WhichOneof("stats")
        assert kind == theirs.WhichOneof("stats") and mine.type == theirs.type
        a, b = getattr(mine, kind), getattr(theirs, kind)
        for name in ("num_non_missing", "num_missing", "min_num_values", "max_num_values"):
            assert getattr(a.common_stats, name) == getattr(b.common_stats, name)
        assert a.common_stats.tot_num_values == b.common_stats.tot_num_values
        if kind == "string_stats":
            assert (a.unique, list(a.top_values)) == (b.unique, list(b.top_values))
            assert a.rank_histogram == b.rank_histogram
            assert a.avg_length == pytest.approx(b.avg_length, rel=1e-6)
            continue
        assert (a.min, a.max, a.num_zeros) == (b.min, b.max, b.num_zeros)
        assert a.mean == pytest.approx(b.mean, rel=1e-12)
        assert a.std_dev == pytest.approx(b.std_dev, rel=1e-9)
        check_quantiles(a, b)


def check_quantiles(a: Any, b: Any) -> None:
    """Bounds of quantiles differ by no more ranks than both errors allow."""
    mine, theirs = (
        next(h for h in stats.histograms if h.type == h.QUANTILES).buckets for stats in (a, b)
    )
    # Where the values are spread over a range, a rank's share moves a bound in proportion
    # to the density there; a bucket and its neighbours bound it.
    for index in range(1, len(mine) - 1):
        assert theirs[index - 1].low_value <= mine[index].low_value <= theirs[index].high_value


@pytest.mark.slow
def test_engines_agree(examples: Any, tmp_path: Path) -> None:
    """What is computed depends on where it is computed."""
    data = examples(train=table(20_000), eval=table(500))
    options = {"desired_batch_size": 4_000, "weight_feature": "w", "epsilon": EPSILON}
    local = compute(data, tmp_path / "local", [], **options)
    beam = compute(data, tmp_path / "beam", ELSEWHERE, **options)
    engines = [each.custom_properties["engine"] for each in (local, beam)]
    assert engines == ["local", "beam"]
    for split in ("train", "eval"):
        check_equal(datasets(local, split)[""], datasets(beam, split)[""])


def test_exact_counts_of_many_values(examples: Any, tmp_path: Path) -> None:
    """Distinct values beyond the sketch's size are off by more than its bound."""
    rows = 40_000
    data = examples(train={"id": [f"id-{number}" for number in range(rows)]})
    exact = compute(data, tmp_path / "exact", [], use_sketch_based_topk_uniques=False)
    sketch = compute(data, tmp_path / "sketch", [])
    assert exact.custom_properties["engine"] == "beam"
    counts = [features(datasets(each)[""])["id"].string_stats.unique for each in (exact, sketch)]
    assert counts[0] == rows
    # Four standard errors of a sketch of 16,384 smallest hashes.
    assert counts[1] == pytest.approx(rows, rel=4 / 16_384**0.5)


def test_slices(examples: Any, tmp_path: Path) -> None:
    """Slices are missing, hold other records, or depend on the engine."""
    data = examples(train=table(3_000))
    config = {
        "slicing_specs": [{"feature_keys": ["s"]}, {"feature_values": {"s": "a"}}],
    }
    local = compute(data, tmp_path / "local", [], slicing_config=config, desired_batch_size=500)
    # The other engine, inside this process.
    exact = {"use_sketch_based_topk_uniques": False}
    beam = compute(data, tmp_path / "beam", [], slicing_config=config, **exact)
    assert beam.custom_properties["engine"] == "beam"
    assert list(datasets(local)) == ["All Examples", "s_a", "s_b", "s_c", "s_d", "s_e"]
    assert list(datasets(beam)) == list(datasets(local))
    for name, dataset in datasets(local).items():
        check_counts(dataset, datasets(beam)[name])
    # Both specs make the slice `s_a`, as TFDV has it.
    of_b = sum(value == "b" for value in table(3_000)["s"])
    assert datasets(local)["s_b"].num_examples == of_b


def check_counts(one: Any, other: Any) -> None:
    """Both count the same records, and the same missing values."""
    assert one.num_examples == other.num_examples
    for name, mine in features(one).items():
        theirs = features(other)[name]
        stats = [getattr(each, each.WhichOneof("stats")).common_stats for each in (mine, theirs)]
        assert stats[0].num_non_missing == stats[1].num_non_missing


def test_slices_by_queries(examples: Any, tmp_path: Path) -> None:
    """Queries make no slices, or one that is no query passes as a slice named INVALID."""
    data = examples(train=table(1_000))
    query = "SELECT STRUCT(s) FROM example.s WHERE s != b'a'"
    found = datasets(compute(data, tmp_path / "one", [], experimental_slice_sqls=[query]))
    assert set(found) == {"All Examples", "s_b", "s_c", "s_d", "s_e"}
    with pytest.raises(ParameterError, match="cannot be understood"):
        compute(data, tmp_path / "two", [], experimental_slice_sqls=["SELECT STRUCT(nothing)"])
    mixed = {"slicing_specs": [{"feature_keys": ["s"]}, {"slice_keys_sql": query}]}
    with pytest.raises(ParameterError, match="not by both"):
        compute(data, tmp_path / "three", [], slicing_config=mixed)


def test_label_feature_needs_beam(examples: Any, schema_of: Any, tmp_path: Path) -> None:
    """How much values lift the label is left out without a word."""
    data = examples(train={"s": ["a", "b"] * 50, "y": [0, 1] * 50})
    schema = schema_of(
        'feature { name: "s" type: BYTES } '
        'feature { name: "y" type: INT int_domain { is_categorical: true } }'
    )
    made = compute(data, tmp_path / "lift", [], schema=schema, label_feature="y")
    assert made.custom_properties["engine"] == "beam"
    custom = datasets(made)[""].cross_features or features(datasets(made)[""])["s"].custom_stats
    assert custom


def test_sharded_output(examples: Any, tmp_path: Path) -> None:
    """TFDV cannot read the shards, or they lack features."""
    data = examples(train=table(100))
    made = compute(data, tmp_path / "made", [], sharded=True, experimental_result_partitions=2)
    prefix = made.path("Split-train", "FeatureStats.tfrecords")
    assert len(list((tmp_path / "made" / "Split-train").glob("*-of-00002"))) == 2
    loaded = tfdv.load_sharded_statistics(prefix).proto()
    assert {f.path.step[0] for f in loaded.datasets[0].features} == set(table(1))


def test_every_option_that_serializes_is_there() -> None:
    """An option of TFDV's cannot be given, or its default is another."""
    functions = {"generators", "schema", "slice_functions", "experimental_slice_functions"}
    functions |= {"per_feature_stats_config", "experimental_use_sketch_based_topk_uniques"}
    import inspect

    wanted = inspect.signature(tfdv.StatsOptions.__init__).parameters
    assert set(wanted) - functions - {"self"} == set(StatsOptions.model_fields) - {"schema_text"}
    for name, value in StatsOptions().model_dump(exclude={"schema_text"}).items():
        assert value == wanted[name].default


def test_same_bytes_on_beam_inside_this_process(examples: Any, tmp_path: Path) -> None:
    """Equal data has different bytes, so nothing downstream is reused."""
    data = examples(train=table(300))
    written = {
        (tmp_path / name / "Split-train" / "FeatureStats.pb").read_bytes()
        for name in ("one", "two")
        if compute(data, tmp_path / name, [], use_sketch_based_topk_uniques=False)
    }
    assert len(written) == 1
