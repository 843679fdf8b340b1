# SPDX-License-Identifier: Apache-2.0
"""A search over a whole pipeline: any parameter of any node, each trial a recorded run.

What a trial does not change comes from the cache, so twenty trials over a Trainer's
parameter ingest, validate and transform once. Where trials go on side by side, the first one
goes alone, to put into the cache what all of them share.
"""

from __future__ import annotations

import concurrent.futures as futures
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .....components.base.artifact import PropertyValue
from .....components.train.tuning.trial_records import TrialRecord, write_trials
from .....utils.errors import Cancelled, DataError, ExecutionError, ParameterError, PenstockError
from .....utils.logs import get_logger
from ....launch.outcome import NodeState
from ....metadata.store import MetadataStore
from ...run_result import RunResult
from .objective import Objective, ObjectiveMissing, read_objective
from .study_folder import SearchSettings
from .trial_runner import TrialRunner
from .tune_result import TuneResult
from .tuned_parameters import TunedPipeline

if TYPE_CHECKING:
    from .....components.train.tuning.study import Proposal, Study

_log = get_logger(__name__)
#: How often the searching thread looks whether it is to stop, in seconds.
_TICK = 0.2


@dataclass(frozen=True)
class TrialNews:
    """What became of one trial.

    Attributes:
        record: The trial.
        executed: How many of its nodes were executed.
        reused: How many were reused.
        seconds: How long it took.
    """

    record: TrialRecord
    executed: int = 0
    reused: int = 0
    seconds: float = 0.0


class TrialObserver:
    """Is told how a search goes. Does nothing; subclasses show it."""

    def study_started(self, settings: SearchSettings, folder: str, done: int) -> None:
        """The search begins, or goes on after `done` trials."""

    def trial_started(self, number: int, values: Mapping[str, Any]) -> None:
        """A trial begins."""

    def trial_ended(self, news: TrialNews) -> None:
        """A trial has ended."""


class PipelineSearch:
    """One search.

    Args:
        pipeline: What is searched.
        objective: What is optimized.
        settings: How.
        study: Where values come from and results go.
        runner: Runs the trials.
        store: Where they are recorded.
        cancel: Set to stop.
        observer: Who is told.
    """

    def __init__(
        self,
        pipeline: TunedPipeline,
        objective: Objective,
        settings: SearchSettings,
        study: Study,
        runner: TrialRunner,
        store: MetadataStore,
        *,
        cancel: threading.Event,
        observer: TrialObserver,
    ) -> None:
        self._pipeline = pipeline
        self._objective = objective
        self._settings = settings
        self._study = study
        self._runner = runner
        self._store = store
        self._cancel = cancel
        self._observer = observer
        self._waiting: deque[Proposal] = deque(study.interrupted())
        self._running: dict[futures.Future[RunResult], Proposal] = {}
        self._begun = len(study.records()) - len(self._waiting)
        #: Whether what all trials share is in the cache.
        self._shared_done = False

    def run(self) -> None:
        """Searches until there are enough trials.

        Raises:
            Cancelled: It was stopped; what was going on is taken up when it is resumed.
            ExecutionError: Too many trials failed.
            ParameterError: No trial can have the objective.
        """
        with futures.ThreadPoolExecutor(
            self._settings.parallel, thread_name_prefix="trial"
        ) as threads:
            try:
                while True:
                    self._start(threads)
                    if not self._running:
                        break
                    done, _ = futures.wait(
                        self._running, timeout=_TICK, return_when=futures.FIRST_COMPLETED
                    )
                    for future in done:
                        self._end(self._running.pop(future), future)
            except BaseException:
                self._cancel.set()
                raise
        if self._cancel.is_set():
            raise Cancelled(f"study {self._settings.study} was stopped")

    def _start(self, threads: futures.ThreadPoolExecutor) -> None:
        at_once = self._settings.parallel if self._shared_done else 1
        while len(self._running) < at_once and not self._cancel.is_set():
            proposal = self._next()
            if proposal is None:
                return
            if any(other.values == proposal.values for other in self._running.values()):
                # Once the equal one has ended, everything it did can be reused.
                self._waiting.append(proposal)
                self._begun -= 1
                return
            ir, parameters = self._pipeline.with_values(proposal.values)
            run_id = f"{self._settings.study}-trial-{proposal.number:03d}"
            self._study.note_run(proposal.number, run_id)
            self._observer.trial_started(proposal.number, proposal.values)
            tags: dict[str, PropertyValue] = {
                "study": self._settings.study,
                "trial": proposal.number,
                "tried": json.dumps(dict(proposal.values)),
            }
            future = threads.submit(
                self._runner.run, ir, run_id, {**self._settings.parameters, **parameters}, tags
            )
            self._running[future] = proposal

    def _next(self) -> Proposal | None:
        if self._waiting:
            self._begun += 1
            return self._waiting.popleft()
        if self._begun >= self._settings.trials or self._study.exhausted():
            return None
        self._begun += 1
        return self._study.propose()

    def _end(self, proposal: Proposal, future: futures.Future[RunResult]) -> None:
        result: RunResult | None = None
        try:
            result = future.result()
            value = self._value(result)
        except Cancelled:
            # The trial stays open: it goes on when the study is resumed.
            self._cancel.set()
            return
        except ObjectiveMissing as error:
            self._study.fail(proposal.number, error.what)
            raise
        except PenstockError as error:
            self._study.fail(proposal.number, _reason(error))
        else:
            self._study.succeed(proposal.number, value)
            self._shared_done = True
        record = self._study.records()[proposal.number]
        self._observer.trial_ended(_news(record, result))
        if record.state == "failed":
            self._check_failures(record)

    def _value(self, result: RunResult) -> float:
        failed = result.failed or [each for each in result.outcomes.values() if each.error]
        if failed:
            raise failed[0].error or DataError(failed[0].reason)
        return read_objective(self._objective, result.outcomes[self._objective.node], self._store)

    def _check_failures(self, last: TrialRecord) -> None:
        failed = sum(each.state == "failed" for each in self._study.records())
        if failed <= self._settings.max_failures:
            return
        raise ExecutionError(
            f"{failed} trials of study {self._settings.study} failed, which is too many",
            expected=f"at most {self._settings.max_failures} (--max-failures)",
            got=f"the last one: {last.reason}",
            fix=f"penstock runs show {last.run_id}",
        )


