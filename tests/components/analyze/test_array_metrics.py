# SPDX-License-Identifier: Apache-2.0
"""Metrics that take many rows at once must give what TFMA gives row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytestmark = [
    pytest.mark.heavy,
    # TFMA's, once for every number.
    pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning"),
]

ROWS, CLASSES = 300, 4
#: Those that take nothing but values, or what a configuration cannot say.
NOT_OF_PREDICTIONS = {"Mean", "MeanMetricWrapper", "MeanRelativeError", "MeanTensor"}
NOT_OF_PREDICTIONS |= {"Metric", "Sum"}
#: TFMA gives the one weights of a shape that it does not take, and cannot merge the other's
#: states; that one is compared with its definition.
NOT_OF_TFMA = {"FBetaScore", "R2Score"}
KERAS = "tf_keras.metrics"

#: Metrics of tf-keras by what they measure: one number, classes by number, or each class.
#: In place of some, TFMA takes metrics of its own.
NUMBER: dict[str, dict[str, Any]] = {
    "Accuracy": {},
    "BinaryAccuracy": {"threshold": 0.3},
    "BinaryCrossentropy": {"label_smoothing": 0.1},
    "BinaryIoU": {},
    "Hinge": {},
    "KLDivergence": {},
    "LogCoshError": {},
    "MeanAbsoluteError": {},
    "MeanAbsolutePercentageError": {},
    "MeanSquaredError": {},
    "MeanSquaredLogarithmicError": {},
    "Poisson": {},
    "RootMeanSquaredError": {},
    "SquaredHinge": {},
    "AUC": {},
    "F1Score": {},
    "FalseNegatives": {"thresholds": [0.2, 0.6]},
    "FalsePositives": {},
    "TrueNegatives": {},
    "TruePositives": {},
    "Precision": {},
    "Recall": {},
    "PrecisionAtRecall": {"recall": 0.7},
    "RecallAtPrecision": {"precision": 0.7},
    "SensitivityAtSpecificity": {"specificity": 0.6},
    "SpecificityAtSensitivity": {"sensitivity": 0.6},
}
SPARSE: dict[str, dict[str, Any]] = {
    "SparseCategoricalAccuracy": {},
    "SparseCategoricalCrossentropy": {},
    "SparseTopKCategoricalAccuracy": {"k": 2},
}
EACH_CLASS: dict[str, dict[str, Any]] = {
    "CategoricalAccuracy": {},
    "CategoricalCrossentropy": {},
    "CategoricalHinge": {},
    "CosineSimilarity": {},
    "OneHotIoU": {"num_classes": CLASSES, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": CLASSES},
    "TopKCategoricalAccuracy": {"k": 2},
}
NUMBERS_OF_CLASSES: dict[str, dict[str, Any]] = {
    "IoU": {"num_classes": CLASSES, "target_class_ids": [0, 2]},
    "MeanIoU": {"num_classes": CLASSES},
}
#: TFMA's own that add up rows, and those that are derived from them.
TFMAS: dict[str, dict[str, Any]] = {
    "ExampleCount": {},
    "WeightedExampleCount": {},
    "AUC": {},
    "AUCPrecisionRecall": {},
    "Calibration": {},
    "CalibrationPlot": {},
    "MeanLabel": {},
    "MeanPrediction": {},
    "FPR": {"thresholds": [0.25, 0.5]},
    "ConfusionMatrixAtThresholds": {"thresholds": [0.1, 0.4]},
    "MeanAbsoluteError": {},
    "MeanAbsolutePercentageError": {},
    "MeanSquaredError": {},
    "MeanSquaredLogarithmicError": {},
    "SquaredPearsonCorrelation": {},
    "CoefficientOfDiscrimination": {},
}


def listed(metrics: Mapping[str, Mapping[str, Any]], module: str = "") -> list[dict[str, Any]]:
    """Metrics as a configuration has them."""
    import json

    return [
        {"class_name": name, "module": module, "config": json.dumps(dict(each))}
        for name, each in metrics.items()
    ]


def batches(labels: str, dtype: str = "float32") -> Iterator[Any]:
    """Rows in batches of unequal size, with weights and what to slice by."""
    import numpy as np
    import pyarrow as pa

    from penstock.components.analyze.eval_predictions import EvalBatch

    random = np.random.default_rng(3)
    chances = random.dirichlet(np.ones(CLASSES), ROWS).astype(dtype)
    kinds = random.integers(0, CLASSES, ROWS)
    one = random.random((ROWS, 1)).astype(dtype)
    label, prediction = {
        "one number": ((one[:, 0] + random.normal(size=ROWS) > 0.5).astype("int64"), one),
        "flat": (random.random(ROWS).astype("float32"), one[:, 0]),
        "sparse": (kinds, chances),
        "none for some rows": (np.where(kinds == 1, -1, kinds), chances),
        "sparse, two dimensions": (kinds[:, None], chances),
        "each class": (np.eye(CLASSES, dtype="float32")[kinds], chances),
        "class numbers": (kinds, random.integers(0, CLASSES, (ROWS, 1)).astype(dtype)),
        "rectangles": (
            random.random((ROWS, 2, CLASSES)).astype("float32"),
            random.random((ROWS, 2, CLASSES)).astype(dtype),
        ),
    }[labels]
    weights = (random.random(ROWS) + 0.1).astype("float32")
    products = pa.array([[name] for name in np.array(["é", "b", "c"])[kinds % 3]])
    for start, end in ((0, 1), (1, 120), (120, ROWS)):
        yield EvalBatch(
            rows=end - start,
            columns={"product": products[start:end]},
            transformed=[],
            labels=label[start:end],
            predictions=prediction[start:end],
            weights=weights[start:end],
        )


def plan(metrics_specs: list[dict[str, Any]], **options: Any) -> Any:
    """A plan of these metrics, weighted and unweighted, with slices."""
    import json

    import tensorflow_model_analysis as tfma
    from google.protobuf import json_format
    from tensorflow_model_analysis.utils import config_util

    from penstock.components.analyze.eval_plan import EvalPlan

    for spec in metrics_specs:
        spec.setdefault("example_weights", {"weighted": True, "unweighted": True})
    raw = json_format.ParseDict(
        {
            "model_specs": [{"label_key": "label", "example_weight_key": "weight"}],
            "slicing_specs": [{}, {"feature_keys": ["product"]}],
            "metrics_specs": json.loads(json.dumps(metrics_specs)),
            "options": options,
        },
        tfma.EvalConfig(),
    )
    config = config_util.update_eval_config_with_defaults(raw)
    return EvalPlan(config, [], [], [], None, judged=False, rubber_stamped=False)


def evaluated(wanted: Any, data: list[Any]) -> dict[Any, Any]:
    """Metrics by slice."""
    from penstock.components.analyze.local_evaluation import LocalEvaluation

    evaluation = LocalEvaluation(wanted)
    for batch in data:
        evaluation.add(batch)
    return dict(evaluation.results())


def row_by_row(monkeypatch: pytest.MonkeyPatch, wanted: Any, data: list[Any]) -> dict[Any, Any]:
    """The same, with every combiner as TFMA made it, and one row at a time."""
    import tensorflow as tf

    from penstock.components.analyze import local_evaluation
    from penstock.components.analyze.grouped_inputs import Group

    def add_to(self: Any, combiner: Any, accumulator: Any) -> Any:
        return combiner.add_inputs(accumulator, self._inputs.rows(self._members))

    monkeypatch.setattr(local_evaluation, "array_fed", lambda combiner: combiner)
    monkeypatch.setattr(Group, "add_to", add_to)
    # Metrics run eagerly: their translation takes seconds, and nothing else.
    return tf.autograph.experimental.do_not_convert(evaluated)(wanted, data)


def forbid_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test fail that goes row by row."""
    from penstock.components.analyze.grouped_inputs import GroupedInputs

    def rows(self: Any, members: Any) -> Any:
        raise AssertionError("rows were taken one by one")

    monkeypatch.setattr(GroupedInputs, "rows", rows)


