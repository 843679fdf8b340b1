# SPDX-License-Identifier: Apache-2.0
"""`DistributionValidator` and `ExampleDiff`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.components.validate.anomaly_report import read_report
from penstock.components.validate.distribution_validator import DistributionValidator
from penstock.components.validate.example_diff import ExampleDiff
from penstock.utils.errors import GateError, ParameterError

pytestmark = pytest.mark.heavy

NOW = {"s": ["a", "a", "a", "b"] * 25, "n": [1.0, 2.0, 3.0, 4.0] * 25, "new": ["x"] * 100}
BEFORE = {"s": ["a", "b", "b", "b"] * 25, "n": [1.0, 2.0, 3.0, 4.0] * 25}
CONFIG = {
    "default_slice_config": {
        "feature": [
            {"path": "s", "distribution_comparator": {"infinity_norm": 0.1}},
            {
                "path": {"step": ["n"]},
                "distribution_comparator": {"jensen_shannon_divergence": 0.1},
            },
        ],
        "num_examples_comparator": {"min_fraction_threshold": 0.9},
    }
}


def test_pairs_of_splits_are_compared(execute: Any, statistics: Any) -> None:
    """A shift is not found, or what only the schema forbids counts as one."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    inputs = {
        "statistics": statistics(train=NOW, eval={**BEFORE, "new": ["y"] * 100}),
        "baseline_statistics": statistics(train=BEFORE, eval=BEFORE),
    }
    found = execute(DistributionValidator, inputs, config=CONFIG)["anomalies"]
    assert found.splits == ["train_train", "eval_eval"]
    assert json.loads(found.custom_properties["blessed"]) == {"train_train": 0, "eval_eval": 1}
    with open(found.path("SplitPair-train_train", "SchemaDiff.pb"), "rb") as file:
        kept = anomalies_pb2.Anomalies.FromString(file.read())
    assert set(kept.anomaly_info) == {"s"}
    (chart,) = read_report(found).charts
    assert chart.feature == "s" and "a 25.0% → 75.0%" in chart.note
    with pytest.raises(GateError, match="1 anomaly"):
        execute(DistributionValidator, inputs, config=CONFIG, fail_on="errors")
    crossed = execute(
        DistributionValidator, inputs, config=CONFIG, include_split_pairs=[["eval", "train"]]
    )["anomalies"]
    assert crossed.splits == ["eval_train"]
    with pytest.raises(ParameterError, match=r"did you mean: *eval"):
        execute(
            DistributionValidator, inputs, config=CONFIG, include_split_pairs=[["evla", "eval"]]
        )


def test_what_cannot_be_compared_is_an_anomaly(execute: Any, statistics: Any) -> None:
    """A feature that went missing passes, since there is nothing to compare."""
    inputs = {
        "statistics": statistics(train=NOW),
        "baseline_statistics": statistics(train=BEFORE),
    }
    wanted = {"path": "new", "distribution_comparator": {"infinity_norm": 0.1}}
    found = execute(
        DistributionValidator, inputs, config={"default_slice_config": {"feature": [wanted]}}
    )["anomalies"]
    assert "Comparison could not be done" in {a.short for a in read_report(found).anomalies}


def test_nothing_to_compare_with(execute: Any, statistics: Any) -> None:
    """The first run of a pipeline cannot pass."""
    found = execute(
        DistributionValidator, {"statistics": statistics(train=NOW)}, config=CONFIG, fail_on="any"
    )["anomalies"]
    assert json.loads(found.custom_properties["blessed"]) == {"train": 2}


def test_records_that_differ(execute: Any, examples: Any) -> None:
    """Skew between single records is not found, or counted in the wrong feature."""
    from tensorflow_data_validation.skew import feature_skew_detector as detector

    test = {"id": ["a", "b", "c", "d"], "x": [1, 2, 30, 4], "y": ["p", None, "r", "s"]}
    base = {"id": ["a", "b", "c", "e"], "x": [1, 2, 3, 4], "y": ["p", "q", "r", "s"]}
    skew = {
        "identifier_features": ["id"],
        "skew_sample_size": 5,
        "confusion_config": [{"feature_name": "y"}],
    }
    inputs = {
        "examples": examples(train=test),
        "baseline_examples": examples("tfrecord", train=base),
    }
    found = execute(ExampleDiff, inputs, config={"paired_example_skew": skew})["example_diff"]
    folder = found.path("SplitPair-train_train")
    results = {
        r.feature_name: (r.match_count, r.mismatch_count, r.base_only)
        for r in detector.skew_results_iterator(f"{folder}/skew_stats")
    }
    assert found.splits == ["train_train"]
    assert results["x"][:2] == (2, 1) and results["y"] == (2, 0, 1)
    assert len(list(detector.skew_pair_iterator(f"{folder}/sample_pairs"))) == 2
    counts = {
        (c.base.bytes_value, c.test.bytes_value): c.count
        for c in detector.confusion_count_iterator(f"{folder}/confusion")
    }
    assert counts == {(b"p", b"p"): 1, (b"q", b"__MISSING_VALUE__"): 1, (b"r", b"r"): 1}
    for wrong, told in (
        ({"identifier_features": ["idd"]}, r"did you mean: *id"),
        ({**skew, "confusion_config": [{"feature_name": "x"}]}, "no text"),
    ):
        with pytest.raises(ParameterError, match=told):
            execute(ExampleDiff, inputs, config={"paired_example_skew": wrong})
