# SPDX-License-Identifier: Apache-2.0
"""Does the work of `Tuner`: has KerasTuner or Optuna search, and writes what was found."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ...utils import storage
from ...utils.errors import CodeError, UserCodeError
from ..base.artifact import PropertyValue
from ..base.artifact_types import HyperParameters, TunerResults
from ..base.executor import Task
from .trainer_executor import HYPERPARAMETERS_FILE
from .tuner_args import TuneArgs
from .tuning.search_outcome import SearchOutcome
from .tuning.search_plots import write_plots
from .tuning.trial_records import best_of, write_trials


class TunerExecutor:
    """Searches for hyperparameters."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `best_hyperparameters` and `tuner_results`.

        Raises:
            CodeError: The module defines neither way to search.
            ParameterError: `hyperparameters()` describes nothing that can be searched.
            UserCodeError: No trial brought a value, or too many failed.
            Exception: Whatever `tuner_fn` or `hyperparameters` raises.
        """
        tune_args = task.parameter("tune_args", TuneArgs | None) or TuneArgs()
        seed = task.parameter("seed", int | None)
        # What a killed attempt left lies here; a unit test has no such folder.
        kept = task.checkpoint_dir or os.path.join(task.work_dir, "kept")
        os.makedirs(kept, exist_ok=True)
        found = self._search(task, tune_args, seed, kept)
        best = best_of(found.trials, found.direction)
        if best is None:
            reasons = [each.reason for each in found.trials if each.reason]
            raise UserCodeError(
                "no trial brought a value",
                node=task.node_id,
                expected=f"a finite {found.objective} from one of {len(found.trials)} trials",
                got=reasons[-1] if reasons else "no trials at all",
                fix="try one combination by hand: call the function with fn_args.hyperparameters "
                "set",
            )
        self._write(task, found)
        states = [each.state for each in found.trials]
        return {
            "best_value": float(best.value or 0.0),
            "best_trial": best.number,
            "objective": found.objective,
            "direction": found.direction,
            "trials": len(states),
            "complete": states.count("complete"),
            "pruned": states.count("pruned"),
            "failed": states.count("failed"),
            **({} if seed is None else {"seed": seed}),
        }

    def _search(
        self, task: Task, tune_args: TuneArgs, seed: int | None, kept: str
    ) -> SearchOutcome:
        if task.optional_user_function("tuner_fn"):
            from .tuning.tuner_fn_search import search_with_tuner_fn

            return search_with_tuner_fn(task, tune_args, seed, kept)
        if not task.optional_user_function("hyperparameters"):
            raise CodeError(
                "there is nothing to search with",
                node=task.node_id,
                expected="tuner_fn(fn_args), which returns a tuner; or hyperparameters(), which "
                "returns what to try, and run_fn(fn_args) or objective(fn_args)",
                got=", ".join(f"{name}()" for name in task.code) or "no user code at all",
                fix="define one of these in the module file",
            )
        from .tuning.trial_search import search_with_space

        return search_with_space(task, tune_args, seed, kept)

    def _write(self, task: Task, found: SearchOutcome) -> None:
        best = task.output("best_hyperparameters", HyperParameters)
        text = json.dumps(dict(found.best_values), indent=1)
        storage.write_text_atomic(best.path(HYPERPARAMETERS_FILE), text + "\n")
        folder = storage.local_path(task.output("tuner_results", TunerResults).uri)
        what: dict[str, Any] = {
            "objective": found.objective,
            "direction": found.direction,
            "importance": found.importance,
        }
        write_trials(folder, found.trials, **what)
        write_plots(folder, found.trials, title=f"{task.pipeline_name}: {task.node_id}", **what)