def assert_equal(one: Any, other: Any, where: str, rel: float) -> None:
    """Equal but for the order in which numbers were added up."""
    import numpy as np

    if hasattr(one, "__slots__") or hasattr(one, "_fields") or isinstance(one, (list, tuple)):
        if not isinstance(one, (list, tuple)):
            names = [name for cls in type(one).__mro__ for name in getattr(cls, "__slots__", ())]
            one, other = ([getattr(each, name) for name in names] for each in (one, other))
        assert len(one) == len(other), where
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_equal(left, right, f"{where}[{number}]", rel)
        return
    if isinstance(one, (float, int, np.ndarray, np.number)):
        np.testing.assert_allclose(one, other, rtol=rel, atol=1e-7, err_msg=where)
    else:
        assert repr(one) == repr(other), where


def assert_same(
    monkeypatch: pytest.MonkeyPatch,
    wanted: Any,
    labels: str,
    *,
    dtype: str = "float32",
    at_once: bool = True,
    rel: float = 2e-6,
) -> dict[Any, Any]:
    """Evaluates both ways; gives the metrics by slice."""
    data = list(batches(labels, dtype))
    with monkeypatch.context() as patched:
        if at_once:
            forbid_rows(patched)
        fast = evaluated(wanted, data)
    with monkeypatch.context() as patched:
        plain = row_by_row(patched, wanted, data)
    assert set(fast) == set(plain)
    for key, metrics in plain.items():
        assert set(fast[key]) == set(metrics), key
        for name, value in metrics.items():
            assert_equal(fast[key][name], value, f"{key}: {name}", rel)
    return fast


