# SPDX-License-Identifier: Apache-2.0
"""`ExampleValidator`: drift, skew, labels, custom validations, and which of them stop."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.components.validate.anomaly_report import AnomalyReport, read_report
from penstock.components.validate.comparators import Comparators
from penstock.components.validate.example_validator import ExampleValidator
from penstock.components.validate.schema_gen import SchemaGen
from penstock.utils.errors import GateError, ParameterError

pytestmark = pytest.mark.heavy

BEFORE = {"s": ["a", "b"] * 500, "n": [1.0, 2.0, 3.0, 4.0] * 250, "y": [0, 0, 0, 1] * 250}
NOW = {"s": ["a", "a", "a", "b"] * 250, "n": [1.0, 9.0, 9.0, 9.0] * 250, "y": [0, 0, 0, 1] * 250}


@pytest.fixture
def report(execute: Any, statistics: Any) -> Any:
    """What is found in columns, with a schema that fits them."""

    def run(
        now: dict[str, Any] = NOW,
        before: dict[str, Any] | None = BEFORE,
        serving: dict[str, Any] | None = None,
        eval_split: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> AnomalyReport:
        found = statistics(train=now, **({"eval": eval_split} if eval_split else {}))
        inputs = {
            "statistics": found,
            "schema": execute(SchemaGen, {"statistics": found})["schema"],
        }
        if before:
            inputs["previous_statistics"] = statistics(train=before)
        if serving:
            inputs["serving_statistics"] = statistics(logged=serving)
        return read_report(execute(ExampleValidator, inputs, **parameters)["anomalies"])

    return run


def named(found: AnomalyReport) -> list[tuple[str, str]]:
    """Features and what is the matter with them."""
    return [(each.feature, each.short) for each in found.anomalies]


LINFTY = "High Linfty distance between current and previous"
DIVERGENCE = "High approximate Jensen-Shannon divergence between current and previous"


def test_drift_is_found_out_of_the_box(report: Any) -> None:
    """A previous span is given, and nothing is compared with it."""
    found = report()
    assert named(found) == [("n", DIVERGENCE), ("s", LINFTY)]
    assert "a 50.0% → 75.0%" in found.anomalies[1].long
    assert {(d.feature, d.measure) for d in found.distances} >= {
        ("s", "infinity norm"),
        ("n", "Jensen-Shannon divergence"),
    }
    sides = ["previous: span 3 (train)", "span 3 (train)"]
    assert [side.name for side in found.charts[0].sides] == sides


def test_no_previous_span_yet(report: Any) -> None:
    """The first span of a pipeline does not pass."""
    assert report(before=None).anomalies == []


def test_thresholds_come_from_the_parameter(report: Any) -> None:
    """Comparators need an edit of the schema, or defaults override those of a feature."""
    comparators = {
        "default": {"infinity_norm": 0.05, "jensen_shannon_divergence": 0.99},
        "features": {"s": {"infinity_norm": 0.3, "jensen_shannon_divergence": {"threshold": 0.9}}},
        "num_examples": {"max_fraction_threshold": 1.5},
    }
    assert report(drift_comparators=comparators).anomalies == []
    comparators["features"] = {"s": None}
    comparators["num_examples"] = {"min_fraction_threshold": 1.1}
    found = report(drift_comparators=comparators)
    assert [each.feature for each in found.anomalies] == ["(whole split)"]
    assert Comparators.model_validate(comparators).model_dump(mode="json")["features"] == {
        "s": None
    }


def test_all_comparators_of_tfdv(report: Any) -> None:
    """One of the comparators has no effect."""
    every = dict.fromkeys(
        ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference"), 0.01
    )
    found = report(drift_comparators={"features": {"s": every}})
    assert [short for _, short in named(found)] == [
        LINFTY,
        DIVERGENCE,
        "High normalized absolute difference between current and previous",
    ] or len(found.anomalies) == 3


def test_comparators_that_cannot_work(report: Any) -> None:
    """TFDV's distance of 0 between any two columns of numbers is taken for no drift."""
    with pytest.raises(ParameterError, match="does not compare"):
        report(drift_comparators={"features": {"n": {"infinity_norm": 0.1}}})
    with pytest.raises(ParameterError, match="is no feature of the schema"):
        report(drift_comparators={"features": {"sss": {"infinity_norm": 0.1}}})
    with pytest.raises(ParameterError, match="not compared with serving"):
        report(serving=NOW, skew_comparators={"num_examples": {"min_fraction_threshold": 1}})


