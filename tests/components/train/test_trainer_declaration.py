# SPDX-License-Identifier: Apache-2.0
"""Declaring the Trainer, and what a run_fn is promised."""

from __future__ import annotations

import dataclasses

import pytest

from penstock.components.base.artifact_types import Examples, Model, ModelRun
from penstock.components.base.channel import Channel
from penstock.components.train.fn_args import FnArgs
from penstock.components.train.train_args import EvalArgs, TrainArgs
from penstock.components.train.trainer import Trainer
from penstock.utils.errors import ParameterError

EXAMPLES = Channel(Examples)

#: Attributes of TFX 1.16's `FnArgs`.
TFX_NAMES = {
    "working_dir",
    "train_files",
    "eval_files",
    "train_steps",
    "eval_steps",
    "schema_path",
    "schema_file",
    "transform_graph_path",
    "transform_output",
    "data_accessor",
    "serving_model_dir",
    "eval_model_dir",
    "model_run_dir",
    "base_model",
    "hyperparameters",
    "custom_config",
}


def test_declares_the_execution_type_of_tfx() -> None:
    """A reader of TFX stores would not find our executions."""
    assert Trainer.type_name == "tfx.components.trainer.component.Trainer"
    node = Trainer(examples=EXAMPLES, module_file="model.py")
    assert node.outputs["model"].type is Model
    assert node.outputs["model_run"].type is ModelRun


def test_fn_args_has_every_field_of_tfx() -> None:
    """A run_fn written for TFX meets an AttributeError."""
    assert {field.name for field in dataclasses.fields(FnArgs)} >= TFX_NAMES


def test_a_test_can_build_fn_args_of_what_it_needs() -> None:
    """A user's unit test of run_fn must fill in fields it has no use for."""
    assert FnArgs(train_files=["a"], train_steps=3).eval_files == []


def test_steps_and_splits_are_checked_when_the_node_is_built() -> None:
    """A misspelt field would be ignored, and training run without end."""
    with pytest.raises(ParameterError, match="train_args") as caught:
        Trainer(examples=EXAMPLES, module_file="model.py", train_args={"num_step": 10})
    assert caught.value.suggestion == "num_steps"
    with pytest.raises(ParameterError, match="eval_args"):
        Trainer(examples=EXAMPLES, module_file="model.py", eval_args={"num_steps": -1})


def test_default_splits_are_those_of_tfx() -> None:
    """A pipeline without arguments trains on evaluation data."""
    assert TrainArgs(num_steps=5).splits == ["train"]
    assert EvalArgs(num_steps=5).splits == ["eval"]