def test_every_keras_metric_is_compared() -> None:
    """A metric of tf-keras is computed in batches that nobody has compared."""
    import inspect

    import tf_keras

    found = {
        name
        for name, each in vars(tf_keras.metrics).items()
        if inspect.isclass(each) and issubclass(each, tf_keras.metrics.Metric)
    }
    compared = {*NUMBER, *SPARSE, *EACH_CLASS, *NUMBERS_OF_CLASSES}
    assert found - NOT_OF_PREDICTIONS - NOT_OF_TFMA == compared


@pytest.mark.parametrize(
    ("labels", "metrics"),
    [
        ("one number", NUMBER),
        ("flat", {name: {} for name in ("Hinge", "LogCoshError", "KLDivergence")}),
        ("sparse", SPARSE),
        ("sparse, two dimensions", SPARSE),
        ("each class", EACH_CLASS),
        ("class numbers", NUMBERS_OF_CLASSES),
        ("rectangles", {"LogCoshError": {}, "CosineSimilarity": {}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_metrics_of_keras(
    monkeypatch: pytest.MonkeyPatch, labels: str, metrics: dict[str, Any]
) -> None:
    """A number depends on how many rows a metric was given at once."""
    found = assert_same(monkeypatch, plan([{"metrics": listed(metrics, KERAS)}]), labels)
    assert len(found) == 4  # all rows, and three products
    assert len(found[()]) >= 2 * len(metrics)


def test_states_of_unequal_shape_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """TFMA's error about inhomogeneous arrays is all that users of R2Score ever see."""
    import numpy as np

    data = list(batches("one number"))
    found = evaluated(plan([{"metrics": listed({"R2Score": {}}, KERAS)}]), data)
    label, prediction, weight = (
        np.concatenate([getattr(each, name).reshape(-1) for each in data]).astype("float64")
        for name in ("labels", "predictions", "weights")
    )
    mean = (weight * label).sum() / weight.sum()
    unexplained = (weight * (label - prediction) ** 2).sum() / (weight * (label - mean) ** 2).sum()
    weighted = next(value for key, value in found[()].items() if key.example_weighted)
    assert weighted == pytest.approx(1 - unexplained, rel=1e-4)


def test_own_metrics_get_as_many_rows_as_tfma_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's metric that depends on the size of batches changes with the way it is fed."""
    import sys
    from pathlib import Path

    from tensorflow_model_analysis.metrics import tf_metric_accumulators

    from penstock.components.analyze import keras_batches

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(keras_batches, "_TFMA_ROWS", 7)
    plain = tf_metric_accumulators.TFMetricsAccumulator
    monkeypatch.setattr(plain, "_DEFAULT_DESIRED_BATCH_SIZE", 7)
    wanted = plan([{"metrics": listed({"MeanBatch": {}}, "own_metrics")}])
    found = assert_same(monkeypatch, wanted, "one number")
    sys.modules.pop("own_metrics")
    assert all(6 < float(value) <= 7 for value in found[()].values())


@pytest.mark.parametrize(
    ("spec", "labels", "told"),
    [
        (
            {"metrics": ["CategoricalCrossentropy"]},
            "sparse",
            "the metric categorical_crossentropy cannot be computed.*"
            r"1 value \(int64\) as label and 4 values \(float32\) as prediction: ",
        ),
        (
            {"metrics": ["BinaryCrossentropy"], "binarize": {"class_ids": {"values": [7]}}},
            "sparse",
            'the metric binary_crossentropy cannot be.*class_id "7" out of range',
        ),
        (
            {"metrics": ["AUC"]},
            "class numbers",
            r"made of calibration histogram \(such as AUC.*label must be within \[0, 1\]",
        ),
        (
            {"metrics": ["MultiClassConfusionMatrixPlot"]},
            "flat",
            "made of multi class confusion matri.*Predictions shape must be > 1",
        ),
        (
            {"metrics": ["AUC"], "aggregate": {"macro_average": True}},
            "sparse",
            "eval_config is not acceptable.*class_weights are required",
        ),
    ],
    ids=["loss", "class", "auc", "plot", "average"],
)
def test_a_metric_that_does_not_fit_is_named(spec: dict[str, Any], labels: str, told: str) -> None:
    """A newcomer who took the wrong metric sees a traceback of TFMA's or TensorFlow's."""
    from penstock.utils.errors import PenstockError

    wanted = plan([{**spec, "metrics": listed({name: {} for name in spec["metrics"]})}])
    with pytest.raises(PenstockError, match=f"(?s){told}"):
        evaluated(wanted, list(batches(labels)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_metrics_that_tfma_adds_up(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """A sum over rows depends on how they were taken, or a bound on the kind of number."""
    wanted = plan([{"metrics": listed(TFMAS)}])
    rel = 1e-9 if dtype == "float64" else 1e-6
    assert_same(monkeypatch, wanted, "one number", dtype=dtype, rel=rel)


@pytest.mark.parametrize("labels", ["none for some rows", "each class"])
def test_single_classes_ranks_and_averages(monkeypatch: pytest.MonkeyPatch, labels: str) -> None:
    """One class of several, the best few, or the average over classes is another number."""
    binary = listed({"MeanLabel": {}, "Precision": {"thresholds": 0.3}})
    loss = listed({"BinaryCrossentropy": {}, "RootMeanSquaredError": {}})
    auc = listed({"AUC": {"num_thresholds": 10}})
    weights = {"0": 1.0, "1": 0.5, "2": 2.0, "3": 0.0}
    specs = [
        {"binarize": {"class_ids": {"values": [0, 3]}}, "metrics": [*binary, *loss, *auc]},
        {"binarize": {"k_list": {"values": [1, 2]}}, "metrics": [*binary, *loss]},
        {"binarize": {"top_k_list": {"values": [2]}}, "metrics": listed({"Recall": {}})},
        {"aggregate": {"micro_average": True}, "metrics": [*binary, *loss]},
        {
            "aggregate": {"micro_average": True, "class_weights": weights},
            "metrics": [*binary, *loss, *auc],
        },
        {
            "aggregate": {"macro_average": True, "class_weights": weights},
            "binarize": {"class_ids": {"values": [0, 1, 2]}},
            "metrics": listed({"BinaryCrossentropy": {}}),
        },
        {"metrics": listed({"Precision": {"top_k": 2}, "Recall": {"top_k": 1}})},
    ]
    for number, spec in enumerate(specs):
        for each in spec["metrics"]:
            config = each["config"][:-1] + (", " if len(each["config"]) > 2 else "")
            each["config"] = config + f'"name": "{each["class_name"].lower()}_{number}"}}'
    assert_same(monkeypatch, plan(specs), labels, at_once=False)


def test_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spread of a metric depends on how rows were taken."""
    metrics = [*listed({"MeanPrediction": {}}), *listed({"BinaryCrossentropy": {}}, KERAS)]
    wanted = plan([{"metrics": metrics}], compute_confidence_intervals=True)
    found = assert_same(monkeypatch, wanted, "one number", rel=1e-4)
    assert any(hasattr(value, "sample_mean") for value in found[()].values())