def test_comparators_of_the_schema_hold(execute: Any, statistics: Any, schema_of: Any) -> None:
    """Thresholds in a curated schema are replaced by defaults."""
    schema = schema_of(
        'feature { name: "s" type: BYTES drift_comparator { infinity_norm { threshold: 0.3 } } }'
        'feature { name: "n" type: FLOAT } feature { name: "y" type: INT }'
    )
    inputs = {
        "statistics": statistics(train=NOW),
        "previous_statistics": statistics(train=BEFORE),
        "schema": schema,
    }
    assert read_report(execute(ExampleValidator, inputs)["anomalies"]).anomalies == []


def test_skew_against_serving_data(report: Any) -> None:
    """Serving data of another split name is not compared, or skew is taken for drift."""
    found = report(before=None, serving=BEFORE)
    assert {each.feature for each in found.anomalies} == {"n", "s"}
    assert {d.comparison for d in found.distances} == {"skew"}
    assert found.charts[0].sides[0].name == "serving (train)"


def test_labels_are_balanced_between_splits(report: Any) -> None:
    """A split whose labels were flipped passes."""
    flipped = {**NOW, "y": [1, 1, 1, 0] * 250}
    found = report(before=None, eval_split=flipped, label="y")
    assert named(found) == [("y", "Label imbalance between splits")]
    assert "75.0% in eval and 25.0% in train" in found.anomalies[0].long
    assert [side.name for side in found.charts[0].sides] == ["span 3 (train)", "span 3 (eval)"]
    assert report(before=None, eval_split=flipped).anomalies == []
    assert report(before=None, eval_split=flipped, label="y", label_threshold=0.6).anomalies == []


def test_small_splits_differ_by_chance(report: Any) -> None:
    """Every small split stops the pipeline."""
    few = {name: cells[:10] for name, cells in {**NOW, "y": [0, 1] * 5}.items()}
    assert report(before=None, eval_split=few, label="y").anomalies == []


def test_labels_that_changed_since_the_previous_span(report: Any) -> None:
    """Labels flipped everywhere pass, as the splits agree with each other."""
    flipped = {**BEFORE, "y": [1, 1, 1, 0] * 250}
    found = report(now=flipped, label="y")
    assert ("y", "Label distribution has changed") in named(found)
    with pytest.raises(ParameterError, match=r"did you mean: *y"):
        report(label="Y")


def test_labels_that_are_texts_or_scales(report: Any) -> None:
    """Labels other than 0 and 1 are not looked at."""
    found = report(now={**BEFORE, "s": ["a", "a", "a", None] * 250}, label="s")
    assert any("label 'b' is 0.0% now and 50.0%" in each.long for each in found.anomalies)
    found = report(now=NOW, label="n")
    assert any(each.short == "Label distribution has changed" for each in found.anomalies)


def test_custom_validations(report: Any) -> None:
    """A condition that does not hold passes, or loses its severity."""
    rule = {"sql_expression": "feature.num_stats.mean < 5", "description": "mean is too high"}
    config = {"feature_validations": [{"feature_path": "n", "validations": [rule]}]}
    off: dict[str, Any] = {"drift_comparators": {}}
    found = report(custom_validation_config=config, **off)
    assert named(found) == [("n", "mean is too high")] and found.anomalies[0].severity == "error"
    rule["severity"] = "WARNING"
    assert not report(custom_validation_config=config, fail_on="errors", **off).anomalies[0].stops
    with pytest.raises(GateError, match="1 anomaly"):
        report(custom_validation_config=config, fail_on="any", **off)
    rule["sql_expression"] = "feature.nonsense > 2"
    with pytest.raises(ParameterError, match="no") as raised:
        report(custom_validation_config=config, **off)
    assert "nonsense" in str(raised.value)


def test_custom_validations_of_pairs(report: Any) -> None:
    """A condition over two spans is not checked, or the first span cannot pass."""
    rule = {
        "sql_expression": "feature_test.num_stats.mean < 2 * feature_base.num_stats.mean",
        "description": "mean has doubled",
    }
    pair = {"feature_test_path": "n", "feature_base_path": "n", "validations": [rule]}
    config = {"feature_pair_validations": [pair]}
    found = report(custom_validation_config=config, drift_comparators={})
    assert named(found) == [("n", "mean has doubled")]
    assert report(before=None, custom_validation_config=config).anomalies == []


def test_what_stops(report: Any) -> None:
    """The policy stops too much, or too little."""
    assert len(report(fail_on="never", fail_on_anomalies=True).anomalies) == 2
    for parameters in ({"fail_on": "errors"}, {"fail_on": "any"}, {"fail_on_anomalies": True}):
        with pytest.raises(GateError, match="2 anomalies") as raised:
            report(**parameters)
        assert LINFTY in str(raised.value) and DIVERGENCE in str(raised.value)


def test_unknown_environment(report: Any) -> None:
    """A misspelt environment is a bare traceback."""
    with pytest.raises(ParameterError, match="has no environment 'SERVING'"):
        report(environment="SERVING")
