# SPDX-License-Identifier: Apache-2.0
"""What predictors take and give, and how each format is kept safe."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.components.base.artifact_types import Model
from penstock.components.train.flavors.input_columns import DenseInput, dense, output_batch
from penstock.components.train.flavors.model_artifact import configured_trust, load_model, record
from penstock.components.train.flavors.predictor import (
    CLASSES_KEY,
    InputError,
    InputFeature,
    ModelError,
)
from penstock.components.train.flavors.registry import load_predictor
from penstock.utils.errors import ExecutionError, ParameterError

pytestmark = pytest.mark.heavy

ROWS = pa.RecordBatch.from_pydict(
    {
        "amount": [1.5, None, -2.0],
        "whole": [[1], [2], [3]],
        "pair": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        "uneven": [[1.0], [2.0, 3.0], []],
        "text": ["a", "b", None],
    }
)


def test_columns_become_arrays() -> None:
    """A model is given other numbers, or another shape, than the columns hold."""
    np.testing.assert_array_equal(dense(ROWS, DenseInput("amount", "float32")), [1.5, np.nan, -2])
    assert dense(ROWS, DenseInput("amount", "float32", (1,))).shape == (3, 1)
    assert dense(ROWS, DenseInput("whole", "float32", (1,))).tolist() == [[1], [2], [3]]
    assert dense(ROWS, DenseInput("whole", "int32")).tolist() == [1, 2, 3]
    assert dense(ROWS, DenseInput("pair", "float32", (2,))).tolist()[1] == [3, 4]
    assert dense(ROWS, DenseInput("pair", "float32", (None,))).shape == (3, 2)
    assert dense(ROWS, DenseInput("pair", "float32", (1, 2))).shape == (3, 1, 2)
    assert dense(ROWS.slice(0, 2), DenseInput("text", "object")).tolist() == [b"a", b"b"]
    assert dense(ROWS.slice(1, 1), DenseInput("pair", "float32", (2,))).tolist() == [[3, 4]]
    assert dense(ROWS.slice(0, 0), DenseInput("pair", "float32", (2,))).shape == (0, 2)


@pytest.mark.parametrize(
    ("wanted", "texts"),
    [
        (DenseInput("amuont", "float32"), ["'amuont' is missing", "did you mean: amount"]),
        (DenseInput("amount", "int64"), ["another type", "int64", "double"]),
        (DenseInput("text", "float32"), ["another type", "float32", "string"]),
        (DenseInput("amount", "object"), ["another type", "texts"]),
        (DenseInput("text", "object"), ["no value in 1 of 3 rows"]),
        (DenseInput("pair", "float32"), ["one value in a row", "2 values in row 0"]),
        (DenseInput("pair", "float32", (3,)), ["another shape", "3 values", "2 in row 0"]),
        (DenseInput("uneven", "float32", (1,)), ["another shape", "2 in row 1"]),
    ],
)
def test_columns_that_do_not_fit_are_named(wanted: DenseInput, texts: list[str]) -> None:
    """A client's mistake ends in an error deep inside a framework."""
    with pytest.raises(InputError) as caught:
        dense(ROWS, wanted)
    for text in texts:
        assert text in " ".join(str(caught.value).split())


def test_outputs_become_columns() -> None:
    """Clients of different flavors need different code."""
    made = output_batch(
        {"prediction": np.array([1, 0]), "probabilities": np.eye(2)}, 2, ["no", "yes"]
    )
    assert made.to_pydict() == {"prediction": [1, 0], "probabilities": [[1, 0], [0, 1]]}
    assert json.loads(made.schema.field("probabilities").metadata[CLASSES_KEY]) == ["no", "yes"]
    assert output_batch({"y": np.zeros((2, 1))}, 2).column(0).to_pylist() == [0, 0]
    with pytest.raises(ExecutionError, match="'y' does not have one entry for each row"):
        output_batch({"y": np.zeros(3)}, 2)


