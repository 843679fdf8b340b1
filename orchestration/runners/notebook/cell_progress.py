# SPDX-License-Identifier: Apache-2.0
"""How far a component is, in one line below its cell."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Mapping
from typing import Any

from ....utils.errors import PenstockError
from ....utils.readable import duration, first_line
from ...launch.outcome import NodeOutcome
from ..local.plain_progress import WORDS, amount
from ..local.progress_observer import ProgressObserver

#: Seconds between two drawings.
_EVERY = 0.2


class CellProgress(ProgressObserver):
    """Draws one line for each node of a cell, in place.

    Args:
        title: Name of the component.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._lines: dict[str, tuple[str, str, float | None]] = {}
        self._lock = threading.Lock()
        self._drawn = 0.0
        self._handle: Any = None

    def run_started(self, run_id: str, node_ids: list[str]) -> None:
        """See `RunObserver.run_started`."""
        with self._lock:
            self._lines = {name: ("waiting", "", None) for name in node_ids}
        self._draw(now=True)

    def node_started(self, node_id: str, reason: str, attempt: int) -> None:
        """See `RunObserver.node_started`."""
        self._set(node_id, "runs", reason + (f" (attempt {attempt})" if attempt > 1 else ""))

    def node_progress(self, node_id: str, done: float, total: float | None, note: str) -> None:
        """See `RunObserver.node_progress`."""
        share = min(1.0, done / total) if total else None
        with self._lock:
            self._lines[node_id] = ("runs", amount(done, total, note), share)
        self._draw()

    def node_retried(self, node_id: str, error: PenstockError, delay_s: float) -> None:
        """See `RunObserver.node_retried`."""
        self._set(
            node_id, "failed", f"again in {duration(delay_s)}, after: {first_line(error.what)}"
        )

    def node_ended(self, outcome: NodeOutcome) -> None:
        """See `RunObserver.node_ended`."""
        word, _ = WORDS[outcome.state]
        text = f"in {duration(outcome.seconds)}"
        if outcome.state.value != "complete":
            text += f": {first_line(outcome.reason)}"
        self._set(outcome.node_id, word, text)

    def run_ended(self, outcomes: Mapping[str, NodeOutcome]) -> None:
        """See `RunObserver.run_ended`."""
        super().run_ended(outcomes)
        self._draw(now=True)

    def _set(self, node_id: str, word: str, text: str) -> None:
        with self._lock:
            self._lines[node_id] = (word, text, None)
        self._draw(now=True)

    def _draw(self, *, now: bool = False) -> None:
        # Loaded already, where cells are run.
        from IPython.display import display

        with self._lock:
            if not now and time.monotonic() - self._drawn < _EVERY:
                return
            self._drawn = time.monotonic()
            data = {"text/plain": self._text(), "text/html": self._html()}
            if self._handle is None:
                self._handle = display(data, raw=True, display_id=True)
            else:
                self._handle.update(data, raw=True)

    def _text(self) -> str:
        return "\n".join(f"{name}: {word} {text}" for name, (word, text, _) in self._lines.items())

    def _html(self) -> str:
        rows = []
        for name, (word, text, share) in self._lines.items():
            bar = "" if share is None else f' <progress value="{share:.3f}" max="1"></progress>'
            rows.append(
                f"<div><b>{html.escape(name)}</b> {html.escape(word)}{bar} "
                f'<span style="opacity:.7">{html.escape(text)}</span></div>'
            )
        return f'<div style="font-family:sans-serif;font-size:13px">{"".join(rows)}</div>'
