# SPDX-License-Identifier: Apache-2.0
"""A pipeline that takes its time, and a script that runs it to be killed on the way.

    python -m support.interruptible ROOT RUN_ID [--heavy] [--resume] [--die-at WHERE] …

WHERE is `event:N`, the N-th thing that an observer is told, or `before:N` or `after:N`, the
N-th write to the metadata store. The process prints what it numbers, one line each, so that
a test knows how many there are.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock import (
    Artifact,
    CsvExampleGen,
    Examples,
    Input,
    LocalRunner,
    Output,
    OutputDict,
    Pipeline,
    SchemaGen,
    StatisticsGen,
    component,
)
from penstock.orchestration.launch.outcome import RunObserver
from penstock.orchestration.metadata.connection import Connection

#: Files that a slow node writes, and how long it rests after each, in seconds.
FILES, REST = 15, 0.01


class Pieces(Artifact):
    """A folder of many small files."""


@component
def scatter(examples: Input[Examples], pieces: Output[Pieces]) -> None:
    """Writes what it reads in many small files, slowly."""
    from penstock.components.ingest.examples_reader import iter_record_batches

    found = [repr(b.to_pydict()) for s in examples.splits for b in iter_record_batches(examples, s)]
    _write_slowly(pieces, "".join(found))


@component
def invent(seed: int, pieces: Output[Pieces]) -> None:
    """Writes many small files, slowly, from nothing."""
    _write_slowly(pieces, str(seed) * 1000)


@component
def measure(pieces: Input[Pieces]) -> OutputDict(size=int):
    """Adds sizes up."""
    return {"size": sum(len(text) for text in _read(pieces))}


@component
def gather(
    left: Input[Pieces], right: Input[Pieces], size: int, whole: Output[Pieces]
) -> OutputDict(parts=int):
    """Joins pieces, in folders within folders."""
    texts = _read(left) + _read(right)
    for number, text in enumerate(texts):
        folder = Path(whole.uri, f"{number % 3}", f"{number % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath(f"{number}-of-{size}").write_text(text)
        time.sleep(REST / 2)
    return {"parts": len(texts)}


@component
def report(whole: Input[Pieces], parts: int, text: Output[Pieces]) -> None:
    """Writes one file at the end of all."""
    _write_slowly(text, f"{parts}: {''.join(_read(whole))}")


def _write_slowly(pieces: Artifact, text: str) -> None:
    length = -(-len(text) // FILES)
    for number in range(FILES):
        piece = text[number * length : (number + 1) * length]
        Path(pieces.uri, f"piece-{number:02}").write_text(piece)
        time.sleep(REST)


def _read(pieces: Artifact) -> list[str]:
    files = sorted(path for path in Path(pieces.uri).rglob("*") if path.is_file())
    return [path.read_text() for path in files]


def write_data(root: Path) -> None:
    """Writes the CSV file that the pipeline reads, beside its root."""
    rows = [f"{number},{number * 0.5},{'odd' if number % 2 else 'even'}" for number in range(200)]
    root.parent.joinpath("data.csv").write_text("\n".join(["id,half,kind", *rows]) + "\n")


def slow_pipeline(
    root: Path, *, heavy: bool = False, name: str = "interruptible", metadata: str = ""
) -> Pipeline:
    """Six light nodes, two of them side by side; or with statistics and a schema too."""
    read = CsvExampleGen(input_base=str(root.parent / "data.csv"))
    left = scatter(examples=read.outputs["examples"])
    right = invent(seed=7)
    size = measure(pieces=left.outputs["pieces"])
    whole = gather(
        left=left.outputs["pieces"], right=right.outputs["pieces"], size=size.outputs["size"]
    )
    end = report(whole=whole.outputs["whole"], parts=whole.outputs["parts"])
    nodes: list[Any] = [read, left, right, size, whole, end]
    if heavy:
        statistics = StatisticsGen(examples=read.outputs["examples"])
        schema = SchemaGen(statistics=statistics.outputs["statistics"])
        nodes += [statistics, schema]
    return Pipeline(name, str(root), nodes, metadata=metadata)


class _Numbered:
    """Numbers moments, tells them, and kills this process at the one it was told."""

    def __init__(self, fatal: str) -> None:
        self._fatal = fatal
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def reach(self, kind: str) -> None:
        """Counts one more moment of a kind."""
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            moment = f"{kind}:{self._counts[kind]}"
        if moment == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        print(moment, flush=True)


class _Watch(RunObserver):
    """Numbers what an observer is told."""

    def __init__(self, moments: _Numbered) -> None:
        def reach(*told: object) -> None:
            moments.reach("event")

        self.run_started = self.node_started = self.node_progress = reach  # type: ignore[method-assign,assignment]
        self.node_ended = self.run_ended = reach  # type: ignore[method-assign,assignment]


def _number_writes(moments: _Numbered) -> None:
    """Has every write to the metadata store counted before it begins and after it is done."""
    real: Callable[..., Any] = Connection.write

    def write(self: Connection, method: str, *arguments: Any, **options: Any) -> Any:
        moments.reach("before")
        answer = real(self, method, *arguments, **options)
        moments.reach("after")
        return answer

    Connection.write = write  # type: ignore[method-assign]


def main() -> int:
    """Runs the pipeline; the exit code says whether it succeeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("run_id")
    parser.add_argument("--heavy", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die-at", default="")
    parser.add_argument("--name", default="interruptible")
    parser.add_argument("--metadata", default="", help="a store that several runs share")
    parser.add_argument("--wait-for", type=Path, help="a file whose appearance is the start")
    told = parser.parse_args()
    moments = _Numbered(told.die_at)
    _number_writes(moments)
    pipeline = slow_pipeline(told.root, heavy=told.heavy, name=told.name, metadata=told.metadata)
    print("ready", flush=True)
    while told.wait_for and not told.wait_for.exists():
        time.sleep(0.001)
    result = LocalRunner(observer=_Watch(moments)).run(
        pipeline,
        **{"resume" if told.resume else "run_id": told.run_id},  # type: ignore[arg-type]
    )
    for outcome in result.outcomes.values():
        print(f"{outcome.node_id}={outcome.state.value}", flush=True)
    for failed in result.failed:
        print(failed.error, file=sys.stderr)
    return 0 if result.succeeded else 1


if __name__ == "__main__":
    # The functions' module must be this one for whoever imports it.
    from support import interruptible

    sys.exit(interruptible.main())
