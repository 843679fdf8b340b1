# SPDX-License-Identifier: Apache-2.0
"""Shows a run as one plain line for each event: for logs, pipes and continuous integration."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from ....utils.errors import PenstockError
from ....utils.readable import counted, duration, first_line
from ....utils.terminal import Paint
from ...launch.outcome import NodeOutcome, NodeState
from .progress_observer import ProgressObserver

#: What is written for each way in which a node can end, and in which colour.
WORDS: Mapping[NodeState, tuple[str, str]] = {
    NodeState.COMPLETE: ("done", "green"),
    NodeState.CACHED: ("reused", "cyan"),
    NodeState.SKIPPED: ("skipped", "dim"),
    NodeState.FAILED: ("FAILED", "red"),
    NodeState.CANCELLED: ("not run", "yellow"),
    NodeState.PARKED: ("parked", "yellow"),
}
_LONGEST_NAME = 40
#: Seconds between two lines about how far one node is.
_PROGRESS_EVERY = 30.0


class PlainProgress(ProgressObserver):
    """Writes one line for each event; goes silent when nobody reads any more.

    Args:
        stream: Where to write.
        title: Name of the pipeline.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, stream: TextIO, title: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._stream = stream
        self._title = title
        self._clock = clock
        self._paint = Paint(stream)
        self._lock = threading.Lock()
        self._width = 0
        self._said: dict[str, float] = {}

    def run_started(self, run_id: str, node_ids: list[str]) -> None:
        """See `RunObserver.run_started`."""
        self._width = min(_LONGEST_NAME, max((len(node_id) for node_id in node_ids), default=0))
        self._write(f"{self._title}: run {run_id}, {counted(len(node_ids), 'node')}")

    def node_started(self, node_id: str, reason: str, attempt: int) -> None:
        """See `RunObserver.node_started`."""
        self._said[node_id] = self._clock()
        again = f"attempt {attempt}: " if attempt > 1 else ""
        self._line(node_id, "starts", "bold", again + reason)

    def node_progress(self, node_id: str, done: float, total: float | None, note: str) -> None:
        """See `RunObserver.node_progress`."""
        now = self._clock()
        if now - self._said.get(node_id, now) >= _PROGRESS_EVERY:
            self._said[node_id] = now
            self._line(node_id, "works", "dim", amount(done, total, note))

    def node_retried(self, node_id: str, error: PenstockError, delay_s: float) -> None:
        """See `RunObserver.node_retried`."""
        text = f"again in {duration(delay_s)}, after: {first_line(error.what)}"
        self._line(node_id, "failed", "yellow", text)

    def node_ended(self, outcome: NodeOutcome) -> None:
        """See `RunObserver.node_ended`."""
        word, color = WORDS[outcome.state]
        if outcome.state is NodeState.CANCELLED:
            word = unfinished(outcome)
        self._line(outcome.node_id, word, color, ending(outcome))

    def _line(self, node_id: str, word: str, color: str, text: str) -> None:
        painted = self._paint(f"{word:<8}", color)
        self._write(f"{node_id:<{self._width}}  {painted} {text}".rstrip())

    def _write(self, text: str) -> None:
        moment = self._paint(time.strftime("%H:%M:%S", time.localtime(self._clock())), "dim")
        try:
            with self._lock:
                self._stream.write(f"{moment}  {text}\n")
                self._stream.flush()
        except (OSError, ValueError):
            # Whoever read this went away (`| head`); the run goes on all the same.
            self._write = _say_nothing  # type: ignore[method-assign]


def _say_nothing(text: str) -> None:
    del text


def amount(done: float, total: float | None, note: str) -> str:
    """How far a node is, in words: `45% of 1,200 (rows)`."""
    if total:
        said = f"{min(1.0, done / total):.0%} of {total:,.10g}"
    else:
        said = f"{done:,.10g}" if done else ""
    return f"{said} ({note})" if said and note else said or note


def ending(outcome: NodeOutcome) -> str:
    """How a node ended, in one clause."""
    reason = first_line(outcome.reason)
    if outcome.state is NodeState.COMPLETE:
        tries = f", attempt {outcome.attempts}" if outcome.attempts > 1 else ""
        return f"in {duration(outcome.seconds)}{tries}"
    if outcome.state is NodeState.FAILED:
        return f"after {duration(outcome.seconds)}: {reason}"
    if unfinished(outcome) == "stopped":
        return f"after {duration(outcome.seconds)}"
    return reason


def unfinished(outcome: NodeOutcome) -> str:
    """What to call the end of a node that was not let finish: `stopped` or `not run`."""
    return "stopped" if outcome.state is NodeState.CANCELLED and outcome.execution_id else "not run"
