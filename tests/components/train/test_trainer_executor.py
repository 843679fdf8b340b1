# SPDX-License-Identifier: Apache-2.0
"""The Trainer over real training code: what it saves, repeats and refuses."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from penstock.components.base.artifact_types import (  # noqa: E402
    Examples,
    HyperParameters,
    Model,
    ModelRun,
    Schema,
)
from penstock.components.base.executor import Task  # noqa: E402
from penstock.components.train.data_access import ExamplesAccess  # noqa: E402
from penstock.components.train.trainer_executor import make_fn_args  # noqa: E402
from penstock.utils.errors import CodeError, DataError, UserCodeError  # noqa: E402

pytestmark = pytest.mark.heavy

Run = Callable[..., Any]

TRAINING = Path(__file__).with_name("complaint_training.py")

#: Trains in a process of its own; prints the digest and a prediction.
SCRIPT = """
import sys
from penstock.components.base.artifact_types import Examples, Model, ModelRun, TransformGraph
from penstock.components.base.executor import Task
from penstock.components.train.trainer_executor import TrainerExecutor
from complaint_training import run_fn
import tensorflow as tf

examples, graph, model, logs = sys.argv[1:]
inputs = {"examples": [Examples(examples)], "transform_graph": [TransformGraph(graph)]}
inputs["examples"][0].splits = ["train", "eval"]
outputs = {"model": [Model(model)], "model_run": [ModelRun(logs)]}
TrainerExecutor().execute(Task(inputs, outputs, {"seed": 0}, {"run_fn": run_fn}))
print("digest", outputs["model"][0].content_digest, tf.keras.__name__)
"""


@pytest.fixture(scope="module")
def run_fn() -> Any:
    """The function in `complaint_training.py`."""
    spec = importlib.util.spec_from_file_location("complaint_training", TRAINING)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run_fn


@pytest.fixture(scope="module")
def model(run_trainer: Run, run_fn: Any) -> Any:
    """A trained model."""
    return run_trainer(run_fn)


def _predict(uri: str, amounts: list[float]) -> Any:
    """Predictions from raw, serialized records."""
    examples = []
    for amount in amounts:
        example = tf.train.Example()
        example.features.feature["amount"].float_list.value.append(amount)
        example.features.feature["product"].bytes_list.value.append(b"card")
        example.features.feature["pair"].int64_list.value.extend([1, 2])
        examples.append(example.SerializeToString())
    loaded = tf.saved_model.load(os.path.join(uri, "Format-Serving"))
    return loaded.signatures["serving_default"](examples=tf.constant(examples))["outputs"].numpy()


def test_saved_model_serves_raw_records(model: Any) -> None:
    """Training and serving apply different transformations, or none."""
    predictions = _predict(model.uri, [-2.0, 2.0])
    assert predictions[0, 0] < 0.4 < 0.6 < predictions[1, 0]
    assert model.custom_properties["flavor"] == "tensorflow"
    assert os.listdir(model.uri) == ["Format-Serving"]


def test_training_again_gives_the_same_model(model: Any, run_trainer: Run, run_fn: Any) -> None:
    """Equal inputs train a different model: nothing below the Trainer can be reused."""
    again = run_trainer(run_fn)
    assert again.content_digest == model.content_digest
    np.testing.assert_array_equal(_predict(again.uri, [0.3]), _predict(model.uri, [0.3]))
    other = run_trainer(run_fn, seed=1)
    assert other.content_digest != model.content_digest


def _in_process(
    transformed: tuple[Any, Any], tmp_path: Path, **variables: str
) -> tuple[list[str], str]:
    folders = [tmp_path / "model", tmp_path / "logs"]
    for folder in folders:
        folder.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TRAINING.parent), *sys.path]),
        "PYTHONHASHSEED": "5",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, transformed[1].uri, transformed[0].uri, *map(str, folders)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("digest")]
    return line.split()[1:], str(folders[0])


@pytest.mark.slow
def test_other_process_trains_the_same_model(
    model: Any, transformed: tuple[Any, Any], tmp_path: Path
) -> None:
    """A model depends on the process it was trained in."""
    (digest, _), _ = _in_process(transformed, tmp_path)
    assert digest == model.content_digest


@pytest.mark.slow
def test_same_code_works_with_legacy_keras(transformed: tuple[Any, Any], tmp_path: Path) -> None:
    """The documented way to save a model fails where `tf.keras` is Keras 2."""
    (_, keras), folder = _in_process(transformed, tmp_path, TF_USE_LEGACY_KERAS="1")
    assert "tf_keras" in keras
    predictions = _predict(folder, [-2.0, 2.0])
    assert predictions[0, 0] < predictions[1, 0]


def test_run_fn_that_saves_nothing(run_trainer: Run) -> None:
    """An empty model is evaluated and pushed, or fails there without naming the cause."""
    with pytest.raises(UserCodeError, match="returned without saving a model") as caught:
        run_trainer(lambda fn_args: None)
    assert "Format-Serving" in str(caught.value.expected)
    assert "serving_model_dir" in str(caught.value.fix)
    assert "test_trainer_executor.py" in str(caught.value.location)


def test_model_without_a_serving_signature(run_trainer: Run) -> None:
    """A model that nothing can call reaches the Evaluator."""

    def run_fn(fn_args: Any) -> None:
        module = tf.Module()
        module.weight = tf.Variable(1.0)
        module.score = tf.function(
            lambda x: {"y": x * module.weight},
            input_signature=[tf.TensorSpec([None], tf.float32, name="x")],
        )
        tf.saved_model.save(module, fn_args.serving_model_dir, signatures={"score": module.score})

    with pytest.raises(UserCodeError, match="without a serving signature") as caught:
        run_trainer(run_fn)
    assert caught.value.got == "signatures score"


def test_other_formats_are_kept(run_trainer: Run) -> None:
    """A model that is no SavedModel is refused."""

    def run_fn(fn_args: Any) -> None:
        Path(fn_args.serving_model_dir, "model.onnx").write_bytes(b"graph")
        Path(fn_args.eval_model_dir, "model.onnx").write_bytes(b"graph")

    model = run_trainer(run_fn)
    assert model.custom_properties["flavor"] == "other"
    assert sorted(os.listdir(model.uri)) == ["Format-Serving", "Format-TFMA"]


def test_run_fn_that_takes_nothing(run_trainer: Run) -> None:
    """The mistake is told as one of the Trainer's own code."""
    with pytest.raises(CodeError, match="too many positional arguments") as caught:
        run_trainer(lambda: None)
    assert caught.value.expected == "def run_fn(fn_args)"
    assert "test_trainer_executor.py" in str(caught.value.location)


