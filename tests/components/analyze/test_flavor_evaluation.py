# SPDX-License-Identifier: Apache-2.0
"""Models of any flavor, alone and against each other, in the Evaluator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.components.train.flavors.predictor import InputError, ModelError
from penstock.utils.errors import DataError, ParameterError

pytestmark = [
    pytest.mark.heavy,
    # TFMA's, once for every number.
    pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning"),
]

Evaluate = Callable[..., Any]

METRICS = [{"class_name": name} for name in ("AUC", "ExampleCount", "MeanPrediction")]


@pytest.fixture(scope="module")
def table(complaint_examples: Any) -> Any:
    """The rows of the examples, as a data frame."""
    import pyarrow.parquet as pq

    return pq.read_table(complaint_examples.split_uri("eval")).to_pandas()


@pytest.fixture(scope="module")
def flavored(models: Any, table: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`models`, and one of scikit-learn for each of the labels `label`, `disputed`, `kind`."""
    import skops.io
    import xgboost as xgb
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from penstock.components.base.artifact_types import Model

    def folder(name: str) -> Path:
        path = tmp_path_factory.mktemp(name) / "Format-Serving"
        path.mkdir()
        models[name] = Model(str(path.parent), id=50 + len(models))
        return path

    inputs = table[["amount", "noise"]]
    for label in ("label", "disputed", "kind"):
        model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(inputs, table[label])
        skops.io.dump(model, folder(f"sklearn_{label}") / "model.skops")
    boosted = xgb.XGBClassifier(n_estimators=5, max_depth=2).fit(inputs, table["label"])
    boosted.save_model(folder("xgboost") / "model.json")
    return models


def config(metrics: Any = None, **spec: Any) -> dict[str, Any]:
    """A configuration over all rows and by product."""
    return {
        "model_specs": [{"label_key": "label", **spec}],
        "slicing_specs": [{}, {"feature_keys": ["product"]}],
        "metrics_specs": [{"metrics": metrics or METRICS}],
    }


def two_models(wanted: dict[str, Any]) -> dict[str, Any]:
    """The configuration with a baseline."""
    (spec,) = wanted["model_specs"]
    wanted["model_specs"] = [
        {"name": "candidate", **spec},
        {"name": "baseline", "is_baseline": True, **spec},
    ]
    return wanted


def test_metrics_are_those_of_the_library(evaluate: Evaluate, flavored: Any, table: Any) -> None:
    """Predictions reach TFMA in another order, or those of another class."""
    import skops.io
    from sklearn.metrics import roc_auc_score

    path = flavored["sklearn_label"].path("Format-Serving", "model.skops")
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    chances = model.predict_proba(table[["amount", "noise"]])[:, 1]
    returned = evaluate(config(), "sklearn_label")[2]
    assert returned["engine"] == "local"
    assert returned["metric.mean_prediction"] == pytest.approx(chances.mean(), rel=1e-6)
    # TFMA approximates the area with ten thousand thresholds.
    auc = roc_auc_score(table["label"], chances)
    assert returned["metric.auc"] == pytest.approx(auc, abs=1e-3)


def test_flavors_are_compared_with_each_other(evaluate: Evaluate, flavored: Any) -> None:
    """A model could be replaced only by one of the same framework."""
    threshold = {"absolute": 0.0, "direction": "HIGHER_IS_BETTER"}
    metrics = [{"class_name": "AUC", "threshold": {"change_threshold": threshold}}, *METRICS[1:]]
    wanted = two_models(config(metrics))
    wanted["slicing_specs"] = [{}]
    better = evaluate(wanted, "sklearn_label", "worse")
    assert better[1].blessed
    alone = evaluate(config(), "worse")[2]
    assert better[2]["baseline_metric.auc"] == pytest.approx(alone["metric.auc"], rel=1e-9)
    flipped = evaluate(wanted, "flipped", "xgboost")
    assert not flipped[1].blessed
    change = flipped[2]["metric_change.auc"]
    assert change < -0.5
    assert f"{change:.4f}" in flipped[1].custom_properties["reason"]
    assert f"missed by {-change:.4f}" in flipped[1].custom_properties["reason"]


