# SPDX-License-Identifier: Apache-2.0
"""The evaluation in this process must give what TFMA's own Beam pipeline gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.slow,
    # TFMA's, once for every number.
    pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning"),
]

Evaluate = Callable[..., Any]

BINARY = {
    "model_specs": [
        {"name": "candidate", "label_key": "label", "example_weight_key": "weight"},
        {
            "name": "baseline",
            "label_key": "label",
            "example_weight_key": "weight",
            "is_baseline": True,
        },
    ],
    "slicing_specs": [
        {},
        {"feature_keys": ["product"]},
        {"feature_keys": ["product", "hour"]},
        {"feature_values": {"hour": "1"}},
        {"feature_keys": ["amount"], "feature_values": {"product": "Nothing"}},
    ],
    "metrics_specs": [
        {
            "example_weights": {"weighted": True, "unweighted": True},
            "metrics": [
                {
                    "class_name": "AUC",
                    "threshold": {
                        "value_threshold": {"lower_bound": 0.7},
                        "change_threshold": {"absolute": 0.0, "direction": "HIGHER_IS_BETTER"},
                    },
                },
                *(
                    {"class_name": name}
                    for name in (
                        "ExampleCount",
                        "AUCPrecisionRecall",
                        "BinaryAccuracy",
                        "BinaryCrossentropy",
                        "Precision",
                        "Recall",
                        "MeanLabel",
                        "MeanPrediction",
                        "Calibration",
                        "MeanSquaredError",
                        "MeanAbsoluteError",
                        "SquaredPearsonCorrelation",
                        "CoefficientOfDiscrimination",
                        "CalibrationPlot",
                    )
                ),
                {"class_name": "ConfusionMatrixAtThresholds", "config": {"thresholds": [0.3, 0.6]}},
            ],
        }
    ],
}

CLASSES = {
    "model_specs": [{"label_key": "kind"}],
    "slicing_specs": [{}, {"feature_keys": ["hour"]}],
    "metrics_specs": [
        {
            "metrics": [
                {"class_name": "ExampleCount"},
                {"class_name": "SparseCategoricalAccuracy"},
                {"class_name": "SparseCategoricalCrossentropy"},
                {"class_name": "MultiClassConfusionMatrixPlot"},
            ]
        },
        {
            "binarize": {"class_ids": {"values": [0, 2]}, "top_k_list": {"values": [2]}},
            "metrics": [{"class_name": "AUC"}, {"class_name": "Precision"}],
        },
        {
            "aggregate": {"macro_average": True, "class_weights": {"0": 1.0, "1": 1.0, "2": 2.0}},
            "binarize": {"class_ids": {"values": [0, 1, 2]}},
            "metrics": [{"class_name": "AUC"}],
        },
    ],
}


SCHEMA = "".join(
    f'feature {{ name: "{name}" type: {kind} value_count {{ min: 1 max: 1 }} '
    f"presence {{ min_fraction: {fraction} min_count: 1 }} }}\n"
    for name, kind, fraction in (
        ("amount", "FLOAT", 0.5),
        ("noise", "FLOAT", 1),
        ("product", "BYTES", 0.5),
        ("hour", "INT", 1),
        ("kind", "INT", 1),
        ("label", "INT", 1),
        ("not_there", "BYTES", 0),
    )
)


def two_models() -> list[dict[str, Any]]:
    """A candidate and a baseline."""
    return [
        {"name": "candidate", "label_key": "label"},
        {"name": "baseline", "label_key": "label", "is_baseline": True},
    ]


def on_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends evaluations through TFMA's pipeline from here on."""
    from penstock.components.analyze import evaluator_executor

    monkeypatch.setattr(evaluator_executor, "unsupported", lambda plan: "the comparison")


def assert_close(one: Any, other: Any, where: str = "") -> None:
    """Equal structures; numbers may differ in the order in which they were added up."""
    if isinstance(one, dict):
        assert set(one) == set(other), where
        for key in one:
            assert_close(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_close(left, right, f"{where}[{index}]")
    elif isinstance(one, float) and isinstance(other, float) and not math.isnan(one):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-9), where
    else:
        assert str(one) == str(other), where