def own_function(values: Any) -> Any:
    """A function of the user's own."""
    return values


def save_with_own_function(folder: Path) -> None:
    """A scikit-learn pipeline that calls `own_function`."""
    import pandas as pd
    import skops.io
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    frame = pd.DataFrame({"amount": [0.0, 1.0, 2.0]})
    model = make_pipeline(FunctionTransformer(own_function), LinearRegression())
    skops.io.dump(model.fit(frame, [0.0, 1.0, 2.0]), folder / "model.skops")


def test_sklearn_types_need_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file can make a server call any function it names."""
    save_with_own_function(tmp_path)
    name = f"{__name__}.own_function"
    with pytest.raises(ModelError, match="not known to be harmless") as caught:
        load_predictor(str(tmp_path))
    assert caught.value.got == name
    assert "trusted_types" in str(caught.value.fix)
    assert f"PENSTOCK_TRUSTED_TYPES={name}" in str(caught.value.fix)
    rows = pa.RecordBatch.from_pydict({"amount": [4.0, 5.0]})
    model = Model(str(tmp_path))
    record(model, "sklearn", configured_trust({"trusted_types": [name]}, "Trainer"))
    assert load_model(model).predict(rows).column(0).to_pylist() == pytest.approx([4, 5])
    monkeypatch.setenv("PENSTOCK_TRUSTED_TYPES", f"some.thing, {name}")
    assert load_predictor(str(tmp_path)).predict(rows).num_rows == 2
    with pytest.raises(ParameterError, match="is no list of types"):
        configured_trust({"trusted_types": "all"}, "Trainer")


def test_sklearn_tells_values_that_its_encoders_know(tmp_path: Path) -> None:
    """The request that `penstock serve` prints for people to try would be refused."""
    import pandas as pd
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = pd.DataFrame({"size": [1.0, 2.0], "city": [None, "Ulm"], "text": ["aa bb", "cc dd"]})
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["size"]), ("c", encoder, ["city"]),
         ("t", TfidfVectorizer(), "text")]
    )  # fmt: skip
    model = make_pipeline(columns, LogisticRegression()).fit(rows, [0, 1])
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = load_predictor(str(tmp_path))
    found = {each.name: each.example for each in loaded.input_features()}
    assert found == {"size": None, "city": "Ulm", "text": "text"}
    asked = pa.RecordBatch.from_pylist([{**found, "size": 1}])
    assert loaded.predict(asked).num_rows == 1


def test_sklearn_needs_names(tmp_path: Path) -> None:
    """Columns are fed in whatever order they come."""
    import skops.io
    from sklearn.linear_model import LinearRegression

    skops.io.dump(LinearRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "model.skops")
    with pytest.raises(ModelError, match="does not know the names of its columns"):
        load_predictor(str(tmp_path))
    (tmp_path / "model.skops").write_bytes(b"PK no archive")
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(str(tmp_path))


def test_xgboost_gives_what_the_library_gives(tmp_path: Path) -> None:
    """The served model decides otherwise than the trained one."""
    import pandas as pd
    import xgboost as xgb

    random = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": random.normal(size=60), "kind": ["a", "b", "c"] * 20})
    label = (frame["amount"] + (frame["kind"] == "b") > 0).astype(int) + (frame["kind"] == "c")
    frame["kind"] = frame["kind"].astype("category")
    model = xgb.XGBClassifier(n_estimators=4, enable_categorical=True).fit(frame, label)
    model.save_model(tmp_path / "model.ubj")
    predictor = load_predictor(str(tmp_path))
    rows = pa.RecordBatch.from_pandas(frame.astype({"kind": str}), preserve_index=False)
    found = predictor.predict(rows)
    np.testing.assert_allclose(found.column(1).to_pylist(), model.predict_proba(frame), rtol=1e-6)
    np.testing.assert_array_equal(found.column(0), model.predict(frame))
    assert predictor.input_features()[1] == InputFeature("kind", "string", required=False)
    assert predictor.predict(rows.slice(0, 0)).schema.equals(found.schema)
    unseen = pa.RecordBatch.from_pydict({"amount": [0.1, 0.1], "kind": ["never seen", None]})
    first, second = predictor.predict(unseen).column(1).to_pylist()
    assert first == second
    (tmp_path / "model.ubj").write_bytes(b"{}")
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(str(tmp_path))


def test_infinite_values_are_the_callers_fault(tmp_path: Path) -> None:
    """A server would blame its model, and fill its log, for what a client sent."""
    import xgboost as xgb

    data = xgb.DMatrix(np.zeros((4, 1)), label=[0, 1, 0, 1], feature_names=["amount"])
    xgb.train({}, data, 1).save_model(tmp_path / "model.json")
    rows = pa.RecordBatch.from_pydict({"amount": [1.0, np.inf]})
    with pytest.raises(InputError, match="no infinite values"):
        load_predictor(str(tmp_path)).predict(rows)


def test_xgboost_needs_names(tmp_path: Path) -> None:
    """Columns are fed in whatever order they come."""
    import xgboost as xgb

    data = xgb.DMatrix(np.zeros((4, 2)), label=[0, 1, 0, 1])
    xgb.train({}, data, 1).save_model(tmp_path / "model.json")
    with pytest.raises(ModelError, match="does not know the names of its features"):
        load_predictor(str(tmp_path))


def export(module: Any, arguments: tuple[Any, ...], path: Path, **options: Any) -> None:
    """Exports a module with a batch of open size."""
    import torch

    rows = {0: torch.export.Dim("rows")}
    fixed = options.pop("fixed", False)
    exported = torch.export.export(
        module, arguments, dynamic_shapes=None if fixed else tuple(rows for _ in arguments)
    )
    torch.export.save(exported, path, **options)


def test_torch_takes_columns_by_name(tmp_path: Path) -> None:
    """Columns are mixed up, or one row alone fails."""
    import torch

    path = tmp_path / "model.pt2"
    names = json.dumps(["whole", "amount"])
    linear = torch.nn.Linear(2, 1)
    export(linear, (torch.zeros(3, 2),), path, extra_files={"feature_names.json": names})
    predictor = load_predictor(str(tmp_path))
    assert [each.name for each in predictor.input_features()] == ["whole", "amount"]
    found = predictor.predict(ROWS.slice(0, 1)).column(0).to_pylist()
    assert found == pytest.approx(linear(torch.tensor([[1.0, 1.5]])).flatten().tolist())
    assert predictor.predict(ROWS.slice(0, 0)).num_rows == 0
    export(linear, (torch.zeros(3, 2),), path, fixed=True)
    with pytest.raises(ModelError, match="exported for batches of one size") as caught:
        load_predictor(str(tmp_path))
    assert "dynamic_shapes" in str(caught.value.fix)


class Harmful:
    """What an attacker pickles: loading it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["weights", "constants", "sample_inputs", "aotinductor"])
