# SPDX-License-Identifier: Apache-2.0
"""What somebody sees of a run: on a terminal, in a log, and when it has ended."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from penstock import ModelBlessing, PushedModel, String
from penstock.orchestration.ir import ExecutorIR, NodeIR, PipelineIR
from penstock.orchestration.launch.outcome import NodeOutcome, NodeState
from penstock.orchestration.launch.run import Run
from penstock.orchestration.runners.local import summary
from penstock.orchestration.runners.local.live_progress import LiveProgress
from penstock.orchestration.runners.local.plain_progress import PlainProgress
from penstock.orchestration.runners.local.progress import progress_for
from penstock.orchestration.runners.run_result import RunResult
from penstock.utils.errors import ExecutionError, GateError, UserCodeError


class Terminal(io.StringIO):
    """A stream that says it is a terminal that knows UTF-8."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is."""
        return True


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ended(node_id: str, state: NodeState, reason: str = "", **rest: object) -> NodeOutcome:
    """How a node ended."""
    return NodeOutcome(node_id, state, reason, **rest)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine's decides how things are shown."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_kind_of_progress_follows_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, logs fill with redrawn tables, or a terminal shows only lines."""
    assert type(progress_for(Terminal(), "p")) is LiveProgress
    assert type(progress_for(io.StringIO(), "p")) is PlainProgress
    assert progress_for(Terminal(), "p", quiet=True).close() is None
    monkeypatch.setenv("CI", "true")
    assert type(progress_for(Terminal(), "p")) is PlainProgress
    monkeypatch.delenv("CI")
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress_for(Terminal(), "p")) is PlainProgress


def test_plain_progress_is_one_line_for_each_event() -> None:
    """If it fails, a log of continuous integration cannot be read or searched."""
    stream, clock = io.StringIO(), Clock()
    shown = PlainProgress(stream, "taxi", clock=clock)
    shown.run_started("r1", ["Gen", "Trainer", "Pusher", "Extra"])
    shown.node_ended(ended("Gen", NodeState.CACHED, "nothing changed since run r0"))
    shown.node_started("Trainer", "parameter epochs changed", 1)
    for step in range(1, 7):
        clock.now += 10
        shown.node_progress("Trainer", step * 100, 1000, "steps")
    shown.node_retried("Trainer", ExecutionError("no room\nmore"), 2.0)
    shown.node_started("Trainer", "parameter epochs changed", 2)
    shown.node_ended(ended("Trainer", NodeState.COMPLETE, "x", seconds=63.0, attempts=2))
    shown.node_ended(ended("Pusher", NodeState.FAILED, "disk full\nmore", seconds=1.5))
    shown.node_ended(ended("Extra", NodeState.CANCELLED, "", seconds=1.0, execution_id=3))
    lines = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in stream.getvalue().splitlines()]
    assert lines == [
        "taxi: run r1, 4 nodes",
        "Gen      reused   nothing changed since run r0",
        "Trainer  starts   parameter epochs changed",
        "Trainer  works    30% of 1,000 (steps)",
        "Trainer  works    60% of 1,000 (steps)",
        "Trainer  failed   again in 2.0s, after: no room",
        "Trainer  starts   attempt 2: parameter epochs changed",
        "Trainer  done     in 1m 03s, attempt 2",
        "Pusher   FAILED   after 1.5s: disk full",
        "Extra    stopped  after 1.0s",
    ]


