# SPDX-License-Identifier: Apache-2.0
"""Tuning over a whole pipeline, from Python; `penstock tune` does the same.

result = tune(
    create_pipeline(),
    objective="Evaluator.auc",
    direction="maximize",
    trials=20,
    space={"Trainer.custom_config.rate": "float(1e-4, 0.1, log)"},
)
LocalRunner().run(create_pipeline().override(result.best_parameters))
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Literal, cast

from .....components.base.search_space import read_domain
from .....utils.errors import CodeError, ParameterError
from .....utils.missing_modules import install_hint
from ....ir import PipelineIR
from ....launch.run import Run, describe_run, new_run_id
from ....pipeline import Pipeline
from ...run_lifecycle import open_store, refuse_inside_worker
from ...stop_signals import stopped_by_signals
from .objective import Objective, parse_objective
from .pipeline_search import PipelineSearch, TrialObserver, check_influence, result_of
from .study_folder import SearchSettings, folder_of, load_settings, new_study
from .trial_runner import TrialRunner
from .tune_result import TuneResult
from .tuned_parameters import TunedPipeline, chosen_space

#: How many trials there are unless somebody says otherwise.
TRIALS = 20


def tune(
    pipeline: Pipeline | PipelineIR,
    *,
    objective: str,
    direction: Literal["minimize", "maximize"],
    trials: int = TRIALS,
    space: Mapping[str, Any] | None = None,
    sampler: Literal["tpe", "random", "grid"] = "tpe",
    seed: int = 0,
    parallel: int = 1,
    max_failures: int | None = None,
    study: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    root: str | None = None,
    metadata: str = "",
    cache: str | None = None,
    observer: TrialObserver | None = None,
) -> TuneResult:
    """Searches for the parameters with which a pipeline does best.

    Each trial is a recorded run of the node that the objective is about and all that it
    needs; what follows it, a Pusher for one, is not run. Everything that trials have in
    common comes from the cache.

    Args:
        pipeline: The pipeline.
        objective: The number to optimize, `node.name`: a metric, a property, or an output.
        direction: `minimize` or `maximize`.
        trials: How many trials.
        space: What to try, by `node.parameter` or name of a runtime parameter: descriptions
            (see `components.base.search_space`), or None for the one that the node declares
            (`with_search_space`). By default, all that nodes declare.
        sampler: `tpe` learns from earlier trials, `random` does not, `grid` tries all
            combinations.
        seed: What values are drawn with.
        parallel: How many trials go on at the same time.
        max_failures: How many trials may fail before the search gives up; by default half
            of them, but two at least.
        study: A name for it; by default one is made up.
        parameters: Values of runtime parameters that are not searched.
        root: Replaces the pipeline's root.
        metadata: The metadata store; by default the pipeline's own.
        cache: Replaces every node's cache policy.
        observer: Who is told how it goes.

    Raises:
        ParameterError: Something named does not exist, or a description is not acceptable.
        ObjectiveMissing: The objective's node puts out no such number; says what there is.
        ExecutionError: Too many trials failed.
        Cancelled: It was stopped; `resume_tuning` goes on.
        PenstockError: A trial could not be started.
    """
    tuned = TunedPipeline(pipeline, chosen_space(pipeline, space))
    wanted = parse_objective(objective, tuned.ir)
    check_influence(tuned, wanted)
    place = _place(tuned, root, parameters)
    settings = SearchSettings(
        study=new_study(place, study or new_run_id()),
        pipeline=tuned.ir.name,
        objective=str(wanted),
        direction=direction,
        trials=trials,
        space={path: domain.to_dict() for path, domain in tuned.space.items()},
        sampler=sampler,
        seed=seed,
        parallel=parallel,
        max_failures=max(2, trials // 2) if max_failures is None else max_failures,
        digest=tuned.digest(),
        parameters=dict(parameters or {}),
        cache=cache,
    )
    return _search(tuned, wanted, settings, place, metadata or _metadata(pipeline), observer)


def resume_tuning(
    pipeline: Pipeline | PipelineIR,
    study: str = "last",
    *,
    trials: int | None = None,
    parallel: int | None = None,
    root: str | None = None,
    metadata: str = "",
    observer: TrialObserver | None = None,
) -> TuneResult:
    """Goes on with a study that was stopped or killed, or adds trials to it.

    Args:
        pipeline: The pipeline, as it was.
        study: Name of the study; `last` for the newest.
        trials: How many trials there shall be in all; by default as many as were asked for.
        parallel: How many trials go on at the same time; by default as before.
        root: See `tune`.
        metadata: See `tune`.
        observer: See `tune`.

    Raises:
        ParameterError: There is no such study, or the pipeline has changed since.
        PenstockError: See `tune`.
    """
    bare = TunedPipeline(pipeline, {})
    settings = load_settings(_place(bare, root, None, lenient=True), study)
    settings = settings.with_trials(trials, parallel)
    space = {path: read_domain(raw, name=path) for path, raw in settings.space.items()}
    tuned = TunedPipeline(pipeline, space)
    if tuned.digest() != settings.digest:
        raise ParameterError(
            f"the pipeline has changed since study {settings.study} began",
            expected="the pipeline as it was: its trials can be compared with no others",
            got="other code, parameters or connections",
            fix="begin another study; what did not change is reused all the same",
        )
    wanted = parse_objective(settings.objective, tuned.ir)
    place = _place(tuned, root, settings.parameters)
    return _search(tuned, wanted, settings, place, metadata or _metadata(pipeline), observer)


def _search(
    tuned: TunedPipeline,
    objective: Objective,
    settings: SearchSettings,
    place: Run,
    metadata: str,
    observer: TrialObserver | None,
) -> TuneResult:
    refuse_inside_worker()
    try:
        from .....components.train.tuning.study import Study, StudySettings
    except ImportError as error:
        raise CodeError(
            "searching needs Optuna", got=str(error), fix=install_hint("optuna")
        ) from error
    folder = folder_of(place, settings.study)
    observer = observer or TrialObserver()
    cancel = threading.Event()
    how = StudySettings(
        settings.study,
        tuned.space,
        cast("Any", settings.direction),
        cast("Any", settings.sampler),
        seed=settings.seed,
        parallel=settings.parallel,
    )
    runtime = [path for path in tuned.space if path in tuned.ir.runtime_parameters]
    with open_store(place, metadata) as store, Study(folder, how) as study:
        settings.save(folder)
        done = sum(each.state != "running" for each in study.records())
        observer.study_started(settings, folder, done)
        with (
            TrialRunner(
                store,
                root=place.root,
                upto=objective.node,
                cache=settings.cache,
                cancel=cancel,
            ) as runner,
            stopped_by_signals(cancel),
        ):
            search = PipelineSearch(
                tuned, objective, settings, study, runner, store, cancel=cancel, observer=observer
            )
            try:
                search.run()
            finally:
                result = result_of(study, settings, folder, runtime)
        return result


def _place(
    tuned: TunedPipeline,
    root: str | None,
    parameters: Mapping[str, Any] | None,
    *,
    lenient: bool = False,
) -> Run:
    """A run that stands for all trials, for its folders; it is never begun."""
    given = dict(parameters or {})
    for name, declared in tuned.ir.runtime_parameters.items():
        if name in given or declared.default is not None:
            continue
        if name in tuned.space:
            given[name] = tuned.space[name].examples()[0]
        elif lenient:
            given[name] = {"int": 0, "float": 0.0, "str": "", "bool": False}[declared.type]
    return describe_run(tuned.ir, root=root, parameters=given)


def _metadata(pipeline: Pipeline | PipelineIR) -> str:
    return pipeline.metadata if isinstance(pipeline, Pipeline) else ""
