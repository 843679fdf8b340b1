# SPDX-License-Identifier: Apache-2.0
"""The search by what the user's `tuner_fn` returns: a KerasTuner, or an Optuna study."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from ....utils.errors import DataError, ParameterError, UserCodeError
from ....utils.user_code.tracebacks import function_location
from ...base.executor import Task
from ..data_access import ExamplesAccess
from ..seeding import start_afresh
from ..tuner_args import TuneArgs
from .search_outcome import SearchOutcome
from .trial_arguments import search_arguments
from .trial_records import Direction, TrialRecord, TrialState

_KERAS_STATES: Mapping[str, TrialState] = {
    "COMPLETED": "complete",
    "INVALID": "failed",
    "FAILED": "failed",
}
_OPTUNA_STATES: Mapping[str, TrialState] = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
}


def search_with_tuner_fn(
    task: Task, tune_args: TuneArgs, seed: int | None, kept: str
) -> SearchOutcome:
    """Calls `tuner_fn`, and has what it returns search.

    Raises:
        ParameterError: Trials are to go on side by side, which a KerasTuner does not do here.
        UserCodeError: `tuner_fn` returned something else.
        Exception: Whatever the user's code raises.
    """
    tuner_fn = task.user_function("tuner_fn", ["fn_args"])
    access = ExamplesAccess(seed, task.node_id)
    arguments = search_arguments(
        task, access, seed, os.path.join(task.work_dir, "tuner"), kept=os.path.join(kept, "tuner")
    )
    # Where users have a KerasTuner keep its state, from which it goes on.
    arguments.working_dir = arguments.checkpoint_dir
    start_afresh(seed)
    tuner, fit_kwargs = _parts(tuner_fn(arguments), task, function_location(tuner_fn))
    try:
        if callable(getattr(tuner, "optimize", None)):
            return _by_study(tuner, dict(fit_kwargs), tune_args)
        if tune_args.num_parallel_trials > 1:
            raise ParameterError(
                "a KerasTuner tries one combination after the other here",
                node=task.node_id,
                expected="num_parallel_trials=1",
                got=f"num_parallel_trials={tune_args.num_parallel_trials}",
                fix="declare hyperparameters() instead, whose trials run in processes of their own",
            )
        return _by_keras_tuner(tuner, fit_kwargs)
    except Exception as error:
        told: DataError | None = access.error
        if told is None:
            raise
        raise told from error


def _parts(result: Any, task: Task, location: str | None) -> tuple[Any, Mapping[str, Any]]:
    """The tuner and its arguments, from whatever kind of record holds them."""
    if isinstance(result, Mapping):
        tuner, fit_kwargs = result.get("tuner"), result.get("fit_kwargs")
    else:
        tuner, fit_kwargs = getattr(result, "tuner", None), getattr(result, "fit_kwargs", None)
    searches = any(callable(getattr(tuner, name, None)) for name in ("search", "optimize"))
    if not searches or not isinstance(fit_kwargs if fit_kwargs is not None else {}, Mapping):
        raise UserCodeError(
            "tuner_fn returned nothing to search with",
            node=task.node_id,
            expected="an object with `tuner` (a KerasTuner, or an Optuna study) and `fit_kwargs`",
            got=f"{type(result).__name__}: {str(result)[:200]}",
            location=location,
            fix="return TunerFnResult(tuner=tuner, fit_kwargs={'x': train, …}), or a dict of both",
        )
    return tuner, fit_kwargs or {}


def _by_keras_tuner(tuner: Any, fit_kwargs: Mapping[str, Any]) -> SearchOutcome:
    tuner.search_space_summary()
    tuner.search(**fit_kwargs)
    tuner.results_summary()
    objective = tuner.oracle.objective
    name = str(getattr(objective, "name", "objective"))
    direction: Direction = (
        "maximize" if getattr(objective, "direction", "min") == "max" else "minimize"
    )
    known = tuner.oracle.trials
    order = [each for each in getattr(tuner.oracle, "start_order", []) if each in known]
    ids = [*order, *(each for each in known if each not in order)]
    trials = [_keras_record(number, known[each], name) for number, each in enumerate(ids)]
    best = tuner.get_best_hyperparameters(1)
    values = best[0].get_config() if best else {}
    return SearchOutcome(trials, name, direction, values)


def _keras_record(number: int, trial: Any, objective: str) -> TrialRecord:
    score = None if trial.score is None else float(trial.score)
    state = _KERAS_STATES.get(str(trial.status), "running")
    reason = (trial.message or "").strip().splitlines()[-1:] if state == "failed" else []
    if state == "complete" and (score is None or not math.isfinite(score)):
        state, reason = "failed", [f"{objective} is {score}"]
    reported: dict[int, float] = {}
    if trial.metrics.exists(objective):
        for each in trial.metrics.get_history(objective):
            reported[int(each.step)] = float(each.mean())
    return TrialRecord(
        number,
        state,
        score if state == "complete" else None,
        dict(trial.hyperparameters.values),
        reported=reported,
        reason="".join(reason),
    )


def _by_study(study: Any, fit_kwargs: dict[str, Any], tune_args: TuneArgs) -> SearchOutcome:
    wanted = fit_kwargs.pop("n_trials", tune_args.num_trials)
    fit_kwargs.setdefault("n_jobs", 1)
    done = sum(each.state.is_finished() for each in study.get_trials(deepcopy=False))
    if wanted is None or wanted > done:
        study.optimize(n_trials=None if wanted is None else wanted - done, **fit_kwargs)
    trials = [
        TrialRecord(
            each.number,
            _OPTUNA_STATES.get(each.state.name, "running"),
            each.value,
            dict(each.params),
            reported=dict(each.intermediate_values),
            reason=str(each.user_attrs.get("reason", "")),
        )
        for each in study.get_trials(deepcopy=False)
    ]
    direction: Direction = "maximize" if study.direction.name.lower() == "maximize" else "minimize"
    complete = [each for each in trials if each.state == "complete"]
    values = dict(study.best_params) if complete else {}
    return SearchOutcome(trials, tune_args.objective, direction, values)
