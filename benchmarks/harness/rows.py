# SPDX-License-Identifier: Apache-2.0
"""The rows of the comparison: what is run, how often, and what is read off it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .comparison import PENSTOCK, ROOT, Side, Trial, alternate, summary, summed_up
from .process_cost import CommandFailedError

Measured = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        title: What is compared.
        measured: By side, then by `wall`, `cpu` and `memory`: median and range. `memory` is
            missing where a row is a part of a process.
        faster: How many times as fast Penstock has to be; None where the target is absolute.
        at_most: Seconds that Penstock may take at most.
        leaner: How many times less memory it has to take.
        unit: What the figures of `wall` are in; `krows/s` is more the faster, all others less.
        note: Why a side has no figures.
    """

    title: str
    measured: Measured
    faster: float | None = None
    at_most: float | None = None
    leaner: float | None = None
    unit: str = "s"
    note: str = ""


@dataclass
class Bench:
    """What is being measured, and where.

    Attributes:
        sides: Penstock, and TFX where there is one.
        folder: Scratch.
        data: Folder with the file of real rows, by side's argument `--data`.
        many: Folder with the file of many rows.
        rows: How many those are.
        modules: Folder with the module files.
        pairs: How often short pairs are run.
        places: Where examples and models of earlier rows lie, by scenario and side.
    """

    sides: Sequence[Side]
    folder: str
    data: str
    many: str
    rows: int
    modules: str
    pairs: int
    places: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)

    def both(
        self,
        scenario: str,
        arguments: Mapping[str, Sequence[str]] | Sequence[str] = (),
        *,
        repeats: int | None = None,
        warm_ups: int = 0,
        keep: bool = False,
    ) -> dict[str, list[Trial]]:
        """Runs a scenario on all sides, and keeps where its results lie."""
        if not isinstance(arguments, Mapping):
            arguments = dict.fromkeys((side.name for side in self.sides), arguments)
        found = alternate(
            self.sides,
            scenario,
            self.folder,
            arguments,
            repeats=self.pairs if repeats is None else repeats,
            warm_ups=warm_ups,
            keep=keep,
        )
        self.places[scenario] = {
            name: trials[-1].answer for name, trials in found.items() if trials
        }
        return found

    def place(self, scenario: str, name: str) -> dict[str, str]:
        """Where something that an earlier row wrote lies, by side; the row is run if need be."""
        if scenario not in self.places:
            data = self.many if scenario == "million" else self.data
            self.both(scenario, ["--data", data, "--modules", self.modules], repeats=1)
        return {side: answer[name]["uri"] for side, answer in self.places[scenario].items()}


def _whole(title: str, found: Mapping[str, list[Trial]], **targets: Any) -> Row:
    return Row(title, {side: summed_up(trials) for side, trials in found.items()}, **targets)


def _part(
    title: str,
    found: Mapping[str, list[Trial]],
    read: Callable[[Trial], float],
    **targets: Any,
) -> Row:
    measured = {
        side: {"wall": summary([read(trial) for trial in trials])} for side, trials in found.items()
    }
    return Row(title, measured, **targets)


def imports(bench: Bench) -> list[Row]:
    """A fresh process that imports the public package, and nothing else."""
    found = bench.both("import", warm_ups=1)
    rows = [_whole("import of the public package, fresh process", found, at_most=0.15)]
    # Penstock's names are imported when they are first used; here all of them are.
    ours = [side for side in bench.sides if side.name == PENSTOCK]
    everything = alternate(ours, "import-all", bench.folder, {}, repeats=bench.pairs, warm_ups=1)
    both = {**found, **everything}
    return [*rows, _whole("the same, with every public name used", both)]


def chains(bench: Bench) -> list[Row]:
    """Nodes that do nothing, one after the other."""
    short = bench.both("chain-20", warm_ups=1)
    long = bench.both("chain-60")
    rows = [
        _whole("20 no-op nodes, whole process", short, at_most=0.8),
        _whole("60 no-op nodes, whole process", long),
    ]
    # What a run costs once is in both; the difference is forty nodes.
    each: Measured = {}
    for side in short:
        pairs = list(zip(short[side], long[side], strict=True))
        wall = [1000 * (b.answer["seconds"] - a.answer["seconds"]) / 40 for a, b in pairs]
        cpu = [(b.cost.cpu - a.cost.cpu) / 40 for a, b in pairs]
        each[side] = {"wall": summary(wall), "cpu": summary(cpu)}
    title = "overhead of a no-op node, recorded in SQLite"
    return [*rows, Row(title, each, at_most=8.0, unit="ms")]


def fan_out(bench: Bench) -> list[Row]:
    """Four independent nodes of two seconds."""
    found = bench.both("fan-out", warm_ups=1)
    return [_whole("four independent nodes of 2 s each, whole process", found, at_most=3.0)]


