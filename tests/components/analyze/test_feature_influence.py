# SPDX-License-Identifier: Apache-2.0
"""Which features matter: measured on models whose answer is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.components.base.artifact_types import FeatureInfluenceArtifact, Model
from penstock.components.base.executor import Task
from penstock.utils.errors import DataError, ParameterError
from penstock.utils.hashing import digest_tree

pytestmark = pytest.mark.heavy

Measure = Callable[..., Any]


@pytest.fixture
def measure(complaint_examples: Any, models: Mapping[str, Any], tmp_path: Path) -> Measure:
    """Runs the executor; gives (what it found, the artifact)."""
    from penstock.components.analyze.influence_executor import FeatureInfluenceExecutor

    def run(model: Any = "good", **parameters: Any) -> Any:
        place = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        made = FeatureInfluenceArtifact(str(place))
        inputs = {
            "examples": [complaint_examples],
            "model": [models[model] if isinstance(model, str) else model],
        }
        task = Task(inputs, {"influence": [made]}, parameters, node_id="FeatureInfluence")
        FeatureInfluenceExecutor().execute(task)
        return json.loads((place / "influence.json").read_text()), made

    return run


def by_name(found: Any, place: int = 0) -> dict[str, float]:
    """Importance by feature, of one of the slices."""
    return {each["name"]: each["importance"] for each in found["slices"][place]["features"]}


def test_only_what_a_model_looks_at_matters(measure: Measure) -> None:
    """A feature that a model ignores is said to matter, or the one it lives on is not."""
    found, _ = measure(label_key="label", features=["amount", "noise", "product"])
    values = by_name(found)
    assert next(iter(values)) == "amount"
    assert values["amount"] > 0.2
    assert values["noise"] == values["product"] == 0
    assert found["score"] == "log loss"
    assert found["slices"][0]["rows"] == 600
    assert by_name(measure("worse", label_key="label")[0])["noise"] < 0  # better without it


def test_slices_differ_where_the_model_does(measure: Measure) -> None:
    """What hurts one group disappears in the mean of all."""
    found, _ = measure("bad_on_card", label_key="label", slice_by=["product"], seed=3)
    names = [each["name"] for each in found["slices"]]
    assert names == ["all rows", "product: Card", "product: Debt", "product: Mortgage"]
    card, debt = by_name(found, 1), by_name(found, 2)
    assert card["amount"] < 0 < debt["amount"]
    assert sum(each["rows"] for each in found["slices"][1:]) < found["slices"][0]["rows"]


def test_equal_seeds_give_equal_bytes(measure: Measure) -> None:
    """The node is never reused, or figures cannot be repeated."""
    some = {"max_rows": 200, "label_key": "label", "explain": 1}
    first, again, other = (measure(**some, seed=seed) for seed in (1, 1, 2))
    assert digest_tree(first[1].uri) == digest_tree(again[1].uri)
    assert digest_tree(first[1].uri) != digest_tree(other[1].uri)
    assert first[0]["rows"] == 200
    # What is drawn for a feature does not depend on which others are measured.
    alone, _ = measure(**some, seed=1, features=["amount"])
    assert by_name(alone)["amount"] == by_name(first[0])["amount"]


def test_changes_are_measured_without_labels(measure: Measure) -> None:
    """Without labels nothing can be said."""
    found, _ = measure("classes", features=["amount", "noise", "product"])
    assert found["score"] == "the prediction's change"
    values = by_name(found)
    assert values["amount"] > values["noise"] > 0 == values["product"]


def test_one_prediction_is_explained(measure: Measure) -> None:
    """Nobody can tell a consumer why."""
    found, made = measure(explain=2, features=["amount", "noise"])
    first = found["explained"][0]
    adds = {each["name"]: each["adds"] for each in first["features"]}
    assert adds["noise"] == pytest.approx(0, abs=1e-7)
    assert abs(adds["amount"]) > 0.01
    assert 0 < first["prediction"] < 1
    assert len(found["explained"]) == 2
    page = Path(made.path("influence.html")).read_text()
    assert "Record 1:" in page
    assert "<script" not in page


def test_other_flavors_and_losses(
    measure: Measure, complaint_examples: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only SavedModels of two classes can be measured."""
    import pyarrow.parquet as pq
    import skops.io
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline

    table = pq.read_table(complaint_examples.split_uri("eval")).to_pandas()
    found = {}
    for name, estimator in (("disputed", LogisticRegression()), ("weight", LinearRegression())):
        model = make_pipeline(SimpleImputer(), estimator)
        model.fit(table[["amount", "noise"]], table[name])
        folder = tmp_path_factory.mktemp(name) / "Format-Serving"
        folder.mkdir()
        skops.io.dump(model, folder / "model.skops")
        found[name] = measure(Model(str(folder.parent)), label_key=name)[0]
    assert found["disputed"]["score"] == "log loss"
    assert by_name(found["disputed"])["amount"] > 0.2
    assert found["weight"]["score"] == "squared error"
    with pytest.raises(DataError, match="none of the model's classes"):
        measure(Model(str(tmp_path_factory.getbasetemp() / "disputed0")), label_key="product")


