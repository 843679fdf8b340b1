# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.utils.errors import DataError, ExecutionError, ParameterError

pytestmark = [
    pytest.mark.heavy,
    # TFMA's, once for every number.
    pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning"),
]

Evaluate = Callable[..., Any]


def config(
    threshold: Mapping[str, Any] | None = None,
    slicing_specs: list[dict[str, Any]] | None = None,
    per_slice: list[dict[str, Any]] | None = None,
    **model_spec: Any,
) -> dict[str, Any]:
    """A configuration with one threshold on AUC."""
    auc: dict[str, Any] = {"class_name": "AUC"}
    if threshold is not None:
        auc["threshold"] = threshold
    if per_slice is not None:
        auc["per_slice_thresholds"] = per_slice
    return {
        "model_specs": [{"label_key": "label", **model_spec}],
        "slicing_specs": slicing_specs if slicing_specs is not None else [{}],
        "metrics_specs": [{"metrics": [{"class_name": "ExampleCount"}, auc]}],
    }


LOW = {"value_threshold": {"lower_bound": 0.6}}
BETTER = {"change_threshold": {"absolute": 0.0, "direction": "HIGHER_IS_BETTER"}}


def test_good_model_is_blessed_as_tfx_does_it(evaluate: Evaluate, models: Any) -> None:
    """Pusher and readers of a TFX store would not see that the model may go on."""
    _, blessing, returned = evaluate(config(LOW))
    assert os.listdir(blessing.uri) == ["BLESSED"]
    assert os.path.getsize(blessing.path("BLESSED")) == 0
    assert blessing.blessed
    assert blessing.custom_properties == {
        "blessed": 1,
        "current_model": models["good"].uri,
        "current_model_id": models["good"].id,
        "component_id": "Evaluator",
    }
    assert returned["metric.auc"] > 0.8
    assert returned["metric.example_count"] == returned["evaluated_rows"] == 600
    assert returned["engine"] == "local"


def test_results_are_read_by_tfma(evaluate: Evaluate) -> None:
    """Notebooks that show evaluations with TFMA's own functions would see nothing."""
    import tensorflow_model_analysis as tfma

    wanted = config(LOW, [{}, {"feature_keys": ["product"]}])
    wanted["metrics_specs"][0]["metrics"].append({"class_name": "CalibrationPlot"})
    evaluation, _, returned = evaluate(wanted)
    result = tfma.load_eval_result(evaluation.uri)
    metrics = result.get_metrics_for_slice(())
    assert metrics["auc"]["doubleValue"] == pytest.approx(returned["metric.auc"])
    names = {dict(key).get("product") for key, _ in result.slicing_metrics}
    assert names == {None, "Card", "Debt", "Mortgage"}
    assert result.plots[0][1][""][""]["calibrationHistogramBuckets"]
    assert tfma.load_validation_result(evaluation.uri).validation_ok
    assert result.model_location.endswith("Format-Serving")


