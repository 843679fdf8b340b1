# SPDX-License-Identifier: Apache-2.0
"""Executors of components that run a TFX pipeline's module files.

What differs from the native ones is what such files take for granted: folders that do not
exist yet, models in formats that only their user knows, and functions that change the
options of statistics.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from ...utils import storage
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.artifact_types import Model
from ..base.executor import Task
from ..train.flavors.model_digest import model_digest
from ..train.fn_args import FnArgs
from ..train.trainer_executor import SERVING_DIR
from ..train.trainer_executor import TrainerExecutor as NativeTrainerExecutor
from ..train.tuner_executor import TunerExecutor as NativeTunerExecutor
from ..transform.transform_executor import TransformExecutor as NativeTransformExecutor

_log = get_logger(__name__)

_STATISTICS = (
    "pre_transform_schema",
    "pre_transform_stats",
    "post_transform_schema",
    "post_transform_stats",
    "post_transform_anomalies",
)
#: Endings of files that would have to be unpickled, and what hides them from being refused.
_PICKLES, _HIDDEN = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth"), ".opaque"


class RunFunction:
    """A `run_fn` as TFX calls it: it makes the folders that it writes to."""

    def __init__(self, function: Callable[[FnArgs], object]) -> None:
        self._function = function
        # Errors say where the user's function is, not where this one is.
        self.__code__ = getattr(function, "__code__", None)
        self.__name__ = getattr(function, "__name__", "run_fn")
        self.__wrapped__ = function

    def __call__(self, fn_args: FnArgs) -> object:
        """Calls the user's function."""
        folders = [fn_args.serving_model_dir, fn_args.eval_model_dir]
        for folder in folders:
            os.rmdir(folder)
        try:
            return self._function(fn_args)
        finally:
            for folder in folders:
                os.makedirs(folder, exist_ok=True)
            _hide_pickles(fn_args.serving_model_dir)


class TrainerExecutor(NativeTrainerExecutor):
    """Runs the user's training code."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """See the native one."""
        run_fn = RunFunction(task.user_function("run_fn"))
        recorded = super().execute(replace(task, code={**task.code, "run_fn": run_fn}))
        if task.group.rank == 0:
            model = task.output("model", Model)
            if _show_pickles(os.path.join(storage.local_path(model.uri), SERVING_DIR)):
                model.content_digest = model_digest(model.uri)
        return recorded


def _hide_pickles(folder: str) -> None:
    """Renames pickles, which are kept for those who load them, and never loaded here."""
    names = os.listdir(folder)
    if "saved_model.pb" in names:
        return
    for name in names:
        if name.endswith(_PICKLES):
            os.rename(os.path.join(folder, name), os.path.join(folder, name + _HIDDEN))


def _show_pickles(folder: str) -> bool:
    hidden = [name for name in os.listdir(folder) if name.endswith(_HIDDEN)]
    for name in hidden:
        os.rename(os.path.join(folder, name), os.path.join(folder, name[: -len(_HIDDEN)]))
        _log.warning(
            "%s is a pickle: it is kept and pushed as it is, and can be neither evaluated nor "
            "served here; skops.io.dump(model, …/model.skops) can",
            name[: -len(_HIDDEN)],
        )
    return bool(hidden)


class TunerExecutor(NativeTunerExecutor):
    """Runs the user's search."""

    def __init__(self) -> None:
        # Before the user's module is loaded, which imports KerasTuner.
        if os.environ.get("TF_USE_LEGACY_KERAS") == "1":
            _give_keras_2_to_keras_tuner()

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """See the native one."""
        tune_args = dict(task.parameters.get("tune_args") or {})
        if tune_args.get("num_parallel_trials", 1) > 1 and task.optional_user_function("tuner_fn"):
            _log.warning(
                "%s: a KerasTuner tries one combination after the other; "
                "num_parallel_trials is passed over, as TFX's own executor does",
                task.node_id,
            )
            tune_args["num_parallel_trials"] = 1
            task = replace(task, parameters={**task.parameters, "tune_args": tune_args})
        return super().execute(task)


def _give_keras_2_to_keras_tuner() -> None:
    """Lets KerasTuner take models of `tf.keras`, where that is Keras 2.

    It goes by what `import keras` gives when it is imported, and that is Keras 3.
    """
    if "keras_tuner" in sys.modules or importlib.util.find_spec("keras_tuner") is None:
        return
    import tf_keras

    kept = {name: found for name, found in sys.modules.items() if _is_keras(name)}
    for name in kept:
        del sys.modules[name]
    sys.modules["keras"] = tf_keras
    try:
        importlib.import_module("keras_tuner")
    finally:
        for name in [name for name in sys.modules if _is_keras(name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def _is_keras(name: str) -> bool:
    return name == "keras" or name.startswith("keras.")


class TransformExecutor(NativeTransformExecutor):
    """Runs `preprocessing_fn`, and `stats_options_updater_fn` where there is one."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """See the native one."""
        updater = task.optional_user_function("stats_options_updater_fn")
        if updater is None or not task.outputs.get("post_transform_stats"):
            return super().execute(task)
        without = {key: found for key, found in task.outputs.items() if key not in _STATISTICS}
        recorded = super().execute(replace(task, outputs=without))
        from .updated_statistics import write_updated_statistics

        write_updated_statistics(task, updater)
        return recorded
