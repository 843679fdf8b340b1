# SPDX-License-Identifier: Apache-2.0
"""Runs both sides of a row alternately, and sums up what they cost."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .process_cost import Cost, measure

PENSTOCK, TFX = "Penstock", "TFX"
SIDES = (PENSTOCK, TFX)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of one side: what the whole process cost, and what it said of itself."""

    cost: Cost
    answer: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Side:
    """How one side is run.

    Attributes:
        name: One of `SIDES`.
        command: What starts it, up to the scenario's name.
    """

    name: str
    command: tuple[str, ...]

    def run(self, scenario: str, folder: str, arguments: Sequence[str] = ()) -> Trial:
        """Runs a scenario in a folder, which keeps what an earlier run left there."""
        os.makedirs(folder, exist_ok=True)
        command = [*self.command, scenario, "--folder", folder, *arguments]
        log = os.path.join(folder, "output.log")
        cost = measure(command, folder=ROOT, environment=_environment(), log=log)
        with open(os.path.join(folder, "answer.json"), encoding="utf-8") as file:
            return Trial(cost, json.load(file))


def penstock_side() -> Side:
    """Penstock, in the environment that this process runs in."""
    return Side(PENSTOCK, (sys.executable, "-m", "benchmarks.penstock_side"))


def tfx_side(python: str) -> Side:
    """TFX, in its own environment."""
    return Side(TFX, (python, "-W", "ignore", os.path.join(ROOT, "benchmarks", "tfx_side")))


def _environment() -> dict[str, str]:
    # Installed packages are compiled once, on everybody's machine.
    return {name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def alternate(
    sides: Sequence[Side],
    scenario: str,
    folder: str,
    arguments: Mapping[str, Sequence[str]],
    *,
    repeats: int,
    warm_ups: int = 0,
    keep: bool = False,
) -> dict[str, list[Trial]]:
    """Runs the sides in turns.

    Args:
        sides: Who takes part; who begins changes from one pair to the next.
        scenario: What is run.
        folder: Each side works in a folder of its name in there.
        arguments: What each side's scenario is given.
        repeats: How often each is measured.
        warm_ups: Runs of each before that, which do not count.
        keep: Whether a run finds what the one before left; otherwise it begins anew.

    Returns:
        The trials that count, by side.
    """
    found: dict[str, list[Trial]] = {side.name: [] for side in sides}
    for number in range(-warm_ups, repeats):
        for side in sides if number % 2 else reversed(sides):
            own = os.path.join(folder, side.name, scenario)
            if not keep:
                shutil.rmtree(own, ignore_errors=True)
            trial = side.run(scenario, own, arguments.get(side.name, ()))
            if number >= 0:
                found[side.name].append(trial)
    return found


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and range, and how many there were."""
    return {
        "median": statistics.median(values),
        "least": min(values),
        "most": max(values),
        "runs": len(values),
    }


def summed_up(trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Median and range of wall time, CPU time and memory of whole processes."""
    return {
        field.name: summary([getattr(trial.cost, field.name) for trial in trials])
        for field in dataclasses.fields(Cost)
    }