def test_plain_progress_goes_silent_when_nobody_reads() -> None:
    """If it fails, a node fails because somebody closed the terminal."""

    class Closed(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            Closed.writes += 1
            raise BrokenPipeError

    shown = PlainProgress(Closed(), "taxi")
    shown.run_started("r1", ["Gen"])
    shown.node_ended(ended("Gen", NodeState.COMPLETE))
    assert Closed.writes == 1


def drawn(shown: LiveProgress, width: int = 80, height: int = 24) -> str:
    """What a terminal of that size shows."""
    stream = Terminal()
    console = Console(file=stream, width=width, height=height, color_system=None)
    console.print(shown.draw(console))
    return stream.getvalue()


@pytest.fixture
def live() -> tuple[LiveProgress, Clock]:
    """A live display that has begun but does not draw by itself."""
    clock = Clock()
    shown = LiveProgress(Terminal(), "taxi", clock=clock)
    shown.run_started("r1", ["Gen", "Trainer", "Evaluator", "Pusher"])
    assert shown._live is not None
    shown._live.stop()
    return shown, clock


def test_live_table_shows_how_each_node_stands(live: tuple[LiveProgress, Clock]) -> None:
    """If it fails, somebody who watches cannot see what is going on."""
    shown, clock = live
    shown.node_ended(ended("Gen", NodeState.CACHED, "nothing changed since run r0"))
    shown.node_started("Trainer", "parameter epochs changed", 1)
    clock.now += 75
    text = drawn(shown)
    assert "↻  Gen" in text and "reused: nothing changed since run r0" in text
    assert re.search(r"● +Trainer +1m 15s +parameter epochs changed", text)
    assert "○  Evaluator" in text
    assert "1 of 4 done · 1 running · 1m 15s" in text
    shown.node_progress("Trainer", 300, 1000, "steps")
    assert re.search(r"━[━╸╺ ]+ 30%  steps", drawn(shown))
    shown.node_progress("Trainer", 1234, None, "rows")
    assert "1,234 (rows)" in drawn(shown)
    shown.node_retried("Trainer", ExecutionError("no room\nmore"), 2.0)
    assert "again in 2.0s, after: no room" in drawn(shown)
    shown.node_ended(ended("Trainer", NodeState.FAILED, "no room", seconds=80.0))
    outcomes = {
        "Gen": ended("Gen", NodeState.CACHED),
        "Trainer": ended("Trainer", NodeState.FAILED),
        "Evaluator": ended("Evaluator", NodeState.CANCELLED, "Trainer did not succeed"),
        "Pusher": ended("Pusher", NodeState.CANCELLED, "stopped", execution_id=4),
    }
    shown.run_ended(outcomes)
    text = drawn(shown)
    assert re.search(r"✘ +Trainer +1m 20s +no room", text)
    assert "not run: Trainer did not succeed" in text
    assert re.search(r"■ +Pusher +stopped *\n", text)
    assert "running" not in text
    assert shown.outcomes == outcomes


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_live_table_fits_any_width(live: tuple[LiveProgress, Clock], width: int) -> None:
    """If it fails, lines wrap and the drawing falls apart on a narrow terminal."""
    shown, _ = live
    shown.node_started("Trainer", "a reason that is longer than a narrow terminal is wide", 1)
    shown.node_progress("Trainer", 3, 10, "a note that is long as well, and longer still")
    lines = drawn(shown, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 8


def test_live_table_of_a_large_graph_shows_what_moves() -> None:
    """If it fails, a graph taller than the terminal hides the nodes that run or failed."""
    clock = Clock()
    shown = LiveProgress(Terminal(), "large", clock=clock)
    shown.run_started("r1", [f"N{number}" for number in range(500)])
    for number in range(300):
        shown.node_ended(ended(f"N{number}", NodeState.CACHED, "nothing changed"))
    shown.node_ended(ended("N300", NodeState.FAILED, "bad"))
    shown.node_started("N499", "new", 1)
    text = drawn(shown, height=24)
    assert len(text.splitlines()) <= 24
    assert "N300" in text and "N499" in text
    assert "301 of 500 done" in text
    shown.close()
    shown.close()


def test_live_display_takes_events_from_many_threads() -> None:
    """If it fails, concurrent nodes break the display, and with it themselves."""
    stream = Terminal()
    shown = LiveProgress(stream, "taxi")
    names = [f"N{number}" for number in range(16)]
    shown.run_started("r1", names)

    def work(name: str) -> None:
        shown.node_started(name, "new", 1)
        for step in range(200):
            shown.node_progress(name, step, 200, "rows")
        shown.node_ended(ended(name, NodeState.COMPLETE, "new"))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown.run_ended({})
    assert stream.getvalue().count("✔") >= 16
    assert stream.getvalue().endswith("\x1b[?25h")


def graph(*ids: str) -> PipelineIR:
    """A compiled pipeline in which each node follows the one before."""
    nodes = [
        NodeIR(
            id=name, type_name="t", executor=ExecutorIR(path="x:y"), upstream=list(ids[:at])[-1:]
        )
        for at, name in enumerate(ids)
    ]
    return PipelineIR(name="taxi", nodes=nodes)


def result(*outcomes: NodeOutcome) -> RunResult:
    """A run with those outcomes."""
    return RunResult(Run("r1", "taxi", "/root"), {each.node_id: each for each in outcomes})


def test_success_names_what_the_run_was_for() -> None:
    """If it fails, one has to search for the model that a run has pushed."""
    pushed = PushedModel(
        "/elsewhere/x", custom_properties={"pushed": 1, "pushed_destination": "/serving/3"}
    )
    kept = PushedModel("/elsewhere/y", custom_properties={"pushed": 0})
    done = result(
        ended("Gen", NodeState.CACHED, outputs={"text": [String("/elsewhere/z")]}),
        ended("Pusher", NodeState.COMPLETE, outputs={"pushed_model": [pushed], "other": [kept]}),
    )
    text = summary.success_text(done, graph("Gen", "Pusher"), 12.3, io.StringIO())
    assert "taxi: 2 nodes in 12s: 1 ran, 1 reused" in text
    assert "  Pusher.pushed_model  /serving/3\n" in text
    assert re.search(r"Pusher\.other +not pushed", text)
    assert "/elsewhere/z" not in text
    assert "penstock runs show r1" in text


def test_success_tells_what_was_not_let_through() -> None:
    """If it fails, a run whose model was refused looks like one that pushed it."""
    verdict = ModelBlessing("/b", custom_properties={"blessed": 0, "reason": "auc: low; f1: low"})
    model = {"pushed": 1, "model_name": "taxi", "model_version": "1.2.0"}
    done = result(
        ended("Evaluator", NodeState.CACHED, outputs={"blessing": [verdict]}),
        ended(
            "Pusher",
            NodeState.COMPLETE,
            outputs={"pushed_model": [PushedModel("/p", custom_properties={"pushed": 0})]},
        ),
        ended(
            "Second",
            NodeState.COMPLETE,
            outputs={"pushed_model": [PushedModel("/q", custom_properties=model)]},
        ),
    )
    ir = graph("Evaluator", "Pusher", "Second")
    text = summary.success_text(done, ir, 1.0, io.StringIO())
    assert "Evaluator: the model is not blessed\n  auc: low\n  f1: low\n" in text
    assert "Pusher: nothing is pushed" in text
    assert "Second: taxi 1.2.0 is pushed" in text


def failing(error: Exception, log: str = "") -> RunResult:
    """A run whose second node failed."""
    return result(
        ended("Gen", NodeState.COMPLETE),
        ended("Trainer", NodeState.FAILED, "x", seconds=3.0, attempts=2, error=error, log_path=log),
        ended("Pusher", NodeState.CANCELLED, "Trainer did not succeed"),
    )


def test_failure_begins_with_the_root_error_in_user_code(tmp_path: Path) -> None:
    """If it fails, the line to mend is buried, or the way to go on is missing."""
    log = tmp_path / "log"
    log.write_text("much noise\n")
    error = UserCodeError(
        "KeyError: 'x'",
        node="Trainer",
        frames=["model.py:9 in run_fn", "features.py:3 in scale"],
        fix=f"read the whole traceback in {log}",
    )
    text = summary.failure_text(
        failing(error, str(log)), 4.0, "penstock run --resume r1", Terminal()
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert plain[:4] == [
        "",
        "KeyError: 'x'",
        "  at features.py:3 in scale",
        "  called from model.py:9 in run_fn",
    ]
    assert "✘ Trainer failed after 3.0s (2 attempts)" in plain
    (named,) = [line for line in plain if line.startswith("  log:")]
    assert named.endswith(log.name) and "whole traceback" not in text
    assert "much noise" not in text
    assert "taxi: 3 nodes in 4.0s: 1 ran, 1 failed, 1 not run" in plain
    assert plain[-1] == "  penstock run --resume r1"


def test_failure_outside_user_code_shows_the_end_of_the_log(tmp_path: Path) -> None:
    """If it fails, a worker that was killed leaves no hint of why."""
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    text = summary.failure_text(
        failing(ExecutionError("the worker died", expected="an answer"), str(log)),
        4.0, "", io.StringIO(),
    )  # fmt: skip
    assert "line 99" in text and "line 91" not in text
    assert "expected:     an answer" in text
    assert "to go on" not in text
    said = failing(UserCodeError("no model was saved", location="model.py:9"), str(log))
    # All is said: the end of the log is but Penstock's own frames.
    assert "line 99" not in summary.failure_text(said, 4.0, "", io.StringIO())


def test_refusal_of_a_gate_is_not_called_a_failure() -> None:
    """If it fails, a gate that does its work looks like a crash."""
    text = summary.failure_text(
        failing(GateError("2 anomalies", fix="mend the data")), 4.0, "again", io.StringIO()
    )
    assert "Trainer refused to go on" in text
    assert "to mend it:   mend the data" in text


@pytest.mark.parametrize(
    ("make", "state", "resume"),
    [
        (
            lambda: result(ended("Gen", NodeState.SKIPPED, "its condition is false")),
            "complete",
            None,
        ),
        (lambda: failing(UserCodeError("bad", frames=["a.py:1 in f"])), "failed", "again"),
    ],
)
def test_document_has_all_keys_however_a_run_ended(
    make: Callable[[], RunResult], state: str, resume: str | None
) -> None:
    """If it fails, scripts that read `--json` break when something goes wrong."""
    told = json.loads(json.dumps(summary.run_document(make(), 1.0, "again")))
    assert (told["state"], told["resume"]) == (state, resume)
    assert set(told) == {
        "run", "pipeline", "state", "seconds", "root", "metadata", "nodes", "resume",
    }  # fmt: skip
    for node in told["nodes"]:
        assert set(node) == {
            "node", "state", "reason", "seconds", "attempts", "execution", "outputs", "error",
            "log",
        }  # fmt: skip
    if resume:
        assert told["nodes"][1]["error"]["frames"] == ["a.py:1 in f"]
    assert summary.run_document(make(), 1.0, "again", stopped=True)["state"] == "canceled"
