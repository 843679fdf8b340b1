# SPDX-License-Identifier: Apache-2.0
"""Does the work of `Trainer`: calls `run_fn`, and checks what it saved."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# TensorFlow Transform would otherwise turn `tf.keras` into Keras 2 for the whole process.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

from ...utils import storage
from ...utils.errors import DataError
from ...utils.user_code.tracebacks import function_location
from ..base.artifact import Artifact, PropertyValue
from ..base.artifact_types import (
    Examples,
    HyperParameters,
    Model,
    ModelRun,
    Schema,
    TransformGraph,
)
from ..base.executor import Task
from ..ingest.examples_reader import split_files
from ..transform.graph_errors import storage_error
from ..transform.light.saved import attach, is_light
from .data_access import ExamplesAccess
from .distributed.distribution import Distribution
from .distributed.single_device import SingleDevice
from .distributed.strategy_scope import distributed, unsupported_fit
from .finite_weights import unusable_weights
from .flavors.model_artifact import configured_trust, record
from .flavors.model_digest import model_digest
from .fn_args import FnArgs
from .keras_backend import KerasBackend
from .keras_callbacks import KerasCallbacks
from .saved_outputs import check_serving_model
from .seeding import start_afresh
from .train_args import EvalArgs, OnNan, TrainArgs
from .training_progress import TrainingProgress

#: Folders of a `Model` artifact.
SERVING_DIR = "Format-Serving"
EVAL_DIR = "Format-TFMA"

#: File of a `HyperParameters` artifact, as TFX's Tuner writes it.
HYPERPARAMETERS_FILE = "best_hyperparameters.txt"


class TrainerExecutor:
    """Runs the user's training code."""

    def __init__(self) -> None:
        # Before the user's module is loaded, which may choose.
        self._keras = KerasBackend()

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `model` and `model_run`.

        Raises:
            DataError: The data cannot be read as the schema says.
            StorageError: The disk is full.
            ParameterError: The node's workers or GPUs do not fit `distribution`.
            UserCodeError: `run_fn` saved no model that can serve, or training diverged.
            Exception: Whatever `run_fn` raises.
        """
        self._keras.settle()
        run_fn = task.user_function("run_fn", ["fn_args"])
        seed = task.parameter("seed", int | None)
        access = ExamplesAccess(seed, task.node_id)
        progress = _progress(task, run_fn)
        # First of all: TensorFlow lets no strategy be made once it has begun to work.
        distribution = task.parameter("distribution", Distribution | None)
        with distributed(distribution, task) as strategy:
            arguments = make_fn_args(task, access, seed, strategy, progress)
            start_afresh(seed)
            try:
                result = run_fn(arguments)
            except Exception as error:
                # None is the user's mistake, though all come out of the user's code.
                told = (
                    progress.error
                    or access.error
                    or storage_error(error, task.node_id)
                    or unsupported_fit(error, distribution, task.node_id, function_location(run_fn))
                )
                if told is None or told is error:
                    raise
                raise told from error
        self._keras.check(task.node_id, function_location(run_fn))
        if progress.error is not None:
            raise progress.error  # run_fn went on all the same
        progress.take_result(result)
        if task.group.rank > 0:
            return {}  # only the chief's model counts
        model = task.output("model", Model)
        trusted = configured_trust(arguments.custom_config, task.node_id)
        flavor = check_serving_model(arguments.serving_model_dir, run_fn, task.node_id, trusted)
        _check_weights(arguments.serving_model_dir, flavor, progress)
        if not os.listdir(arguments.eval_model_dir):
            os.rmdir(arguments.eval_model_dir)
        if arguments.transform_output is not None and is_light(arguments.transform_output):
            added = attach(arguments.transform_output, arguments.serving_model_dir)
            trusted = [*trusted, *added]
        record(model, flavor, trusted)
        model.content_digest = model_digest(model.uri)
        return {**({} if seed is None else {"seed": seed}), **progress.properties()}


def _progress(task: Task, run_fn: Callable[..., Any]) -> TrainingProgress:
    on_nan: OnNan = task.parameter("on_nan", OnNan | None) or "fail"
    location = function_location(run_fn)
    return TrainingProgress(
        task.report_progress, on_nan, task.node_id, location, task.checkpoint_dir
    )


def _check_weights(serving_dir: str, flavor: str, progress: TrainingProgress) -> None:
    broken = unusable_weights(serving_dir, flavor)
    if broken is not None:
        progress.diverged(
            "training diverged: the saved model holds NaN", f"NaN in the variable {broken}"
        )


def make_fn_args(
    task: Task,
    access: ExamplesAccess,
    seed: int | None,
    strategy: Any = None,
    progress: TrainingProgress | None = None,
) -> FnArgs:
    """What `run_fn` is given; makes the folders that it may write to.

    Args:
        task: The execution.
        access: Reads the examples.
        seed: What the random generators are set to.
        strategy: The distribution strategy; by default that of a single device.
        progress: Takes in what `run_fn` reports.

    Raises:
        DataError: A split is missing or empty.
    """
    progress = progress or TrainingProgress(task.report_progress, "fail", task.node_id)
    train = task.parameter("train_args", TrainArgs | None) or TrainArgs()
    evaluation = task.parameter("eval_args", EvalArgs | None) or EvalArgs()
    examples = task.input_list("examples", Examples)
    model = storage.local_path(task.output("model", Model).uri)
    serving_dir, eval_dir = os.path.join(model, SERVING_DIR), os.path.join(model, EVAL_DIR)
    os.makedirs(serving_dir)
    os.makedirs(eval_dir)
    schema = task.optional_input("schema", Schema)
    schema_path = None if schema is None else storage.local_path(schema.path("schema.pbtxt"))
    graph = _folder(task.optional_input("transform_graph", TransformGraph))
    return FnArgs(
        working_dir=task.work_dir,
        train_files=_patterns(examples, train.splits),
        eval_files=_patterns(examples, evaluation.splits),
        train_steps=train.num_steps or None,
        eval_steps=evaluation.num_steps or None,
        schema_path=schema_path,
        schema_file=schema_path,
        transform_graph_path=graph,
        transform_output=graph,
        data_accessor=access.accessor(),
        serving_model_dir=serving_dir,
        eval_model_dir=eval_dir,
        model_run_dir=storage.local_path(task.output("model_run", ModelRun).uri),
        base_model=_base_model(task),
        hyperparameters=_hyperparameters(task),
        custom_config=task.parameter("custom_config", dict | None),
        seed=seed,
        distribution_strategy=strategy or SingleDevice(),
        worker_index=task.group.rank,
        worker_count=task.group.size,
        checkpoint_dir=task.checkpoint_dir or _own_checkpoints(task),
        report_progress=progress,
        keras_callbacks=KerasCallbacks(progress, task.checkpoint_dir),
    )


def _own_checkpoints(task: Task) -> str:
    """Where an executor that is called directly, as in a unit test, keeps checkpoints."""
    folder = os.path.join(task.work_dir, "checkpoints")
    os.makedirs(folder, exist_ok=True)
    return folder


def _folder(artifact: Artifact | None) -> str | None:
    return None if artifact is None else storage.local_path(artifact.uri)


def _patterns(examples: Sequence[Examples], splits: Sequence[str]) -> list[str]:
    """One pattern for every split of every artifact that has files."""
    patterns = []
    for split in splits:
        for one in examples:
            folder = os.path.dirname(split_files(one, split)[0])
            patterns.append(os.path.join(glob.escape(folder), "*"))
    return patterns


def _base_model(task: Task) -> str | None:
    folder = _folder(task.optional_input("base_model", Model))
    if folder is None:
        return None
    serving = os.path.join(folder, SERVING_DIR)
    return serving if os.path.isdir(serving) else folder


def _hyperparameters(task: Task) -> dict[str, Any] | None:
    artifact = task.optional_input("hyperparameters", HyperParameters)
    if artifact is None:
        return None
    location = artifact.path(HYPERPARAMETERS_FILE)
    try:
        found = json.loads(storage.read_text(location))
        got = None if isinstance(found, dict) else f"{json.dumps(found)[:200]}"
    except ValueError as error:
        got = str(error)
    if got is not None:
        raise DataError(
            "the hyperparameters cannot be read",
            node=task.node_id,
            expected='a JSON object, such as {"rate": 0.1}',
            got=got,
            location=location,
        )
    return dict(found)