def test_labels_may_be_texts(evaluate: Evaluate, flavored: Any) -> None:
    """A classifier trained on texts can be evaluated only on numbers."""
    numbers = evaluate(config(), "sklearn_label")[2]
    texts = evaluate(config(label_key="disputed"), "sklearn_disputed")[2]
    assert texts["metric.auc"] == pytest.approx(numbers["metric.auc"], rel=1e-9)


def test_all_classes_are_measured(evaluate: Evaluate, flavored: Any, table: Any) -> None:
    """Metrics of many classes get one number for each row."""
    import skops.io

    path = flavored["sklearn_kind"].path("Format-Serving", "model.skops")
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    metrics = [{"class_name": "SparseCategoricalAccuracy"}, {"class_name": "ExampleCount"}]
    returned = evaluate(config(metrics, label_key="kind"), "sklearn_kind")[2]
    right = (model.predict(table[["amount", "noise"]]) == table["kind"]).mean()
    assert returned["metric.sparse_categorical_accuracy"] == pytest.approx(right, rel=1e-6)


def test_another_output_can_be_chosen(evaluate: Evaluate, flavored: Any, table: Any) -> None:
    """Only probabilities could be measured."""
    returned = evaluate(config(prediction_key="prediction"), "xgboost")[2]
    assert returned["metric.mean_prediction"] in {i / len(table) for i in range(len(table))}
    with pytest.raises(DataError, match="no output 'predictions'") as caught:
        evaluate(config(prediction_key="predictions"), "xgboost")
    assert caught.value.suggestion == "prediction"
    assert caught.value.node == "Evaluator"


@pytest.mark.slow
def test_both_engines_agree_on_flavors(
    evaluate: Evaluate, flavored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's fate would depend on where it is evaluated."""
    from penstock.components.analyze import evaluator_executor

    wanted = two_models(config(example_weight_key="weight"))
    here = evaluate(wanted, "sklearn_label", "good", example_splits=["train"])[2]
    monkeypatch.setattr(evaluator_executor, "unsupported", lambda plan: "the comparison")
    there = evaluate(wanted, "sklearn_label", "good", example_splits=["train"])[2]
    assert (here.pop("engine"), there.pop("engine")) == ("local", "beam")
    assert here == pytest.approx(there, rel=1e-5)


def test_mistakes_about_flavors_are_named(
    evaluate: Evaluate, flavored: Any, complaint_examples: Any, tmp_path: Path
) -> None:
    """A newcomer would get the traceback of a library."""
    import pyarrow.parquet as pq

    from penstock.components.base.artifact_types import Examples, Model

    with pytest.raises(ParameterError, match="name a signature of a model that has none"):
        evaluate(config(signature_name="serving_default"), "xgboost")
    flavored["pickled"] = Model(str(tmp_path))
    (tmp_path / "model.pkl").write_bytes(b"")
    (tmp_path / "Format-Serving").mkdir()
    (tmp_path / "model.pkl").rename(tmp_path / "Format-Serving" / "model.pkl")
    with pytest.raises(ModelError, match="is a pickle, which is refused") as caught:
        evaluate(config(), "pickled")
    assert caught.value.node == "Evaluator"
    fewer = Examples(str(tmp_path / "examples"))
    fewer.splits = ["eval"]
    rows = pq.read_table(complaint_examples.split_uri("eval")).drop(["noise"])
    Path(fewer.split_uri("eval")).mkdir(parents=True)
    pq.write_table(rows, Path(fewer.split_uri("eval"), "data_parquet-00000-of-00001.parquet"))
    with pytest.raises(InputError, match="input 'noise' is missing"):
        evaluate(config(), "xgboost", examples=fewer)
