# SPDX-License-Identifier: Apache-2.0
"""Does the work of `Trainer`: calls `run_fn`, and checks what it saved."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

# TensorFlow Transform would otherwise turn `tf.keras` into Keras 2 for the whole process.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

from ...utils import storage
from ...utils.errors import DataError
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
from ..transform.saved_model_digest import tree_digest
from .data_access import ExamplesAccess
from .fn_args import FnArgs
from .saved_outputs import check_serving_model
from .seeding import start_afresh
from .train_args import EvalArgs, TrainArgs

#: Folders of a `Model` artifact.
SERVING_DIR = "Format-Serving"
EVAL_DIR = "Format-TFMA"

#: File of a `HyperParameters` artifact, as TFX's Tuner writes it.
HYPERPARAMETERS_FILE = "best_hyperparameters.txt"


class TrainerExecutor:
    """Runs the user's training code."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `model` and `model_run`.

        Raises:
            DataError: The data cannot be read as the schema says.
            StorageError: The disk is full.
            UserCodeError: `run_fn` saved no model that can serve.
            Exception: Whatever `run_fn` raises.
        """
        run_fn = task.user_function("run_fn")
        seed = task.parameter("seed", int | None)
        access = ExamplesAccess(seed, task.node_id)
        arguments = make_fn_args(task, access, seed)
        start_afresh(seed)
        try:
            run_fn(arguments)
        except Exception as error:
            # Neither is the user's mistake, though both come out of the user's code.
            told = access.error or storage_error(error, task.node_id)
            if told is None:
                raise
            raise told from error
        model = task.output("model", Model)
        flavor = check_serving_model(arguments.serving_model_dir, run_fn, task.node_id)
        if not os.listdir(arguments.eval_model_dir):
            os.rmdir(arguments.eval_model_dir)
        model.custom_properties["flavor"] = flavor
        model.content_digest = tree_digest(model.uri)
        return {} if seed is None else {"seed": seed}


def make_fn_args(task: Task, access: ExamplesAccess, seed: int | None) -> FnArgs:
    """What `run_fn` is given; makes the folders that it may write to.

    Raises:
        DataError: A split is missing or empty.
    """
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
    )


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
    except ValueError as error:
        raise DataError(
            "the hyperparameters cannot be read",
            node=task.node_id,
            expected="a JSON object",
            got=str(error),
            location=location,
        ) from None
    return dict(found)