def test_refusal_names_metric_slice_and_distance(
    evaluate: Evaluate, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody whose model is refused would not know what to improve."""
    wanted = config(LOW, [{}, {"feature_keys": ["product"]}])
    with caplog.at_level(logging.WARNING):
        evaluation, blessing, returned = evaluate(wanted, "bad_on_card")
    assert os.listdir(blessing.uri) == ["NOT_BLESSED"]
    assert blessing.custom_properties["blessed"] == 0
    from penstock.components.analyze.evaluation_summary import metrics_by_slice, verdict_of

    card = next(s for s in metrics_by_slice(evaluation) if s["slice"] == {"product": "Card"})
    (miss,) = verdict_of(evaluation).misses
    assert (miss.metric, miss.slice, miss.demand) == ("auc", "product: Card", "at least 0.6")
    assert miss.value == pytest.approx(card["metrics"]["auc"])
    assert miss.by == pytest.approx(0.6 - card["metrics"]["auc"])
    for text in (returned["refusal"], caplog.text):
        assert "product: Card" in text
        assert f"{miss.by:.4f}" in text
    assert "missed by" in blessing.custom_properties["reason"]


def test_flipped_labels_are_refused(evaluate: Evaluate) -> None:
    """A model that predicts the opposite would go out."""
    _, blessing, returned = evaluate(config(LOW), "flipped")
    assert not blessing.blessed
    assert returned["metric.auc"] < 0.3


def test_upper_bound_is_a_bound(evaluate: Evaluate) -> None:
    """A model whose error is too large would pass."""
    wanted = config()
    wanted["metrics_specs"][0]["metrics"].append(
        {
            "class_name": "MeanPrediction",
            "threshold": {"value_threshold": {"lower_bound": 0.1, "upper_bound": 0.2}},
        }
    )
    _, blessing, returned = evaluate(wanted)
    assert not blessing.blessed
    assert "at least 0.1 and at most 0.2" in returned["refusal"]


@pytest.mark.parametrize(
    ("candidate", "baseline", "blessed"),
    [("good", "worse", True), ("worse", "good", False), ("good", "good", True)],
)
def test_candidate_is_compared_with_the_baseline(
    evaluate: Evaluate, models: Any, candidate: str, baseline: str, blessed: bool
) -> None:
    """A model worse than the one in use would replace it."""
    _, blessing, returned = evaluate(config({**LOW, **BETTER}), candidate, baseline)
    assert blessing.blessed is blessed
    assert blessing.custom_properties["baseline_model"] == models[baseline].uri
    assert blessing.custom_properties["baseline_model_id"] == models[baseline].id
    change = returned["metric.auc"] - returned["baseline_metric.auc"]
    assert returned["metric_change.auc"] == pytest.approx(change)
    if not blessed:
        assert "change of auc" in returned["refusal"]
        assert f"{-change:.4f}" in returned["refusal"]


def test_relative_change_is_told_in_the_metric_s_own_units(evaluate: Evaluate) -> None:
    """The distance would be a share of the baseline beside numbers that are not."""
    wanted = config({"change_threshold": {"relative": 0.5, "direction": "HIGHER_IS_BETTER"}})
    evaluation, _, returned = evaluate(wanted, "good", "worse")
    from penstock.components.analyze.evaluation_summary import verdict_of

    (miss,) = verdict_of(evaluation).misses
    needed = 0.5 * returned["baseline_metric.auc"] - returned["metric_change.auc"]
    assert miss.by == pytest.approx(needed)
    assert "+50.0000%" in miss.demand


def test_first_run_ignores_change_thresholds_only(evaluate: Evaluate) -> None:
    """No first model could ever be blessed, or a bad first one would be."""
    assert evaluate(config(BETTER), "worse")[1].blessed
    assert evaluate(config({**LOW, **BETTER}), "good")[1].blessed
    evaluation, blessing, _ = evaluate(config({**LOW, **BETTER}), "flipped")
    assert not blessing.blessed
    from penstock.components.analyze.evaluation_summary import verdict_of

    assert verdict_of(evaluation).rubber_stamped


def test_nothing_is_blessed_without_thresholds(
    evaluate: Evaluate, caplog: pytest.LogCaptureFixture
) -> None:
    """Models would go out unproven when somebody forgets the thresholds."""
    with caplog.at_level(logging.WARNING):
        _, blessing, returned = evaluate(config())
    assert os.listdir(blessing.uri) == []
    assert "blessed" not in blessing.custom_properties
    assert "blessed" not in returned
    assert "no threshold" in caplog.text


def test_threshold_may_be_for_one_slice(evaluate: Evaluate) -> None:
    """A demand on one group would be made of all, or of none."""
    slices = [{}, {"feature_keys": ["product"]}]
    card = [{"slicing_specs": [{"feature_values": {"product": "Card"}}], "threshold": LOW}]
    debt = [{"slicing_specs": [{"feature_values": {"product": "Debt"}}], "threshold": LOW}]
    overall = [{"slicing_specs": [{}], "threshold": LOW}]
    assert not evaluate(config(None, slices, card), "bad_on_card")[1].blessed
    assert evaluate(config(None, slices, debt), "bad_on_card")[1].blessed
    assert evaluate(config(None, slices, overall), "good")[1].blessed


def test_threshold_on_a_slice_without_rows_is_not_met(evaluate: Evaluate) -> None:
    """A misspelt group would make its threshold vanish."""
    gone = [{"slicing_specs": [{"feature_values": {"product": "Cards"}}], "threshold": LOW}]
    _, blessing, returned = evaluate(config(None, [{}, {"feature_keys": ["product"]}], gone))
    assert not blessing.blessed
    assert "product: Cards" in returned["refusal"]


def test_label_may_be_made_by_the_transformation(evaluate: Evaluate) -> None:
    """Labels that are texts in the data could not be evaluated."""
    plain = evaluate(config(LOW, [{}, {"feature_keys": ["product"]}]))[2]
    spec = {"label_key": "disputed_xf", "preprocessing_function_names": ["transform_features"]}
    made = evaluate(config(LOW, [{}, {"feature_keys": ["product"]}], **spec))[2]
    assert made == plain


def test_crossed_slices_and_weights(evaluate: Evaluate) -> None:
    """Combinations of features, or weights of rows, would be ignored."""
    evaluation, _, returned = evaluate(
        config(LOW, [{}, {"feature_keys": ["product", "hour"]}], example_weight_key="weight")
    )
    from penstock.components.analyze.evaluation_summary import metrics_by_slice, metrics_table

    slices = metrics_by_slice(evaluation)
    assert slices[0]["slice"] == {}
    assert {tuple(s["slice"]) for s in slices[1:]} == {("hour", "product")}
    assert len(slices) == 1 + 9
    assert returned["metric.auc"] != evaluate(config(LOW))[2]["metric.auc"]
    table = metrics_table(evaluation, ["auc"])
    assert "hour: 0, product: Card" in table


def test_numbers_are_right(evaluate: Evaluate, complaint_examples: Any) -> None:
    """Slices are put together from groups of rows: one counted twice would shift them."""
    import numpy as np

    from penstock.components.analyze.evaluation_summary import metrics_by_slice
    from penstock.components.ingest.examples_reader import read_table

    wanted = config(None, [{}, {"feature_keys": ["product"]}, {"feature_keys": ["hour"]}])
    wanted["metrics_specs"][0]["metrics"].append({"class_name": "MeanSquaredError"})
    evaluation = evaluate(wanted)[0]
    rows = read_table(complaint_examples, "eval").to_pandas()
    score = 1 / (1 + np.exp(-2 * rows["amount"].fillna(0)))
    rows["error"] = (score - rows["label"]) ** 2
    slices = {tuple(s["slice"].items()): s["metrics"] for s in metrics_by_slice(evaluation)}
    assert len(slices) == 1 + 3 + 3
    for key, metrics in slices.items():
        chosen = rows
        for column, value in key:
            chosen = chosen[chosen[column] == value]
        assert metrics["example_count"] == len(chosen)
        assert metrics["mean_squared_error"] == pytest.approx(chosen["error"].mean(), rel=1e-5)


def test_equal_inputs_give_equal_digests(evaluate: Evaluate) -> None:
    """What depends on an evaluation would run again after every evaluation."""
    wanted = config(LOW, [{}, {"feature_keys": ["product"]}])
    digests = {evaluate(wanted)[0].content_digest for _ in range(2)}
    assert len(digests) == 1
    assert evaluate(wanted, "worse")[0].content_digest not in digests


def test_small_slices_are_left_out(evaluate: Evaluate) -> None:
    """Metrics of a handful of people would be published."""
    wanted = config(None, [{}, {"feature_keys": ["product", "hour"]}])
    wanted["options"] = {"min_slice_size": 65}
    evaluation = evaluate(wanted)[0]
    from penstock.components.analyze.evaluation_summary import metrics_by_slice

    slices = metrics_by_slice(evaluation)
    assert any(each["note"] and not each["metrics"] for each in slices)
    assert all(each["metrics"]["example_count"] >= 65 for each in slices if each["metrics"])


def test_fairness_thresholds_add_rates(evaluate: Evaluate) -> None:
    """Groups could not be compared at the decision thresholds that matter."""
    returned = evaluate(config(), fairness_indicator_thresholds=[0.25, 0.5])[2]
    rates = {name for name in returned if name.startswith("metric.fairness_indicators_metrics/")}
    assert len(rates) == 14
    name = "metric.fairness_indicators_metrics/{}@{}"
    assert (
        returned[name.format("false_positive_rate", 0.25)]
        > returned[name.format("false_positive_rate", 0.5)]
    )
    assert returned[name.format("true_positive_rate", 0.5)] == pytest.approx(
        1 - returned[name.format("false_negative_rate", 0.5)]
    )


@pytest.mark.parametrize(
    ("wanted", "error", "texts"),
    [
        (config(label_key="lable"), DataError, ["label column 'lable'", "label"]),
        (config(LOW, [{"feature_keys": ["prodct"]}]), DataError, ["slice on", "product"]),
        (config(label_key="disputed"), DataError, ["texts", "preprocessing_function_names"]),
        (config(label_key="amount"), DataError, ["empty in 12 of 600"]),
        (config(label_key="never"), DataError, ["empty in 600 of 600"]),
        (config(signature_name="serving"), DataError, ["no signature", "serving_default"]),
        (
            config(preprocessing_function_names=["transform_feature"]),
            DataError,
            ["no signature", "transform_features"],
        ),
        (config(example_weight_key="wait"), DataError, ["example weight column 'wait'"]),
    ],
)
def test_mistakes_are_named(
    evaluate: Evaluate, wanted: dict[str, Any], error: type[Exception], texts: list[str]
) -> None:
    """A newcomer would get TFMA's traceback of two hundred lines."""
    with pytest.raises(error) as caught:
        evaluate(wanted)
    for text in texts:
        assert text in str(caught.value)


def test_unknown_metric_names_the_nearest(evaluate: Evaluate) -> None:
    """A misspelt metric would end in an error deep inside Keras."""
    wanted = config()
    wanted["metrics_specs"][0]["metrics"].append({"class_name": "BinaryAcuracy"})
    with pytest.raises(ParameterError, match="BinaryAcuracy") as caught:
        evaluate(wanted)
    assert caught.value.suggestion == "BinaryAccuracy"


def test_schema_that_is_none_is_named(evaluate: Evaluate) -> None:
    """A damaged schema would end in a parser's error without a place."""
    with pytest.raises(DataError, match="schema cannot be read") as caught:
        evaluate(config(), schema="feature { nam: 1 }")
    assert caught.value.location is not None


def test_unknown_split_is_refused(evaluate: Evaluate) -> None:
    """The evaluation would be of no rows at all."""
    with pytest.raises(DataError, match="no split 'evil'") as caught:
        evaluate(config(), example_splits=["evil"])
    assert caught.value.suggestion == "eval"


def test_several_splits_are_evaluated_together(evaluate: Evaluate) -> None:
    """Rows of all but one split would be left out."""
    assert evaluate(config(), example_splits=["train", "eval"])[2]["evaluated_rows"] == 750


def test_model_that_cannot_be_loaded_is_named(
    evaluate: Evaluate, models: Any, tmp_path: Path
) -> None:
    """The message would be TensorFlow's, without the place."""
    from penstock.components.base.artifact_types import Model

    broken = tmp_path / "broken"
    (broken / "Format-Serving").mkdir(parents=True)
    models["broken"] = Model(str(broken))
    try:
        with pytest.raises(DataError, match="no model of a known format"):
            evaluate(config(), "broken")
        (broken / "Format-Serving" / "saved_model.pb").write_bytes(b"not a model")
        with pytest.raises(DataError, match="cannot be loaded"):
            evaluate(config(), "broken")
    finally:
        del models["broken"]


def test_model_that_fails_to_predict_is_told_apart(
    evaluate: Evaluate, models: Any, tmp_path: Path
) -> None:
    """A model's own error would look like one of the framework's."""
    import tensorflow as tf

    from penstock.components.base.artifact_types import Model

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> Any:
        wanted = {"product": tf.io.FixedLenFeature([], tf.int64)}
        return {"outputs": tf.io.parse_example(examples, wanted)["product"][:, None]}

    uri = tmp_path / "failing"
    tf.saved_model.save(module, str(uri / "Format-Serving"), signatures=serve)
    models["failing"] = Model(str(uri))
    try:
        with pytest.raises(ExecutionError, match="failed to predict"):
            evaluate(config(), "failing")
    finally:
        del models["failing"]
