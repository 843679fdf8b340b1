# SPDX-License-Identifier: Apache-2.0
"""Shows a run on a terminal: a table that is drawn again a few times a second.

Each node has a line: how it stands, how long it took, and why it runs, what it was spared
by, or how far it is. A graph that is taller than the terminal shows what moves; the rest
is counted.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from ....utils.errors import PenstockError
from ....utils.readable import duration, first_line
from ....utils.terminal import glyph
from ...launch.outcome import NodeOutcome, NodeState
from .plain_progress import WORDS, amount, unfinished
from .progress_observer import ProgressObserver

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_DRAWS_PER_SECOND = 6.0
_BAR_WIDTH = 20
_LONGEST_NAME = 40
#: Lines that a drawing needs besides those of nodes: title, footer, and the cursor's.
_FRAME_LINES = 4
#: Most lines that stay when the run is over.
_MOST_KEPT = 40
_COLORS = {state.value: color for state, (_, color) in WORDS.items()} | {"running": "bold"}


@dataclass
class _Row:
    """One node as it is shown."""

    node_id: str
    state: str = "waiting"
    text: str = ""
    started: float = 0.0
    seconds: float | None = None
    done: float = 0.0
    total: float | None = None
    note: str = ""
    #: Counts changes of state, so that the newest can be told.
    changed: int = 0


class LiveProgress(ProgressObserver):
    """Draws the run on a terminal.

    Args:
        stream: The terminal.
        title: Name of the pipeline.
        clock: Seconds, of any beginning.
    """

    def __init__(
        self, stream: TextIO, title: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._stream = stream
        self._title = title
        self._clock = clock
        self._lock = threading.RLock()
        self._rows: dict[str, _Row] = {}
        self._changes = 0
        self._began = clock()
        self._ended = False
        self._run_id = ""
        self._live: Live | None = None

    def run_started(self, run_id: str, node_ids: list[str]) -> None:
        """See `RunObserver.run_started`."""
        # A twentieth of a second that only terminals pay.
        from rich.console import Console
        from rich.live import Live

        self._rows = {node_id: _Row(node_id) for node_id in node_ids}
        self._run_id = run_id
        console = Console(file=self._stream, highlight=False)
        self._live = Live(
            get_renderable=lambda: self.draw(console),
            console=console,
            refresh_per_second=_DRAWS_PER_SECOND,
        )
        self._live.start()

    def node_started(self, node_id: str, reason: str, attempt: int) -> None:
        """See `RunObserver.node_started`."""
        again = f"attempt {attempt} · " if attempt > 1 else ""
        with self._lock:
            row = self._row(node_id, "running")
            row.text = again + reason
            row.done, row.total, row.note = 0.0, None, ""
            if attempt == 1:
                row.started = self._clock()

    def node_progress(self, node_id: str, done: float, total: float | None, note: str) -> None:
        """See `RunObserver.node_progress`."""
        with self._lock:
            row = self._rows.get(node_id)
            if row is not None:
                row.done, row.total, row.note = done, total, note

    def node_retried(self, node_id: str, error: PenstockError, delay_s: float) -> None:
        """See `RunObserver.node_retried`."""
        with self._lock:
            row = self._row(node_id, "running")
            row.text = f"again in {duration(delay_s)}, after: {first_line(error.what)}"
            row.done, row.total, row.note = 0.0, None, ""

    def node_ended(self, outcome: NodeOutcome) -> None:
        """See `RunObserver.node_ended`."""
        with self._lock:
            row = self._row(outcome.node_id, outcome.state.value)
            row.text = first_line(outcome.reason)
            if outcome.state is NodeState.CANCELLED:
                word = unfinished(outcome)
                row.text = word if word == "stopped" else f"{word}: {row.text}"
            row.done, row.total, row.note = 0.0, None, ""
            row.seconds = outcome.seconds
            if outcome.attempts > 1 and outcome.state is NodeState.COMPLETE:
                row.text = f"attempt {outcome.attempts} · {row.text}"

    def run_ended(self, outcomes: Mapping[str, NodeOutcome]) -> None:
        """See `RunObserver.run_ended`."""
        super().run_ended(outcomes)
        for outcome in outcomes.values():
            # Nodes that were left out because of another's failure were never announced.
            if outcome.node_id in self._rows and not self._is_over(outcome.node_id):
                self.node_ended(outcome)
        self.close()

    def close(self) -> None:
        """Draws a last time and gives the terminal back; does nothing the second time."""
        with self._lock:
            live, self._live = self._live, None
            self._ended = True
        if live is not None:
            with contextlib.suppress(OSError):  # the terminal is gone
                live.stop()

    def _row(self, node_id: str, state: str) -> _Row:
        row = self._rows.setdefault(node_id, _Row(node_id))
        self._changes += 1
        row.state, row.changed = state, self._changes
        return row

    def _is_over(self, node_id: str) -> bool:
        with self._lock:
            return self._rows[node_id].state not in ("waiting", "running")

    def draw(self, console: Console) -> RenderableType:
        """The table as it is now."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            room = _MOST_KEPT if self._ended else max(3, console.height - _FRAME_LINES)
            shown = _most_telling(list(self._rows.values()), room)
            parts: list[RenderableType] = [
                Text.assemble((self._title, "bold"), (f"  run {self._run_id}", "dim")),
                self._table(shown, console),
            ]
            hidden = len(self._rows) - len(shown)
            if hidden:
                parts.append(Text(f"  and {hidden:,} more nodes", "dim"))
            if not self._ended:
                parts.append(self._footer())
        return Group(*parts)

    def _table(self, rows: Iterable[_Row], console: Console) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        # Fixed but for the last, so that a narrow terminal cuts that one.
        longest = max((len(node_id) for node_id in self._rows), default=1)
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, width=1)
        table.add_column(
            no_wrap=True, overflow="ellipsis", width=min(longest, _LONGEST_NAME, console.width // 3)
        )
        table.add_column(no_wrap=True, justify="right", width=6)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in rows:
            style = _COLORS.get(row.state, "dim")
            table.add_row(
                Text(glyph(row.state, self._stream), style),
                Text(row.node_id, "" if row.state != "waiting" else "dim"),
                Text(self._elapsed(row), "dim"),
                self._what(row, console),
            )
        return table

    def _elapsed(self, row: _Row) -> str:
        if row.state == "running" and row.started:
            return duration(self._clock() - row.started)
        if row.state in ("complete", "failed"):
            return duration(row.seconds or 0.0)
        return ""

    def _what(self, row: _Row, console: Console) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if row.state == "running" and row.total:
            share = min(1.0, row.done / row.total)
            line = Table.grid(padding=(0, 1, 0, 0))
            line.add_column(width=min(_BAR_WIDTH, max(5, console.width // 5)))
            line.add_column(no_wrap=True, overflow="ellipsis")
            said = f"{share:4.0%}  {row.note}"
            line.add_row(ProgressBar(total=1.0, completed=share), Text(said, "dim"))
            return line
        if row.state == "running" and (row.done or row.note):
            return Text(amount(row.done, None, row.note), "dim")
        word = {"cached": "reused", "skipped": "skipped"}.get(row.state)
        text = f"{word}: {row.text}" if word and row.text else word or row.text
        return Text(text, "red" if row.state == "failed" else "dim")

    def _footer(self) -> RenderableType:
        from rich.text import Text

        states = [row.state for row in self._rows.values()]
        over = sum(state not in ("waiting", "running") for state in states)
        running = states.count("running")
        said = f"{over} of {len(states)} done · {running} running"
        return Text(f"{said} · {duration(self._clock() - self._began)}", "dim")


def _most_telling(rows: list[_Row], room: int) -> list[_Row]:
    """The rows to show where there is room for so many, in the order of the pipeline."""
    if len(rows) <= room:
        return rows
    order = ("failed", "running", "complete", "skipped", "cached", "waiting", "cancelled")

    def weight(row: _Row) -> tuple[int, int]:
        return order.index(row.state), -row.changed

    kept = {row.node_id for row in sorted(rows, key=weight)[: room - 1]}
    return [row for row in rows if row.node_id in kept]
