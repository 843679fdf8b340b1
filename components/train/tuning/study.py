# SPDX-License-Identifier: Apache-2.0
"""A search by Optuna (https://optuna.org), kept in a folder so that it survives its process.

What Optuna knows lies in a journal, one JSON line for each event. The process that searches
is its only writer. Whatever a trial's parameters are drawn with is seeded by the study's seed
and the trial's number: a study that was interrupted proposes what it would have proposed
anyway, as far as that does not depend on which trials ended first.

Importing this module imports Optuna.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from ....utils.errors import ExecutionError
from ...base.search_space import Choice, Domain, FloatRange
from .search_grid import combinations
from .trial_records import Direction, TrialRecord
from .trial_records import TrialState as RecordedState

Sampler = Literal["tpe", "random", "grid"]
Pruner = Literal["none", "median", "hyperband"]

_JOURNAL = "journal.jsonl"
_SEED, _REASON, _RUN_ID = "seed", "reason", "run_id"
#: How long to wait for a process that is about to end, in seconds.
_PATIENCE = 3.0


@dataclass(frozen=True)
class StudySettings:
    """How a study searches.

    Attributes:
        name: Name of the study.
        space: What may be tried, by parameter.
        direction: Whether less of the objective is better, or more.
        sampler: `tpe` (Bergstra et al., 2011) learns from earlier trials, `random` does not,
            `grid` tries all combinations.
        pruner: What stops hopeless trials early: `median` of earlier trials at the same
            step, `hyperband` (Li et al., 2018), or `none`.
        seed: What random choices are seeded with.
        parallel: How many trials go on at the same time.
    """

    name: str
    space: Mapping[str, Domain]
    direction: Direction = "minimize"
    sampler: Sampler = "tpe"
    pruner: Pruner = "none"
    seed: int = 0
    parallel: int = 1


@dataclass(frozen=True)
class Proposal:
    """What a trial is to try.

    Attributes:
        number: The trial's number, from 0.
        values: Value by parameter.
        seed: What they were drawn with.
        continued: Whether the trial was begun by a process that is gone.
    """

    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    continued: bool = False


class _KernelLock(JournalFileOpenLock):
    """A lock that the system releases however the process ends."""

    # Whoever is killed while holding the base class's, an ordinary file, blocks others for long.

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def acquire(self) -> bool:
        """Waits for the lock."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Lets go of it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)