def _reason(error: PenstockError) -> str:
    got = f": {error.got}" if error.got and len(error.got) < 200 else ""
    return f"{error.node}: {error.what}{got}" if error.node else f"{error.what}{got}"


def _news(record: TrialRecord, result: RunResult | None) -> TrialNews:
    outcomes = list(result.outcomes.values()) if result else []
    return TrialNews(
        record,
        executed=sum(each.state is NodeState.COMPLETE for each in outcomes),
        reused=sum(each.state is NodeState.CACHED for each in outcomes),
        seconds=sum(each.seconds for each in outcomes),
    )


def result_of(
    study: Study, settings: SearchSettings, folder: str, runtime: list[str]
) -> TuneResult:
    """What came of a study so far; writes its tables and plots."""
    from .....components.train.tuning.search_plots import write_plots

    trials = study.records()
    importance = study.importance()
    direction = study.settings.direction
    objective = settings.objective
    write_trials(folder, trials, objective=objective, direction=direction, importance=importance)
    files = write_plots(
        folder,
        trials,
        title=f"{settings.pipeline}: study {settings.study}",
        objective=objective,
        direction=direction,
        importance=importance,
    )
    return TuneResult(
        settings.study, folder, objective, direction, trials, importance, files, runtime
    )


def check_influence(pipeline: TunedPipeline, objective: Objective) -> None:
    """Checks that each searched parameter can change the objective at all.

    Raises:
        ParameterError: One is a setting of a node that the objective's does not come after.
    """
    from ..selection import Selection

    needed = set(Selection(to_nodes=(objective.node,)).chosen(pipeline.ir))
    for path, nodes in pipeline.nodes().items():
        if not needed & set(nodes):
            raise ParameterError(
                f"{path} cannot influence {objective}",
                expected=f"a parameter of {', '.join(sorted(needed))}",
                got=path,
                fix=f"search another parameter, or choose an objective after {nodes[0]}"
                if nodes
                else "use the runtime parameter in a node, or search another",
            )
