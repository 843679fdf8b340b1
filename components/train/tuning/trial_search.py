# SPDX-License-Identifier: Apache-2.0
"""The search by Optuna over what `hyperparameters()` describes: a process for each trial."""

from __future__ import annotations

import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from typing import Any

from ....utils.errors import ParameterError, UserCodeError, nearest
from ....utils.logs import get_logger
from ....utils.user_code.tracebacks import function_location
from ...base.executor import Task
from ...base.search_space import Domain, read_domain
from ..data_access import ExamplesAccess
from ..seeding import start_afresh
from ..training_progress import METRIC_PREFIX
from ..tuner_args import TuneArgs
from .search_outcome import SearchOutcome
from .study import Proposal, Study, StudySettings
from .trial_arguments import TrialProgress, search_arguments
from .trial_process import Report, TrialProcess, TrialStopped
from .trial_records import best_of, cell_text

_log = get_logger(__name__)


def search_with_space(
    task: Task, tune_args: TuneArgs, seed: int | None, kept: str
) -> SearchOutcome:
    """Searches what the user's `hyperparameters()` describes.

    Raises:
        CodeError: There is neither `objective` nor `run_fn`.
        ParameterError: The description is not acceptable.
        UserCodeError: Too many trials failed, or none can have the objective.
    """
    space = read_space(task)
    settings = StudySettings(
        "search",
        space,
        tune_args.direction,
        tune_args.sampler,
        tune_args.pruner,
        seed=seed or 0,
        parallel=tune_args.num_parallel_trials,
    )
    with Study(os.path.join(kept, "study"), settings) as study:
        TrialSearch(task, tune_args, seed, kept, study).run()
        trials = study.records()
        best = best_of(trials, tune_args.direction)
        return SearchOutcome(
            trials,
            tune_args.objective,
            tune_args.direction,
            best.parameters if best else {},
            study.importance(),
        )


def read_space(task: Task) -> dict[str, Domain]:
    """What the user's `hyperparameters()` describes, by name.

    Raises:
        ParameterError: It returned no mapping, an empty one, or a bad description in it.
    """
    declare = task.user_function("hyperparameters", [])
    raw = declare()
    location = function_location(declare)
    if not isinstance(raw, Mapping) or not raw:
        raise ParameterError(
            "hyperparameters() does not say what to try",
            node=task.node_id,
            expected="a dict, such as {'rate': {'type': 'float', 'low': 1e-4, 'high': 0.1}}",
            got=repr(raw),
            location=location,
        )
    try:
        return {str(name): read_domain(each, name=str(name)) for name, each in raw.items()}
    except ParameterError as error:
        error.node, error.location = task.node_id, location
        raise