def read(evaluation: Any, model: str | None) -> dict[str, Any]:
    """Everything that TFMA reads from an evaluation, in a fixed order."""
    import tensorflow_model_analysis as tfma
    from google.protobuf import json_format

    result = tfma.load_eval_result(evaluation.uri, model_name=model)
    verdict = tfma.load_validation_result(evaluation.uri)
    failures = {
        str(each.slice_key): sorted(map(str, each.failures))
        for each in verdict.metric_validations_per_slice
    }
    return {
        "metrics": {repr(key): value for key, value in result.slicing_metrics},
        "plots": {repr(key): value for key, value in result.plots},
        "ok": verdict.validation_ok,
        "failed slices": sorted(failures),
        "missing": [json_format.MessageToDict(each) for each in verdict.missing_slices],
        "config": json_format.MessageToDict(result.config),
    }


@pytest.mark.parametrize(
    ("wanted", "candidate", "baseline", "names", "schema"),
    [
        (BINARY, "bad_on_card", "worse", ["candidate", "baseline"], None),
        (CLASSES, "classes", None, [None], SCHEMA),
    ],
    ids=["binary", "classes"],
)
def test_both_engines_agree(
    evaluate: Evaluate,
    monkeypatch: pytest.MonkeyPatch,
    wanted: Any,
    candidate: str,
    baseline: str | None,
    names: list[str | None],
    schema: str | None,
) -> None:
    """A model's fate would depend on where it is evaluated."""
    same = {"example_splits": ["train"], "schema": schema}
    here = evaluate(wanted, candidate, baseline, **same)
    assert here[2]["engine"] == "local"
    on_beam(monkeypatch)
    there = evaluate(wanted, candidate, baseline, **same)
    assert there[2]["engine"] == "beam"
    for name in names:
        assert_close(read(here[0], name), read(there[0], name))
    assert here[1].custom_properties == there[1].custom_properties
    assert_close({**here[2], "engine": ""}, {**there[2], "engine": ""})