def compiling(bench: Bench) -> list[Row]:
    """Declaring and compiling 500 nodes."""
    found = bench.both("compile-500", warm_ups=1)
    read = "declare and compile 500 nodes"
    return [
        _part(f"{read}, within the process", found, lambda trial: trial.answer["seconds"]),
        _whole(f"{read}, whole process", found),
    ]


def complaints(bench: Bench) -> list[Row]:
    """The consumer-complaints pipeline, fresh and reused."""
    arguments = ["--data", bench.data, "--modules", bench.modules]
    fresh = bench.both("complaints", arguments)
    # The second run has a blessed model to compare with; TFX evaluates again then.
    cached = bench.both("complaints", arguments, warm_ups=2, keep=True)
    for side, trials in cached.items():
        executed = set(trials[-1].answer["nodes"]) - set(trials[-1].answer["reused"])
        if executed > {"LastBlessed"}:
            raise RuntimeError(f"{side} did not reuse {sorted(executed)}")
    return [
        _whole("consumer complaints, 9 nodes, fresh", fresh, faster=2.5),
        _whole("consumer complaints, everything reused", cached, faster=10.0),
    ]


def million(bench: Bench) -> list[Row]:
    """From a file of many rows to transformed examples: one run, too long for more."""
    arguments = ["--data", bench.many, "--modules", bench.modules]
    found = bench.both("million", arguments, repeats=1)
    rows = [_whole(f"{bench.rows:,} rows, ingest to transform", found, faster=6.0, leaner=2.0)]
    for node, faster in (("CsvExampleGen", 15.0), ("StatisticsGen", 8.0), ("Transform", 2.5)):
        title = f"{node}, {bench.rows:,} rows"

        def seconds(trial: Trial, node: str = node) -> float:
            return float(trial.answer["nodes"][node])

        rows.append(_part(title, found, seconds, faster=faster))
    return rows


def _over_examples(
    bench: Bench, scenario: str, model: Mapping[str, str]
) -> tuple[dict[str, list[Trial]], str]:
    """(trials of the sides that can do it, why another cannot); each side has its model."""
    examples = bench.place("million", "examples")
    found: dict[str, list[Trial]] = {}
    note = ""
    for side in bench.sides:
        arguments = ["--examples", examples[side.name], "--model", model[side.name]]
        try:
            found |= alternate([side], scenario, bench.folder, {side.name: arguments}, repeats=1)
        except CommandFailedError as error:
            if side.name == PENSTOCK:
                raise
            reason = [line for line in str(error).splitlines() if "Error" in line]
            note = f"{side.name} fails: {reason[-1].strip() if reason else str(error)[-200:]}"
    return found, note


def evaluator(bench: Bench) -> list[Row]:
    """The Evaluator over many rows."""
    model = bench.place("complaints", "model")
    return _over_rows(bench, "evaluator", "Evaluator", model, faster=2.0)


def bulk_inference(bench: Bench) -> list[Row]:
    """The BulkInferrer over many rows, with one model that both sides can load."""
    trained = bench.place("complaints", "model")[PENSTOCK]
    portable = os.path.join(bench.folder, "portable-model")
    command = [sys.executable, "-m", "benchmarks.portable_model", trained, portable]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    model = dict.fromkeys((side.name for side in bench.sides), portable)
    return _over_rows(bench, "bulk-inference", "BulkInferrer", model)


def _over_rows(
    bench: Bench, scenario: str, node: str, model: Mapping[str, str], **targets: Any
) -> list[Row]:
    found, note = _over_examples(bench, scenario, model)

    def seconds(trial: Trial) -> float:
        return float(trial.answer["nodes"][node])

    def rate(trial: Trial) -> float:
        return bench.rows / seconds(trial) / 1000

    title = f"{node}, {bench.rows:,} rows"
    return [
        _part(title, found, seconds, note=note, **targets),
        _whole(f"{title}, whole process", found, note=note),
        _part(f"{title}, thousand rows a second", found, rate, unit="krows/s", note=note),
    ]


def store_growth(bench: Bench) -> list[Row]:
    """What a run's steps cost in stores that hold more and more; Penstock alone."""
    path = os.path.join(bench.folder, "store-growth.json")
    module = [sys.executable, "-m", "benchmarks.store_growth", "--json", path]
    sizes = ("10", "10000", "100000") if bench.rows >= 10**6 else ("10", "1000")
    command = [*module, "--folder", bench.folder, "--sizes", *sizes]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    rows = []
    for step in ("begin a run", "look a key up: hit", "publish"):
        for size, times in found.items():
            measured = {PENSTOCK: {"wall": summary([times[step]])}}
            rows.append(Row(f"{step}, {int(size):,} executions recorded", measured, unit="ms"))
    return rows


#: What can be asked for by name, in the order in which it is measured.
GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "import": imports,
    "chain": chains,
    "fan-out": fan_out,
    "compile": compiling,
    "complaints": complaints,
    "million": million,
    "evaluator": evaluator,
    "bulk-inference": bulk_inference,
    "store-growth": store_growth,
}
