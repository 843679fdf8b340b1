# SPDX-License-Identifier: Apache-2.0
"""The Tuner: searches for the hyperparameters with which training does best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import (
    Examples,
    HyperParameters,
    Model,
    Schema,
    TransformGraph,
    TunerResults,
)
from ..base.component import Component
from .needed_libraries import imported_libraries, uses_tensorflow
from .train_args import EvalArgs, TrainArgs
from .tuner_args import TuneArgs

_PRELOAD: tuple[str, ...] = (
    "penstock.components.train.tuner_executor",
    # TensorFlow and its data libraries: left out where the code needs neither.
    "penstock.components.train.tensor_dataset",
)
_FUNCTIONS = ("tuner_fn", "hyperparameters", "objective", "run_fn")


class Tuner(Component):
    """Searches for hyperparameters by KerasTuner or Optuna, with the user's training code.

    Either as in TFX (https://www.tensorflow.org/tfx/guide/tuner): the module defines
    `tuner_fn(fn_args)`, which returns a KerasTuner and the arguments of its `search`::

        def tuner_fn(fn_args):
            tuner = keras_tuner.RandomSearch(
                build_model, objective="val_loss", max_trials=10,
                directory=fn_args.working_dir, project_name="tuning")
            return TunerFnResult(tuner=tuner, fit_kwargs={"x": train, "validation_data": held_out})

    Or by Optuna: the module says beside the model what may be tried, and its `run_fn` is
    called for each trial with values in `fn_args.hyperparameters`, just as the Trainer calls
    it with the best ones afterwards::

        def hyperparameters():
            return {"rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
                    "activation": ["relu", "tanh"]}

        def run_fn(fn_args):
            values = fn_args.hyperparameters or {"rate": 0.01, "activation": "relu"}
            ...
            return {"val_loss": loss}   # or model.fit's History, or fn_args.report_progress

    Where training for a trial differs from training for good, `objective(fn_args)` takes the
    place of `run_fn`; it returns the metric, or metrics by name. What a trial reports by
    `fn_args.report_progress(step, val_loss=…)` or `fn_args.keras_callbacks()` is what a pruner
    judges it by.

    Each trial of Optuna's runs in a process of its own; one that fails or dies is recorded as
    failed. A search that was killed goes on where it was: finished trials are kept, and one
    that was under way is trained again, from its `fn_args.checkpoint_dir`. A KerasTuner goes
    on where its `directory` is `fn_args.working_dir`.

    Args:
        examples: The data: transformed, or raw.
        schema: The schema of the raw data, when the model wants it.
        transform_graph: The Transform's graph, when the model wants it.
        base_model: A model to start from.
        module_file: Python file that defines the functions above.
        tuner_fn: The function itself, or its dotted name, in place of `module_file`.
        hyperparameters: The same for `hyperparameters`.
        objective: The same for `objective`.
        run_fn: The same for `run_fn`.
        train_args: Splits and steps to train: `TrainArgs`.
        eval_args: Splits and steps to evaluate while training: `EvalArgs`.
        tune_args: How to search: `TuneArgs`.
        custom_config: Anything JSON-compatible that the functions want.
        seed: What random choices, the search's and each training's, are seeded with.

    Outputs:
        best_hyperparameters: For the Trainer's input `hyperparameters`:
            `best_hyperparameters.txt`, a JSON object. By KerasTuner it is what
            `keras_tuner.HyperParameters.from_config` reads, as in TFX; by Optuna it is plain
            values by name.
        tuner_results: `trials.json`, `trials.csv`, `report.html`, and pictures of the history
            and of each parameter's importance.

    The execution has `best_value`, `best_trial`, the numbers of trials `trials`, `complete`,
    `pruned` and `failed`, and `seed` as properties.
    """

    type_name = "tfx.components.tuner.component.Tuner"
    executor = "penstock.components.train.tuner_executor:TunerExecutor"
    preload = _PRELOAD
    entry_points = tuple(f"{name}?" for name in _FUNCTIONS)
    keeps_checkpoints = True

    examples: Input[list[Examples] | Examples]
    schema: OptionalInput[Schema] = None
    transform_graph: OptionalInput[TransformGraph] = None
    base_model: OptionalInput[Model] = None
    module_file: Parameter[str | None] = None
    tuner_fn: Parameter[Any] = None
    hyperparameters: Parameter[Any] = None
    objective: Parameter[Any] = None
    run_fn: Parameter[Any] = None
    train_args: Parameter[TrainArgs | None] = None
    eval_args: Parameter[EvalArgs | None] = None
    tune_args: Parameter[TuneArgs | None] = None
    custom_config: Parameter[dict[str, Any] | None] = None
    seed: Parameter[int | None] = 0
    best_hyperparameters: Output[HyperParameters] = output()
    tuner_results: Output[TunerResults] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments, and looks which libraries the training code needs."""
        super().bind(spec, args, kwargs)
        code = [self.user_code[name] for name in _FUNCTIONS if name in self.user_code]
        code += [given for given in [self.parameters.get("module_file")] if given]
        if code and not any(map(uses_tensorflow, code)):
            libraries = imported_libraries(*code)
            self.preload = (*_PRELOAD[:1], *libraries)  # type: ignore[misc]  # each instance its own