def test_user_exception_comes_through_as_it_is(run_trainer: Run) -> None:
    """Users see our wrapping in place of their own traceback."""
    with pytest.raises(ZeroDivisionError):
        run_trainer(lambda fn_args: 1 / 0)


def test_data_error_inside_training_is_told_as_such(
    run_trainer: Run, transformed: tuple[Any, Any]
) -> None:
    """A data problem met during `fit` reads as an internal error of TensorFlow."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

    def run_fn(fn_args: Any) -> None:
        text = 'feature { name: "amount" type: FLOAT shape {} presence { min_fraction: 1.0 } }'
        schema = text_format.Parse(text, schema_pb2.Schema())
        options = TensorFlowDatasetOptions(batch_size=10, num_epochs=1)
        list(fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema))

    with pytest.raises(DataError, match="feature 'amount' is missing") as caught:
        run_trainer(run_fn)
    assert caught.value.suggestion == "amount_z"


def test_fn_args_say_where_everything_lies(transformed: tuple[Any, Any], tmp_path: Path) -> None:
    """A field that TFX fills is empty, or points elsewhere."""
    hyperparameters = HyperParameters(str(tmp_path / "best"))
    os.makedirs(hyperparameters.uri)
    (tmp_path / "best" / "best_hyperparameters.txt").write_text('{"values": {"units": 8}}')
    base = Model(str(tmp_path / "base"))
    os.makedirs(base.path("Format-Serving"))
    task = Task(
        inputs={
            "examples": [transformed[1], transformed[1]],
            "transform_graph": [transformed[0]],
            "schema": [Schema("/schema")],
            "base_model": [base],
            "hyperparameters": [hyperparameters],
        },
        outputs={"model": [Model(str(tmp_path / "m"))], "model_run": [ModelRun("/logs")]},
        parameters={
            "train_args": {"splits": ["train"], "num_steps": 9},
            "custom_config": {"depth": 2},
        },
    )
    found = make_fn_args(task, ExamplesAccess(None, "Trainer"), None)
    assert found.train_files == [transformed[1].split_uri("train") + "/*"] * 2
    assert found.eval_files == [transformed[1].split_uri("eval") + "/*"] * 2
    assert (found.train_steps, found.eval_steps) == (9, None)
    assert found.schema_path == found.schema_file == "/schema/schema.pbtxt"
    assert found.transform_output == found.transform_graph_path == transformed[0].uri
    assert found.serving_model_dir == str(tmp_path / "m" / "Format-Serving")
    assert found.eval_model_dir == str(tmp_path / "m" / "Format-TFMA")
    assert found.base_model == base.path("Format-Serving")
    assert found.hyperparameters == {"values": {"units": 8}}
    assert found.custom_config == {"depth": 2}
    assert found.model_run_dir == "/logs"
    (tmp_path / "best" / "best_hyperparameters.txt").write_text("[1, 2]")
    with pytest.raises(DataError, match="hyperparameters cannot be read") as caught:
        make_fn_args(
            replace(task, outputs={**task.outputs, "model": [Model(str(tmp_path / "n"))]}),
            ExamplesAccess(None, "Trainer"),
            None,
        )
    assert caught.value.got == "[1, 2]"


def test_missing_split_is_named(transformed: tuple[Any, Any], tmp_path: Path) -> None:
    """Training on a split that does not exist ends in a missing file."""
    task = Task(
        inputs={"examples": [transformed[1]]},
        outputs={"model": [Model(str(tmp_path))], "model_run": [ModelRun(str(tmp_path))]},
        parameters={"eval_args": {"splits": ["validation"]}},
    )
    with pytest.raises(DataError, match="no split 'validation'"):
        make_fn_args(task, ExamplesAccess(None, "Trainer"), None)
    assert isinstance(transformed[1], Examples)