def test_torch_archives_that_run_code_are_refused(place: str, tmp_path: Path) -> None:
    """torch.export.load unpickles what an archive tells it to."""
    import torch

    path, mark = tmp_path / "model.pt2", tmp_path / "mark"
    export(torch.nn.Linear(2, 1), (torch.zeros(3, 2),), path)
    harm = io.BytesIO()
    torch.save(Harmful(mark), harm)
    changed = {
        "weights": ("data/weights/weight_0", harm.getvalue()),
        "constants": ("data/constants/opaque_obj_0", pickle.dumps(Harmful(mark))),
        "sample_inputs": ("data/sample_inputs/model.pt", harm.getvalue()),
        "aotinductor": ("data/aotinductor/model/code.so", b"machine code"),
    }[place]
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(files)).partition("/")[0]
    files[f"{root}/{changed[0]}"] = changed[1]
    for name in (f"{root}/data/{part}/model_{part}_config.json" for part in ("weights", place)):
        if place in ("weights", "constants") and name in files:
            config = json.loads(files[name])
            for entry in config["config"].values():
                entry["use_pickle"] = place == "weights"
            if place == "constants" and "constants" in name:
                config["config"]["harm"] = {
                    "path_name": "opaque_obj_0",
                    "is_param": False,
                    "use_pickle": True,
                    "tensor_meta": None,
                }
            files[name] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match="which is refused: loading it could run"):
        load_predictor(str(tmp_path))
    assert not mark.exists()