class TrialSearch:
    """One search; forks from the thread that runs it, so that must be the only busy one.

    Args:
        task: The node's work.
        tune_args: How to search.
        seed: What training is seeded with.
        kept: A folder that survives a killed attempt.
        study: Where values come from and results go.
    """

    def __init__(
        self, task: Task, tune_args: TuneArgs, seed: int | None, kept: str, study: Study
    ) -> None:
        self._task = task
        self._args = tune_args
        self._seed = seed
        self._kept = kept
        self._study = study
        own = task.optional_user_function("objective")
        self._train = task.user_function("objective" if own else "run_fn", ["fn_args"])
        self._waiting: deque[Proposal] = deque(study.interrupted())
        self._running: dict[Any, TrialProcess] = {}
        self._begun = len(study.records()) - len(self._waiting)

    def run(self) -> None:
        """Searches until there are enough trials.

        Raises:
            UserCodeError: Too many trials failed, or none can have the objective.
        """
        try:
            while True:
                while len(self._running) < self._args.num_parallel_trials and self._start():
                    pass
                if not self._running:
                    return
                for connection in wait(list(self._running)):
                    self._take(self._running[connection])
        finally:
            for process in self._running.values():
                process.close()

    def _start(self) -> bool:
        if self._waiting:
            proposal = self._waiting.popleft()
        elif self._begun < self._args.num_trials and not self._study.exhausted():
            proposal = self._study.propose()
        else:
            return False
        self._begun += 1
        process = TrialProcess(proposal.number, self._work(proposal))
        self._running[process.connection] = process
        return True

    def _work(self, proposal: Proposal) -> Callable[[Report], Mapping[str, Any]]:
        """What the trial's process does."""

        def work(report: Report) -> Mapping[str, Any]:
            folder = os.path.join(self._task.work_dir, f"trial-{proposal.number}")
            kept = self._checkpoints(proposal.number)
            objective = self._args.objective

            def pass_on(step: int, metrics: Mapping[str, float]) -> None:
                if objective in metrics and report(step, metrics[objective]):
                    raise TrialStopped

            access = ExamplesAccess(self._seed, self._task.node_id)
            progress = TrialProgress(self._task, pass_on, kept)
            arguments = search_arguments(
                self._task, access, self._seed, folder, kept=kept, progress=progress
            )
            arguments.hyperparameters = dict(proposal.values)
            start_afresh(self._seed)
            try:
                result = self._train(arguments)
                if access.error or progress.error:
                    raise access.error or progress.error  # type: ignore[misc]
                return self._measured(result, progress)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        return work

    def _measured(self, result: Any, progress: TrialProgress) -> Mapping[str, Any]:
        """The trial's value, or what there is instead."""
        if not isinstance(result, Mapping) and hasattr(result, "__float__"):
            return {"value": _plain(float(result))}
        progress.take_result(result)
        found = {
            name[len(METRIC_PREFIX) :]: value
            for name, value in progress.properties().items()
            if name.startswith(METRIC_PREFIX)
        }
        if self._args.objective in found:
            return {"value": _plain(float(found[self._args.objective]))}
        return {"missing": sorted(found)}

    def _checkpoints(self, number: int) -> str:
        return os.path.join(self._kept, "trials", str(number))

    def _take(self, process: TrialProcess) -> None:
        """Takes in a message of a trial."""
        message = process.receive()
        if message["kind"] == "report":
            process.answer(self._study.report(process.number, message["step"], message["value"]))
            return
        del self._running[process.connection]
        process.close()
        shutil.rmtree(self._checkpoints(process.number), ignore_errors=True)
        if message["kind"] == "stopped":
            self._study.prune(process.number)
        elif message["kind"] == "failed":
            self._study.fail(process.number, message["reason"])
        elif "missing" in message:
            self._study.fail(process.number, "it has no objective")
            raise self._no_objective(message["missing"])
        elif not isinstance(message["value"], float):
            self._study.fail(process.number, f"{self._args.objective} is {message['value']}")
        else:
            self._study.succeed(process.number, message["value"])
        self._tell(process.number)

    def _tell(self, number: int) -> None:
        trials = self._study.records()
        record = trials[number]
        value = record.state if record.value is None else f"{record.value:.6g}"
        tried = ", ".join(f"{name}={cell_text(v)}" for name, v in record.parameters.items())
        best = best_of(trials, self._args.direction)
        note = f"trial {number}: {value}" + (f" · best {best.value:.6g}" if best else "")
        ended = sum(each.state != "running" for each in trials)
        self._task.report_progress(float(ended), float(self._args.num_trials), note)
        print(f"trial {number}: {value} ({tried}) {record.reason}".rstrip(), flush=True)
        failed = [each for each in trials if each.state == "failed"]
        if len(failed) > self._args.most_failures:
            raise UserCodeError(
                f"{len(failed)} trials failed, which is too many",
                node=self._task.node_id,
                expected=f"at most {self._args.most_failures} (TuneArgs.max_failures)",
                got=f"trial {failed[-1].number}: {failed[-1].reason}",
                location=function_location(self._train),
            )

    def _no_objective(self, there_is: list[str]) -> UserCodeError:
        return UserCodeError(
            f"a trial was trained, but says nothing of {self._args.objective!r}",
            node=self._task.node_id,
            expected=f"{self._args.objective} among what the function returns or reports",
            got=", ".join(there_is) or "no metrics at all",
            location=function_location(self._train),
            suggestion=nearest(self._args.objective, there_is),
            fix="set tune_args=TuneArgs(objective='…') to one of these; or end the function with "
            f"return {{'{self._args.objective}': …}}",
        )


def _plain(value: float) -> float | str:
    """The value, or its name where JSON has no number for it."""
    return value if math.isfinite(value) else str(value)