class Study:
    """A study, open in this process; safe to use from several threads.

    Args:
        folder: Where it is kept; made if need be.
        settings: How it searches.

    Raises:
        ExecutionError: Another process has it open.
    """

    def __init__(self, folder: str, settings: StudySettings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._trials: dict[int, Trial] = {}
        os.makedirs(folder, exist_ok=True)
        self._grid: list[tuple[Any, ...]] = []
        if settings.sampler == "grid":
            self._grid = combinations(settings.space.values())
        self._owner = _own(os.path.join(folder, "owner.lock"), settings.name)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        lock = _KernelLock(os.path.join(folder, "journal.lock"))
        backend = JournalFileBackend(os.path.join(folder, _JOURNAL), lock_obj=lock)
        with _quiet():
            self._study = optuna.create_study(
                storage=JournalStorage(backend),
                study_name=settings.name,
                direction=settings.direction,
                sampler=self._sampler(0),
                pruner=_pruner(settings.pruner),
                load_if_exists=True,
            )

    def close(self) -> None:
        """Lets others open it."""
        os.close(self._owner)

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """What draws the values of one trial."""
        seed = self._seed(number)
        if self.settings.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed, constant_liar=self.settings.parallel > 1)
        drawn = optuna.samplers.RandomSampler(seed=seed)
        if self.settings.sampler == "random" or number >= len(self._grid):
            return drawn
        fixed = dict(zip(self.settings.space, self._grid[number], strict=True))
        return optuna.samplers.PartialFixedSampler(fixed, drawn)

    def interrupted(self) -> list[Proposal]:
        """Takes up the trials that an earlier process left unfinished."""
        with self._lock:
            found = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            return [
                self._proposal(Trial(self._study, each._trial_id), continued=True)
                for each in found
                if each.number not in self._trials
            ]

    def propose(self) -> Proposal:
        """Begins the next trial."""
        with self._lock:
            number = len(self._study.get_trials(deepcopy=False))
            with _quiet():
                self._study.sampler = self._sampler(number)
                return self._proposal(self._study.ask())

    def _proposal(self, trial: Trial, *, continued: bool = False) -> Proposal:
        seed = self._seed(trial.number)
        trial.set_user_attr(_SEED, seed)
        values = {}
        with _quiet():
            self._study.sampler = self._sampler(trial.number)
            for name, domain in self.settings.space.items():
                values[name] = _read(domain, _draw(trial, name, domain))
        self._trials[trial.number] = trial
        return Proposal(trial.number, values, seed, continued)

    def _seed(self, number: int) -> int:
        return (self.settings.seed * 1_000_003 + number) % 2**32

    def exhausted(self) -> bool:
        """Whether there is nothing left to try: true of grids only."""
        if self.settings.sampler != "grid":
            return False
        with self._lock:
            return len(self._study.get_trials(deepcopy=False)) >= len(self._grid)

    def note_run(self, number: int, run_id: str) -> None:
        """Keeps which run a trial is."""
        with self._lock:
            self._trials[number].set_user_attr(_RUN_ID, run_id)

    def report(self, number: int, step: int, value: float) -> bool:
        """Takes in an intermediate value; whether the trial should be stopped."""
        with self._lock, _quiet():
            trial = self._trials[number]
            trial.report(value, step)
            return bool(trial.should_prune())

    def succeed(self, number: int, value: float) -> None:
        """Ends a trial."""
        with self._lock:
            self._study.tell(self._trials.pop(number), value)

    def prune(self, number: int) -> None:
        """Ends a trial that was stopped early."""
        with self._lock:
            self._study.tell(self._trials.pop(number), state=TrialState.PRUNED)

    def fail(self, number: int, reason: str) -> None:
        """Ends a trial that brought no value."""
        with self._lock:
            trial = self._trials.pop(number)
            trial.set_user_attr(_REASON, reason[:2000])
            self._study.tell(trial, state=TrialState.FAIL)

    def records(self) -> list[TrialRecord]:
        """All trials so far, by number."""
        with self._lock:
            return [self._record(each) for each in self._study.get_trials(deepcopy=False)]

    def _record(self, found: FrozenTrial) -> TrialRecord:
        space = self.settings.space
        return TrialRecord(
            number=found.number,
            state=_STATES[found.state],
            value=found.value,
            parameters={
                name: _read(space[name], value)
                for name, value in sorted(
                    found.params.items(), key=lambda i: list(space).index(i[0])
                )
            },
            seed=found.user_attrs.get(_SEED),
            reported=dict(found.intermediate_values),
            run_id=str(found.user_attrs.get(_RUN_ID, "")),
            reason=str(found.user_attrs.get(_REASON, "")),
        )

    def importance(self) -> dict[str, float]:
        """Share of each parameter in how the objective varies (PED-ANOVA, Watanabe et al., 2023).

        Empty where there are too few trials to tell, or the objective does not vary.
        """
        with self._lock, _quiet():
            complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if len(complete) < 4 or len({each.value for each in complete}) < 2:
                return {}
            try:
                judge = optuna.importance.PedAnovaImportanceEvaluator()
                found = optuna.importance.get_param_importances(self._study, evaluator=judge)
            except (ValueError, RuntimeError, ZeroDivisionError):
                # It has no answer for this study, and nothing depends on one.
                return {}
        return {name: round(float(share), 6) for name, share in found.items() if share == share}


_STATES: Mapping[TrialState, RecordedState] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


def _draw(trial: Trial, name: str, domain: Domain) -> Any:
    """A value; choices are drawn as JSON text, so that anything can be one."""
    if isinstance(domain, Choice):
        return trial.suggest_categorical(name, [json.dumps(each) for each in domain.choices])
    if isinstance(domain, FloatRange):
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log, step=domain.step)
    return trial.suggest_int(name, domain.low, domain.high, log=domain.log, step=domain.step or 1)


def _read(domain: Domain, drawn: Any) -> Any:
    return json.loads(drawn) if isinstance(domain, Choice) else drawn


def _pruner(name: Pruner) -> optuna.pruners.BasePruner:
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner()
    return optuna.pruners.NopPruner()


def _own(path: str, name: str) -> int:
    """A lock on the study, for as long as it stays open."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    # The trials of a process that was killed hold it too, until they have ended as well.
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            os.close(file)
            raise ExecutionError(
                f"study {name!r} is being searched by another process",
                expected="one process for each study",
                got=path,
                fix="wait for it, or start a study of another name",
            ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's notes on which of its options may change one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
