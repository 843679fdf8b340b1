# SPDX-License-Identifier: Apache-2.0
"""Predictions for whole data sets: all records, in order, the same on every engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock import BulkInferrer, Channel, Examples, Model
from penstock.components.base.artifact_types import InferenceResult, ModelBlessing
from penstock.components.base.executor import Task
from penstock.components.train.flavors.predictor import InputError, ModelError
from penstock.utils.errors import DataError, ParameterError
from penstock.utils.hashing import digest_tree

pytestmark = pytest.mark.heavy

Infer = Callable[..., Any]
CLASSIFY = {"classify_output": {"label_column": "kinds", "score_column": "chances"}}


@pytest.fixture(scope="module")
def sharded(complaint_examples: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The examples with row groups of 100 records."""
    import pyarrow.parquet as pq

    examples = Examples(str(tmp_path_factory.mktemp("sharded")), id=2)
    examples.splits = ["train", "eval"]
    for split in examples.splits:
        Path(examples.split_uri(split)).mkdir()
        rows = pq.read_table(complaint_examples.split_uri(split))
        path = Path(examples.split_uri(split), "data_parquet-00000-of-00001.parquet")
        pq.write_table(rows, path, row_group_size=100)
    return examples


@pytest.fixture(scope="module")
def classifier(complaint_examples: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of scikit-learn with classes that are texts."""
    import pyarrow.parquet as pq
    import skops.io
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    table = pq.read_table(complaint_examples.split_uri("eval")).to_pandas()
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    model.fit(table[["amount", "noise"]], table["disputed"])
    uri = tmp_path_factory.mktemp("classifier")
    (uri / "Format-Serving").mkdir()
    skops.io.dump(model, uri / "Format-Serving" / "model.skops")
    return Model(str(uri), id=60)


@pytest.fixture
def infer(
    sharded: Any, models: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Infer:
    """Runs the executor; gives (output artifact, returned properties)."""
    from penstock.components.analyze import bulk_inferrer_plan
    from penstock.components.analyze.bulk_inferrer_executor import BulkInferrerExecutor

    monkeypatch.setattr(bulk_inferrer_plan, "SHARD_ROWS", 250)

    def run(
        model: Any = "good",
        examples: Any = sharded,
        blessing: ModelBlessing | None = None,
        beam_pipeline_args: tuple[str, ...] = (),
        **parameters: Any,
    ) -> Any:
        place = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        as_examples = "output_example_spec" in parameters
        name, kind = ("output_examples", Examples) if as_examples else (
            "inference_result", InferenceResult
        )  # fmt: skip
        made = kind(str(place))
        inputs: dict[str, Any] = {
            "examples": examples if isinstance(examples, list) else [examples],
            "model": [models[model] if isinstance(model, str) else model],
        }
        if blessing is not None:
            inputs["model_blessing"] = [blessing]
        task = Task(inputs, {name: [made]}, parameters, node_id="BulkInferrer",
                    beam_pipeline_args=beam_pipeline_args)  # fmt: skip
        return made, BulkInferrerExecutor().execute(task)

    return run


def predictions(result: InferenceResult, split: str = "eval") -> Any:
    """A split's predictions."""
    import pyarrow.parquet as pq

    return pq.read_table(result.path(f"Split-{split}"))


def sigmoid(values: Any) -> Any:
    """The logistic function."""
    import numpy as np

    return 1 / (1 + np.exp(-np.asarray(values)))


def test_every_record_has_its_prediction(infer: Infer, sharded: Any) -> None:
    """Predictions are lost, or stand beside other records."""
    import numpy as np
    import pyarrow.parquet as pq

    made, returned = infer()
    assert returned == {
        "inferred": 1, "rows": 750, "rows_train": 150, "rows_eval": 600, "shards": 4
    }  # fmt: skip
    names = sorted(path.name for path in Path(made.path("Split-eval")).iterdir())
    assert names == [f"predictions-{number:05d}-of-00003.parquet" for number in range(3)]
    found = predictions(made)
    records = pq.read_table(sharded.split_uri("eval"))
    assert found.column_names == [*records.column_names, "prediction_outputs"]
    assert found.select(records.column_names).equals(records)
    amounts = np.nan_to_num(records["amount"].to_pandas())
    np.testing.assert_allclose(found["prediction_outputs"], sigmoid(2 * amounts), rtol=1e-5)
    assert json.loads(made.custom_properties["row_counts"]) == {"train": 150, "eval": 600}
    assert made.custom_properties["format"] == "parquet"


def test_splits_and_columns_are_chosen(infer: Infer) -> None:
    """Everything is predicted and kept, whatever was asked for."""
    made, returned = infer(data_spec={"example_splits": ["train"]}, columns=["product"])
    assert returned["rows"] == 150
    assert [path.name for path in Path(made.uri).iterdir()] == ["Split-train"]
    assert predictions(made, "train").column_names == ["product", "prediction_outputs"]
    with pytest.raises(DataError, match="no split 'trian'") as caught:
        infer(data_spec={"example_splits": ["trian"]})
    assert caught.value.suggestion == "train"
    assert caught.value.node == "BulkInferrer"
    with pytest.raises(ParameterError, match="columns names 'prodcut'"):
        infer(columns=["prodcut"])


def save_torch(folder: Path) -> None:
    """A network of PyTorch over `noise` and `weight`."""
    import torch

    names = json.dumps(["noise", "weight"])
    exported = torch.export.export(
        torch.nn.Linear(2, 1),
        (torch.zeros(3, 2),),
        dynamic_shapes=({0: torch.export.Dim("rows")},),
    )
    torch.export.save(exported, folder / "model.pt2", extra_files={"feature_names.json": names})


def save_keras(folder: Path) -> None:
    """A network of Keras over `noise` and `weight`."""
    import keras

    inputs = {name: keras.Input((1,), name=name) for name in ("noise", "weight")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    keras.Model(inputs, keras.layers.Dense(3)(joined)).save(folder / "model.keras")


def save_xgboost(folder: Path) -> None:
    """Trees over `noise` and `weight`."""
    import numpy as np
    import pandas as pd
    import xgboost as xgb

    values = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(values, columns=["noise", "weight"])
    model = xgb.XGBClassifier(n_estimators=3).fit(frame, (values[:, 0] > 0).astype(int))
    model.save_model(folder / "model.json")


@pytest.mark.parametrize("save", [save_torch, save_keras, save_xgboost])
def test_every_flavor_predicts(
    infer: Infer, sharded: Any, tmp_path: Path, save: Callable[[Path], None]
) -> None:
    """Only some frameworks can predict in bulk, or give something else than when they serve."""
    import numpy as np
    import pyarrow.parquet as pq

    from penstock.components.train.flavors.registry import load_predictor

    folder = tmp_path / "model" / "Format-Serving"
    folder.mkdir(parents=True)
    save(folder)
    made, _ = infer(Model(str(folder.parent)), data_spec={"example_splits": ["eval"]})
    (rows,) = pq.read_table(sharded.split_uri("eval")).combine_chunks().to_batches()
    expected = load_predictor(str(folder)).predict(rows)
    found = predictions(made)
    for number, field in enumerate(expected.schema):
        name = "prediction" if field.name == "prediction" else f"prediction_{field.name}"
        np.testing.assert_allclose(
            np.array(found[name].to_pylist(), float),
            np.array(expected.column(number).to_pylist(), float),
            rtol=1e-5,
            atol=1e-6,
        )
    if "prediction_probabilities" in found.column_names:
        kept = found.schema.field("prediction_probabilities").metadata
        assert json.loads(kept[b"classes"]) == [0, 1]


def test_an_unblessed_model_predicts_nothing(infer: Infer) -> None:
    """A refused model's predictions are used."""
    refused = ModelBlessing("", custom_properties={"blessed": 0, "reason": "auc missed"})
    made, returned = infer(blessing=refused)
    assert returned["inferred"] == made.custom_properties["inferred"] == 0
    assert returned["reason"] == "the Evaluator did not bless the model: auc missed"
    assert list(Path(made.uri).iterdir()) == []
    spec = {"output_columns_spec": [CLASSIFY]}
    made, _ = infer(blessing=refused, output_example_spec=spec)
    assert made.splits == []
    blessed = ModelBlessing("", custom_properties={"blessed": 1})
    assert infer(blessing=blessed)[1]["inferred"] == 1


@pytest.mark.parametrize("payload", ["tfrecord", "tfrecord_gzip"])
def test_payloads_predict_alike(
    infer: Infer, sharded: Any, classifier: Model, tmp_path: Path, payload: str
) -> None:
    """Predictions depend on how records are kept."""
    import numpy as np

    from penstock.components.ingest.examples_reader import read_table
    from penstock.components.ingest.examples_writer import write_examples
    from penstock.components.ingest.payload import PayloadFormat

    table = read_table(sharded, "eval").drop(["never"])
    records = Examples(str(tmp_path / "records"))
    batches = {"eval": table.to_batches()}
    write_examples(records, batches, table.schema, PayloadFormat(payload))
    for model in ("good", classifier):
        plain, again = (infer(model, examples=each)[0] for each in (sharded, records))
        name = predictions(plain).column_names[-1]
        found = [np.array(predictions(each)[name].to_pylist()) for each in (plain, again)]
        np.testing.assert_allclose(*found, rtol=1e-5)
    unknown = Examples(records.uri)
    unknown.splits = ["eval"]
    assert predictions(infer("good", examples=unknown)[0]).num_rows == 600


@pytest.mark.slow
def test_engines_write_the_same_bytes(
    infer: Infer, classifier: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is predicted depends on where."""
    from penstock.components.analyze import bulk_inferrer_executor
    from penstock.components.ingest import work_engine

    here, counts = infer(classifier)
    there, on_beam = infer(classifier, engine="beam")
    monkeypatch.setattr(bulk_inferrer_executor, "POOL_SECONDS", 0.0)
    monkeypatch.setattr(bulk_inferrer_executor, "POOL_IDLE", -100.0)
    monkeypatch.setattr(work_engine, "processors", lambda: 2)
    pools = []
    plain = work_engine.ProcessPoolEngine.map
    monkeypatch.setattr(
        work_engine.ProcessPoolEngine, "map", lambda *given: pools.append(1) or plain(*given)
    )
    beside, in_pool = infer(classifier)
    assert pools
    assert counts == on_beam == in_pool
    assert digest_tree(here.uri) == digest_tree(there.uri) == digest_tree(beside.uri)


@pytest.mark.slow
def test_a_distributed_runner_is_used(infer: Infer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline's Beam runner is passed over."""
    from penstock.components.ingest import work_engine

    used = []
    plain = work_engine.BeamEngine.map
    monkeypatch.setattr(
        work_engine.BeamEngine, "map", lambda *given: used.append(1) or plain(*given)
    )
    here, _ = infer()
    distributed = ("--runner=DirectRunner", "--direct_running_mode=multi_processing",
                   "--direct_num_workers=1")  # fmt: skip
    assert not used
    there, _ = infer(beam_pipeline_args=distributed, data_spec={"example_splits": ["train"]})
    assert used
    assert predictions(there, "train").equals(predictions(here, "train"))


def test_predictions_become_columns(infer: Infer, classifier: Model, sharded: Any) -> None:
    """Later nodes cannot read predictions as examples."""
    from penstock.components.ingest.examples_reader import read_table

    by_name = {"output_columns": [{"output_key": "outputs", "output_column": "score"}]}
    spec = {"output_columns_spec": [{"predict_output": by_name}]}
    made, returned = infer(output_example_spec=spec)
    assert returned["rows"] == 750
    assert made.splits == ["train", "eval"]
    found = read_table(made, "eval")
    assert found.drop(["score"]).equals(read_table(sharded, "eval"))
    made, _ = infer(classifier, output_example_spec={"output_columns_spec": [CLASSIFY]},
                    payload_format="tfrecord_gzip")  # fmt: skip
    assert made.custom_properties["payload_format"] == "tfrecord"
    found = read_table(made, "train")
    assert found["kinds"].to_pylist()[0] == [b"No", b"Yes"]
    assert sum(found["chances"].to_pylist()[3]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([{"regress_output": {"value_column": "label"}}], "'label' that the examples have already"),
        (
            [{"predict_output": {"output_columns": [
                {"output_key": "output", "output_column": "x"}]}}],
            "no output 'output'",
        ),
        ([CLASSIFY], "classify_output, which the model does not answer"),
        ([{"signature_name": "other", **CLASSIFY}], "one output_columns_spec for signature"),
    ],
)  # fmt: skip
def test_wrong_columns_are_named(infer: Infer, spec: Any, message: str) -> None:
    """A newcomer would get a library's traceback."""
    with pytest.raises(ParameterError, match=message):
        infer(output_example_spec={"output_columns_spec": spec})


def test_logs_are_those_that_tfx_reads(infer: Infer, classifier: Model) -> None:
    """Consumers of TFX's prediction logs cannot read ours."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    from penstock.components.ingest.tfrecord_files import read_tfrecords

    found = {}
    for model in ("good", "classes", classifier):
        made, _ = infer(model, inference_format="prediction_log")
        paths = sorted(Path(made.uri).iterdir())
        assert [path.name for path in paths] == [
            f"prediction_logs-{n:05d}-of-00004.gz" for n in range(4)
        ]
        logs = [
            prediction_log_pb2.PredictionLog.FromString(record)
            for path in paths
            for records in read_tfrecords(str(path), 1000)
            for record in records
        ]
        assert len(logs) == 750
        found[str(model)] = (logs[150].predict_log, predictions(infer(model)[0]))
    log, table = found["good"]
    assert log.request.model_spec.signature_name == "serving_default"
    example = tf.train.Example.FromString(log.request.inputs["examples"].string_val[0])
    assert example.features.feature["label"].int64_list.value[0] == table["label"][0].as_py()
    output = log.response.outputs["outputs"]
    assert tf.make_ndarray(output).tolist() == [[table["prediction_outputs"][0].as_py()]]
    assert output.float_val[0] == table["prediction_outputs"][0].as_py()
    log, table = found["classes"][0], found["classes"][1]
    assert tf.make_ndarray(log.response.outputs["outputs"]).tolist() == [
        table["prediction_outputs"][0].as_py()
    ]
    log, table = found[str(classifier)]
    prediction = log.response.outputs["prediction"]
    assert tf.make_ndarray(prediction).tolist() == [table["prediction"][0].as_py().encode()]


def with_methods(model: Model, folder: Path) -> Model:
    """A copy of a SavedModel whose signatures classify (`kinds`) and regress (`value`)."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    loaded = tf.saved_model.load(model.path("Format-Serving"))
    score = loaded.signatures["serving_default"]

    class Both(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.loaded = loaded

    def kinds(examples: Any) -> Any:
        chance = score(examples=examples)["outputs"]
        names = tf.tile(tf.constant([["no", "yes"]]), [tf.shape(chance)[0], 1])
        return {"scores": tf.concat([1 - chance, chance], 1), "classes": names}

    def value(examples: Any) -> Any:
        return {"outputs": score(examples=examples)["outputs"]}

    takes = [tf.TensorSpec([None], tf.string, name="examples")]
    place = folder / "Format-Serving"
    signatures = {
        "kinds": tf.function(kinds, input_signature=takes),
        "value": tf.function(value, input_signature=takes),
    }
    tf.saved_model.save(Both(), str(place), signatures=signatures)
    path = place / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    definitions = graph.meta_graphs[0].signature_def
    definitions["kinds"].method_name = "tensorflow/serving/classify"
    definitions["value"].method_name = "tensorflow/serving/regress"
    path.write_bytes(graph.SerializeToString())
    return Model(str(folder))


def test_several_signatures_are_called(
    infer: Infer, models: Mapping[str, Any], tmp_path: Path
) -> None:
    """Of several signatures only one is asked, or answers are mixed up."""
    from tensorflow_serving.apis import prediction_log_pb2

    from penstock.components.ingest.tfrecord_files import read_tfrecords

    model = with_methods(models["good"], tmp_path)
    names = {"model_signature_name": ["kinds", "value"]}
    found = predictions(infer(model, model_spec=names)[0])
    assert found.column_names[-3:] == [
        "prediction_kinds_classes", "prediction_kinds_scores", "prediction_value_outputs"
    ]  # fmt: skip
    score = found["prediction_value_outputs"][0].as_py()
    assert found["prediction_kinds_scores"][0].as_py()[1] == score

    def first(spec: Any) -> Any:
        made, _ = infer(model, model_spec=spec, inference_format="prediction_log",
                        data_spec={"example_splits": ["eval"]})  # fmt: skip
        path = sorted(Path(made.uri).iterdir())[0]
        records = next(iter(read_tfrecords(str(path), 1)))
        return prediction_log_pb2.PredictionLog.FromString(records[0])

    kinds = first({"model_signature_name": ["kinds"]}).classify_log.response.result
    assert [each.label for each in kinds.classifications[0].classes] == ["no", "yes"]
    assert kinds.classifications[0].classes[1].score == score
    value = first({"model_signature_name": ["value"]}).regress_log.response.result
    assert value.regressions[0].value == score
    both = first(names).multi_inference_log.response.results
    assert [each.model_spec.signature_name for each in both] == ["kinds", "value"]
    assert both[1].regression_result.regressions[0].value == score


def test_mistakes_about_models_are_named(
    infer: Infer, classifier: Model, sharded: Any, tmp_path: Path
) -> None:
    """A newcomer would get the traceback of a framework."""
    import pyarrow.parquet as pq

    with pytest.raises(ParameterError, match="goes with a SavedModel only"):
        infer(classifier, model_spec={"model_signature_name": ["serving_default"]})
    with pytest.raises(ModelError, match="no signature 'serving_defualt'") as caught:
        infer(model_spec={"model_signature_name": ["serving_defualt"]})
    assert caught.value.suggestion == "serving_default"
    with pytest.raises(ParameterError, match="classifications and regressions only"):
        infer(
            inference_format="prediction_log",
            model_spec={"model_signature_name": ["serving_default", "transform_features"]},
        )
    with pytest.raises(ParameterError, match="another graph than is served"):
        infer(model_spec={"tag": ["gpu"]})
    fewer = Examples(str(tmp_path / "fewer"))
    fewer.splits = ["eval"]
    Path(fewer.split_uri("eval")).mkdir(parents=True)
    rows = pq.read_table(sharded.split_uri("eval")).drop(["noise"])
    pq.write_table(rows, Path(fewer.split_uri("eval"), "data_parquet-00000-of-00001.parquet"))
    with pytest.raises(InputError, match="'noise' is missing") as caught_input:
        infer(classifier, examples=fewer)
    assert caught_input.value.node == "BulkInferrer"
    assert "split eval" in str(caught_input.value.location)


def test_one_form_of_output_is_declared() -> None:
    """A node waits for an output that is never written."""
    channels = {"examples": Channel(Examples), "model": Channel(Model)}
    assert list(BulkInferrer(**channels).outputs) == ["inference_result"]
    spec = {"output_columns_spec": [CLASSIFY]}
    assert list(BulkInferrer(**channels, output_example_spec=spec).outputs) == ["output_examples"]
    with pytest.raises(ParameterError, match="exactly one of"):
        BulkInferrer(**channels, output_example_spec={"output_columns_spec": [{}]})