@pytest.fixture(scope="module")
def keras_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """3·noise - weight² + hour, where `hour` is a whole number."""
    import keras

    inputs = {
        "noise": keras.Input((1,), name="noise"),
        "weight": keras.Input((1,), name="weight"),
        "hour": keras.Input((1,), name="hour", dtype="int64"),
    }
    hour = keras.ops.cast(inputs["hour"], "float32")
    total = 3 * inputs["noise"] - inputs["weight"] ** 2 + hour
    folder = tmp_path_factory.mktemp("keras") / "Format-Serving"
    folder.mkdir()
    keras.Model(inputs, total).save(folder / "model.keras")
    return Model(str(folder.parent))


def test_integrated_gradients_are_exact_where_that_is_known(
    measure: Measure, keras_model: Model, complaint_examples: Any
) -> None:
    """Attributions do not add up to the difference of the predictions."""
    import pyarrow.parquet as pq

    table = pq.read_table(complaint_examples.split_uri("eval")).to_pandas()
    found, _ = measure(keras_model, method="integrated_gradients", explain=3)
    assert found["gap"] < 1e-4
    assert found["method"] == "integrated gradients"
    adds = {each["name"]: each["adds"] for each in found["explained"][2]["features"]}
    noise, weight = table["noise"], table["weight"]
    assert adds["noise"] == pytest.approx(3 * (noise[2] - noise.mean()), rel=1e-4)
    assert adds["weight"] == pytest.approx(weight.mean() ** 2 - weight[2] ** 2, rel=1e-3)
    assert "hour" not in adds
    expected = (3 * (noise - noise.mean())).abs().mean()
    assert by_name(found)["noise"] == pytest.approx(expected, rel=1e-4)


#: Prints the backend and the attributions of the model and records named by the arguments.
ATTRIBUTE = """
import json, sys
import pyarrow.parquet as pq
from penstock.components.analyze.influence_gradients import differentiable, integrated_gradients
from penstock.components.train.flavors.registry import load_predictor
(rows,) = pq.read_table(sys.argv[2]).slice(0, 40).combine_chunks().to_batches()
model = differentiable(load_predictor(sys.argv[1]))
found = integrated_gradients(model, rows, None, 20, lambda done: None)
print(json.dumps([model.backend, {k: v.tolist() for k, v in found.by_feature.items()}]))
"""


@pytest.mark.slow
def test_gradients_of_every_backend_agree(keras_model: Model, complaint_examples: Any) -> None:
    """What a model does depends on what Keras computes with."""
    arguments = [keras_model.uri, complaint_examples.split_uri("eval")]
    started = {
        backend: subprocess.Popen(
            [sys.executable, "-c", ATTRIBUTE, *arguments],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for backend in ("tensorflow", "jax", "torch")
    }
    answers = {}
    for backend, process in started.items():
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        used, answers[backend] = json.loads(output.splitlines()[-1])
        assert used == backend
    for backend in ("jax", "torch"):
        for name, values in answers["tensorflow"].items():
            np.testing.assert_allclose(answers[backend][name], values, rtol=1e-4, atol=1e-5)


def test_missing_gradients_are_explained(measure: Measure, tmp_path: Path) -> None:
    """Somebody looks for hours for gradients that cannot be."""
    import tensorflow as tf

    with pytest.raises(ParameterError, match="integrated gradients need gradients") as caught:
        measure(method="integrated_gradients")
    assert "serialized tf.Examples" in str(caught.value.got)
    assert "method='permutation'" in str(caught.value.fix)
    assert caught.value.node == "FeatureInfluence"

    class Tensors(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="noise")])
        def serve(self, noise: Any) -> dict[str, Any]:
            return {"twice": 2 * noise}

    folder = tmp_path / "tensors" / "Format-Serving"
    served = Tensors()
    tf.saved_model.save(served, str(folder), signatures={"serving_default": served.serve})
    found, _ = measure(Model(str(folder.parent)), method="integrated_gradients")
    assert found["gap"] < 1e-5


def test_mistakes_are_named(measure: Measure) -> None:
    """A newcomer would get a library's traceback."""
    for wrong, message in (
        ({"features": ["amuont"]}, "features names 'amuont'"),
        ({"label_key": "lable"}, "label_key names 'lable'"),
        ({"slice_by": ["prodcut"]}, "slice_by names 'prodcut'"),
        ({"output_key": "output"}, "no output 'output'"),
        ({"max_rows": 0}, "max_rows must be positive"),
    ):
        with pytest.raises(ParameterError, match=message):
            measure(**wrong)
    with pytest.raises(DataError, match="no split 'evil'"):
        measure(split="evil")