def test_keras_code_is_not_run(tmp_path: Path) -> None:
    """A .keras file runs the Python that is in it."""
    import keras

    column = keras.Input((1,), name="amount")
    path = tmp_path / "model.keras"
    keras.Model(column, keras.layers.Lambda(lambda x: x + 1)(column)).save(path)
    with pytest.raises(ModelError, match="holds Python code, which is not run"):
        load_predictor(str(tmp_path))
    keras.Model(column, keras.layers.Dense(1)(column)).save(path)
    predictor = load_predictor(str(tmp_path))
    assert predictor.input_features() == [InputFeature("amount", "float")]
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(str(tmp_path))


def test_saved_model_tells_its_features(tmp_path: Path) -> None:
    """A server cannot check requests, or a client cannot know what to send."""
    import tensorflow as tf

    features = {
        "amount": tf.io.FixedLenFeature([], tf.float32),
        "whole": tf.io.FixedLenFeature([], tf.int64, 7),
        "text": tf.io.VarLenFeature(tf.string),
        "pair": tf.io.FixedLenFeature([2], tf.float32),
    }
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        row = tf.io.parse_example(examples, features)
        return {"y": row["amount"] + tf.cast(row["whole"], tf.float32)}

    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    predictor = load_predictor(str(tmp_path))
    assert predictor.input_features() == [
        InputFeature("amount", "float"),
        InputFeature("pair", "list<float>", length=2),
        InputFeature("text", "list<string>", required=False),
        InputFeature("whole", "int64", required=False),
    ]
    rows = pa.RecordBatch.from_pydict({"amount": [1.0, 2.0], "pair": [[0.0, 0.0]] * 2})
    assert predictor.predict(rows).to_pydict() == {"y": [8.0, 9.0]}
    with pytest.raises(InputError, match="'pair' is missing"):
        predictor.predict(pa.RecordBatch.from_pydict({"amount": [1.0]}))
    with pytest.raises(ModelError, match="no signature 'predict'"):
        load_predictor(str(tmp_path), signature="predict")
    (tmp_path / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="is no SavedModel"):
        load_predictor(str(tmp_path))


def test_equal_models_have_equal_digests(tmp_path: Path) -> None:
    """Nodes below a Trainer run again because a file says when it was written."""
    import pandas as pd
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    from penstock.components.train.flavors.model_digest import model_digest

    frame = pd.DataFrame({"amount": np.arange(20.0)})
    digests = []
    kept = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(digests))
        folder.mkdir()
        model = RandomForestClassifier(2, random_state=seed).fit(frame, np.arange(20) % 2)
        kept.append(model)  # so that the next one gets other addresses
        skops.io.dump(model, folder / "model.skops")
        digests.append(model_digest(str(folder)))
    assert digests[0] == digests[1] != digests[2]


def test_rows_that_the_graph_refuses_are_the_callers_fault(tmp_path: Path) -> None:
    """A server answers 500, as if it were broken, where a client sent what no model takes."""
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="amount")])
    def serve(amount: Any) -> dict[str, Any]:
        with tf.control_dependencies([tf.debugging.assert_positive(amount, "not positive")]):
            return {"y": tf.identity(amount)}

    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    predictor = load_predictor(str(tmp_path))
    assert predictor.predict(pa.RecordBatch.from_pydict({"amount": [1.0]})).num_rows == 1
    with pytest.raises(InputError, match="not positive"):
        predictor.predict(pa.RecordBatch.from_pydict({"amount": [-1.0]}))
