# SPDX-License-Identifier: Apache-2.0
"""The watcher: looks, runs the pipeline when a trigger is due, remembers, and looks again.

LocalRunner().run(...)  runs once;  Watcher(...).watch()  whenever there is a reason
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ....utils.errors import Cancelled, GateError, MetadataError, PenstockError
from ....utils.logs import get_logger
from ....utils.readable import duration, first_line, moment
from ...metadata.records import RunRecord
from ...metadata.store import MetadataStore
from ...metadata.watch_records import Lease, WatchRecords
from ..run_result import RunResult
from .triggers import Due, Trigger

_log = get_logger(__name__)

#: Seconds that a lease holds. It is renewed three times as often, whatever a run does.
LEASE_S = 60.0


class Step(enum.Enum):
    """What came of one look."""

    QUIET = "nothing is due"
    RAN = "a run ended well"
    REFUSED = "a run was refused by a gate, or waits for somebody's approval"
    FAILED = "a run failed"
    BUSY = "a run of the pipeline is still under way"
    RESTING = "it failed lately, and is tried again later"
    STANDING_BY = "somebody else watches the pipeline"
    STOPPED = "a run was stopped"


class Watcher:
    """Runs a pipeline whenever one of its triggers is due; one run at a time.

    Only one watcher of a pipeline is at work in a metadata store; others stand by, and one
    of them takes over when it ends, however it ends. A run that somebody else began is waited
    for. What was due is done only when a run has ended well, or was refused by a gate: a run
    that fails is begun again, after a while that doubles from one failure to the next.

    Args:
        pipeline: Name of the pipeline.
        store: The metadata store.
        triggers: Reasons to run it.
        start: Runs it, and waits for it.
        say: Takes in each thing that happens, as a line.
        poll_s: Seconds between two looks, at most.
        first_rest_s: Seconds before a run that failed is begun again.
        longest_rest_s: The longest such while.
        now: The time, in seconds since the epoch.
    """

    def __init__(
        self,
        pipeline: str,
        store: MetadataStore,
        triggers: Sequence[Trigger],
        start: Callable[[], RunResult],
        *,
        say: Callable[[str], None] = _log.info,
        poll_s: float = 60.0,
        first_rest_s: float = 60.0,
        longest_rest_s: float = 3600.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.pipeline = pipeline
        self.store = store
        self.triggers = list(triggers)
        self.start = start
        self.say = say
        self.poll_s = poll_s
        self.first_rest_s = first_rest_s
        self.longest_rest_s = longest_rest_s
        self.now = now
        self._said: dict[str, str] = {}
        self._next_look = 0.0

    def watch(self, stop: threading.Event) -> None:
        """Looks until it is told to stop.

        A store that cannot be reached for a while is waited for.

        Raises:
            MetadataError: The store cannot be reached when the watcher begins.
        """
        with contextlib.closing(WatchRecords(self.store.config)) as records:
            while not stop.is_set():
                with self._lease(records) as lease:
                    while lease is not None and not stop.is_set():
                        if self._guarded_step(records, lease.lease) is Step.STOPPED:
                            stop.set()
                        if lease.lost.is_set():
                            self.say("somebody else watches it by now; standing by")
                            break
                        self._wait(stop)
                if not stop.is_set():
                    self._wait(stop)
        self.say("stopped watching")

    def once(self) -> Step:
        """Looks once, and runs the pipeline if it is due.

        Raises:
            MetadataError: The store cannot be reached.
        """
        with (
            contextlib.closing(WatchRecords(self.store.config)) as records,
            self._lease(records) as lease,
        ):
            return self._step(records, lease.lease) if lease else Step.STANDING_BY

    def due(self) -> list[Due]:
        """What is due now; nothing is run, and nothing remembered."""
        with contextlib.closing(WatchRecords(self.store.config)) as records:
            state = records.state(self.pipeline)
        found = (self._check(trigger, state.get("triggers", {})) for trigger in self.triggers)
        return [each for each, _ in found if each is not None]

    def _wait(self, stop: threading.Event) -> None:
        until = min(self._next_look, self.now() + self.poll_s)
        stop.wait(max(0.0, until - self.now()))

    @contextlib.contextmanager
    def _lease(self, records: WatchRecords) -> Iterator[_HeldLease | None]:
        taken = records.acquire(self.pipeline, self.now(), LEASE_S)
        if taken is None:
            holder = records.current(self.pipeline)
            who = holder.holder if holder else "somebody else"
            self._say_once("lease", f"{who} watches it already; standing by")
            self._next_look = self.now() + self.poll_s
            yield None
            return
        self._said.pop("lease", None)
        held = _HeldLease(records, taken, self.now)
        try:
            yield held
        finally:
            held.end()

    def _guarded_step(self, records: WatchRecords, lease: Lease) -> Step:
        try:
            step = self._step(records, lease)
        except MetadataError as error:
            self._say_once("store", f"cannot go on: {first_line(str(error))}")
            return Step.QUIET
        self._said.pop("store", None)
        return step

    def _step(self, records: WatchRecords, lease: Lease) -> Step:
        """One look, and what follows from it."""
        state = records.state(self.pipeline)
        kept: dict[str, Any] = dict(state.get("triggers", {}))
        now = self.now()
        self._next_look = now + self.poll_s
        due: dict[str, Due] = {}
        for trigger in self.triggers:
            found, remembered = self._check(trigger, kept)
            if found is not None:
                due[trigger.key] = found
            elif remembered != kept.get(trigger.key):
                kept[trigger.key] = remembered
                records.keep(self.pipeline, {**state, "triggers": kept}, lease)
        if not due:
            return Step.QUIET
        why = "; ".join(each.reason for each in due.values())
        if now < state.get("not_before", 0.0):
            self._next_look = min(self._next_look, float(state["not_before"]))
            self._say_once("rest", f"due ({why}), but rests until {moment(state['not_before'])}")
            return Step.RESTING
        busy = self._open_run()
        if busy is not None:
            self._say_once("busy", f"due ({why}), but run {busy.id} is still running "
                           f"({busy.owner_text}); waits for it")  # fmt: skip
            return Step.BUSY
        self._said.clear()
        return self._run(records, lease, {**state, "triggers": kept}, due, why)

    def _check(self, trigger: Trigger, kept: Mapping[str, Any]) -> tuple[Due | None, Any]:
        """Whether a trigger is due, and its state if it is not."""
        state = kept.get(trigger.key)
        try:
            found = trigger.check(state, self.now())
        except PenstockError as error:
            self._say_once(trigger.key, f"cannot look: {first_line(str(error))}")
            return None, state
        if isinstance(found, Due):
            return found, None
        self._next_look = min(self._next_look, found.next_look)
        if found.waits_for:
            self._say_once(trigger.key, f"waits for {found.waits_for}")
        return None, found.state

    def _open_run(self) -> RunRecord | None:
        """A run of the pipeline that somebody may still be at work at."""
        for run in self.store.open_runs(self.pipeline):
            if run.owner_alive():
                return run
        return None

    def _run(
        self,
        records: WatchRecords,
        lease: Lease,
        state: dict[str, Any],
        due: Mapping[str, Due],
        why: str,
    ) -> Step:
        self.say(f"runs: {why}")
        began = self.now()
        try:
            result = self.start()
        except Cancelled:
            self.say("the run was stopped")
            return Step.STOPPED
        except PenstockError as error:
            step, said = Step.FAILED, f"the run could not start: {first_line(str(error))}"
            run_id = ""
        else:
            step, said, run_id = *_judged(result), result.run.id
        took = duration(self.now() - began)
        state = {**state, "last_run": run_id, "last_began": began, "last_step": step.name}
        if step is Step.FAILED:
            failures = int(state.get("failures", 0)) + 1
            rest = min(self.first_rest_s * 2 ** (failures - 1), self.longest_rest_s)
            state |= {"failures": failures, "not_before": self.now() + rest}
            said += f" (failure {failures} in a row; tried again in {duration(rest)})"
            self._next_look = min(self._next_look, state["not_before"])
        else:
            state |= {"failures": 0, "not_before": 0.0}
            state["triggers"] = self._done(state["triggers"], due)
            # The triggers know when they are due next; perhaps they are already.
            self._next_look = self.now()
        self.say(f"{said}, after {took}")
        records.keep(self.pipeline, state, lease)
        return step

    def _done(self, kept: dict[str, Any], due: Mapping[str, Due]) -> dict[str, Any]:
        """The states of all triggers after a run that has dealt with what was due."""
        by_key = {trigger.key: trigger for trigger in self.triggers}
        states = {**kept, **{key: each.state for key, each in due.items()}}
        return {
            key: by_key[key].after_run(each) if key in by_key else each
            for key, each in states.items()
        }

    def _say_once(self, about: str, line: str) -> None:
        """Says something, unless it was the last thing said about this."""
        if self._said.get(about) != line:
            self._said[about] = line
            self.say(line)


def _judged(result: RunResult) -> tuple[Step, str]:
    """How a run ended, and how to say it."""
    run = f"run {result.run.id}"
    if result.succeeded:
        return Step.RAN, f"{run} ended well"
    errors = "; ".join(f"{e.node_id}: {first_line(e.reason)}" for e in result.failed)
    if result.failed and all(isinstance(each.error, GateError) for each in result.failed):
        # The same data would be refused again.
        return Step.REFUSED, f"{run} was refused: {errors}"
    if result.parked and not result.failed:
        return Step.REFUSED, f"{run} waits for somebody's approval"
    return Step.FAILED, f"{run} failed: {errors}"


class _HeldLease:
    """A lease that is renewed in the background until it ends."""

    def __init__(self, records: WatchRecords, lease: Lease, now: Callable[[], float]) -> None:
        self.lost = threading.Event()
        self.lease = lease
        self._records = records
        self._now = now
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="watch lease", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._over.wait(LEASE_S / 3):
            try:
                if self._records.renew(self.lease, self._now() + LEASE_S) is None:
                    self.lost.set()
                    return
            except PenstockError as error:
                # It is tried again before the lease has run out.
                _log.warning("the watcher's lease could not be renewed: %s", error)

    def end(self) -> None:
        """Gives the lease up."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(PenstockError):
            self._records.release(self.lease)