@pytest.mark.parametrize("method", ["JACKKNIFE", "POISSON_BOOTSTRAP"])
def test_confidence_intervals(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Intervals are missing, as wide as chance says, or other ones than TFMA's."""
    from penstock.components.analyze.evaluation_summary import metrics_by_slice

    wanted = {
        "model_specs": two_models(),
        "slicing_specs": [{}, {"feature_values": {"product": "Card"}}],
        "metrics_specs": [
            {
                "metrics": [
                    {"class_name": "MeanPrediction"},
                    {"class_name": "BinaryAccuracy"},
                    {"class_name": "ExampleCount"},
                ]
            }
        ],
        "options": {
            "compute_confidence_intervals": True,
            "confidence_intervals": {"method": method},
        },
    }
    evaluation, _, returned = evaluate(wanted, "good", "worse")
    assert returned["engine"] == "local"
    here = metrics_by_slice(evaluation)
    overall = here[0]
    low, high = overall["intervals"]["mean_prediction"]
    assert low < overall["metrics"]["mean_prediction"] < high
    # Half of 95 %: about two standard errors; the predictions' deviation is near 0.3.
    assert 2 * 0.2 / 600**0.5 < (high - low) / 2 < 2 * 0.5 / 600**0.5
    assert "example_count" not in overall["intervals"]
    assert evaluate(wanted, "good", "worse")[0].content_digest == evaluation.content_digest
    if method == "POISSON_BOOTSTRAP":
        return  # Which takes TFMA's pipeline a minute.
    on_beam(monkeypatch)
    there = metrics_by_slice(evaluate(wanted, "good", "worse")[0])
    for ours, theirs in zip(here, there, strict=True):
        for kind in ("metrics", "baseline", "change"):
            assert ours[kind] == pytest.approx(theirs[kind], rel=1e-5)
        assert set(ours["intervals"]) == set(theirs["intervals"])
        for name, (start, end) in theirs["intervals"].items():
            # Both are estimates from twenty samples.
            width = ours["intervals"][name][1] - ours["intervals"][name][0]
            assert 0.3 < width / (end - start) < 3, name


def test_tfrecord_examples_give_the_same(
    evaluate: Evaluate, complaint_examples: Any, tmp_path: Path
) -> None:
    """A model's fate would depend on the file format of the examples."""
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    from penstock.components.base.artifact_types import Examples
    from penstock.components.ingest.examples_reader import iter_tfdv_batches

    folder = tmp_path / "tfrecord" / "Split-eval"
    folder.mkdir(parents=True)
    columns = ["amount", "noise", "product", "hour", "label"]
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for batch in iter_tfdv_batches(complaint_examples, "eval", 100, columns):
            for record in RecordBatchToExamplesEncoder().encode(batch):
                writer.write(record)
    records = Examples(str(folder.parent))
    records.splits = ["eval"]
    records.custom_properties["payload_format"] = "tfrecord"
    wanted = {
        "model_specs": [{"label_key": "label"}],
        "slicing_specs": [{}, {"feature_keys": ["product", "hour"]}],
        "metrics_specs": [{"metrics": [{"class_name": "AUC"}, {"class_name": "ExampleCount"}]}],
    }
    plain = evaluate(wanted)
    packed = evaluate(wanted, examples=records)
    assert plain[2] == packed[2]
    assert plain[0].content_digest == packed[0].content_digest


def crossed(**threshold: Any) -> dict[str, Any]:
    """Products against all rows, and cards against the other products; with a threshold."""
    card = {"feature_values": {"product": "Card"}}
    specs = [
        {"baseline_spec": {}, "slicing_specs": [{"feature_keys": ["product"]}]},
        {"baseline_spec": card},
    ]
    accuracy: dict[str, Any] = {"class_name": "BinaryAccuracy"}
    if threshold:
        accuracy["cross_slice_thresholds"] = [
            {"cross_slicing_specs": specs[:1], "threshold": threshold}
        ]
    return {
        "model_specs": BINARY["model_specs"],
        "slicing_specs": [{}, {"feature_keys": ["product"]}],
        "cross_slicing_specs": specs,
        "metrics_specs": [
            {"metrics": [accuracy, {"class_name": "AUC"}, {"class_name": "CalibrationPlot"}]}
        ],
    }


def test_both_engines_agree_on_cross_slices(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far a group lies behind the others depends on where it is computed."""
    wanted = crossed(value_threshold={"upper_bound": 0.05})
    here = evaluate(wanted, "bad_on_card", "good", example_splits=["train"])
    assert here[2]["engine"] == "local"
    on_beam(monkeypatch)
    there = evaluate(wanted, "bad_on_card", "good", example_splits=["train"])
    for name in ("candidate", "baseline"):
        assert_close(read(here[0], name), read(there[0], name))
    assert_close({**here[2], "engine": ""}, {**there[2], "engine": ""})
    assert here[1].custom_properties == there[1].custom_properties
    reason = here[1].custom_properties["reason"]
    assert "binary_accuracy on product: Card against all rows is " in reason
    assert "demanded at most 0.05: missed by " in reason
    assert "Mortgage" not in reason


def test_thresholds_of_single_slices(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound meant for one group is demanded of all, or of none."""

    def bound(low: float, **spec: Any) -> dict[str, Any]:
        return {
            "slicing_specs": [spec],
            "threshold": {"value_threshold": {"lower_bound": low}},
        }

    accuracy = {
        "class_name": "BinaryAccuracy",
        "per_slice_thresholds": [
            bound(0.3),
            bound(0.6, feature_values={"product": "Card"}),
            bound(0.6, feature_values={"product": "Debt"}),
        ],
    }
    wanted = {
        "model_specs": [{"label_key": "label"}],
        "slicing_specs": [{}, {"feature_keys": ["product"]}],
        "metrics_specs": [{"metrics": [accuracy]}],
    }
    here = evaluate(wanted, "bad_on_card", example_splits=["train"])
    reason = here[1].custom_properties["reason"]
    assert reason.startswith("binary_accuracy on product: Card is 0.")
    assert "demanded at least 0.6: missed by 0." in reason
    assert "Debt" not in reason
    on_beam(monkeypatch)
    there = evaluate(wanted, "bad_on_card", example_splits=["train"])
    assert there[1].custom_properties["reason"] == reason
