# SPDX-License-Identifier: Apache-2.0
"""The trials of a search as plain records, and as files: JSON, and CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ....utils import storage
from ....utils.errors import DataError

TRIALS_FILE = "trials.json"
TABLE_FILE = "trials.csv"
FORMAT = 1

TrialState = Literal["complete", "pruned", "failed", "running"]
Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: From 0, in the order in which they began.
        state: How it ended. A pruned one was stopped early since it did worse than others.
        value: The objective; of a pruned trial what it reported last. None where it failed.
        parameters: What was tried.
        seed: What the search's random choices for this trial were seeded with.
        reported: Intermediate values by step.
        run_id: Id of the pipeline run that was the trial, where it was one.
        reason: Why it failed.
    """

    number: int
    state: TrialState
    value: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    reported: Mapping[int, float] = field(default_factory=dict)
    run_id: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-compatible data."""
        return {
            "number": self.number,
            "state": self.state,
            "value": self.value,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "reported": {
                str(step): value if math.isfinite(value) else None
                for step, value in self.reported.items()
            },
            "run_id": self.run_id,
            "reason": self.reason,
        }


def best_of(trials: Sequence[TrialRecord], direction: Direction) -> TrialRecord | None:
    """The best complete trial, the earlier one of equals; None where none is complete."""
    complete = [each for each in trials if each.state == "complete" and each.value is not None]
    sign = 1.0 if direction == "minimize" else -1.0
    return min(complete, key=lambda each: (sign * (each.value or 0.0), each.number), default=None)


def write_trials(
    folder: str,
    trials: Sequence[TrialRecord],
    *,
    objective: str,
    direction: Direction,
    importance: Mapping[str, float],
) -> None:
    """Writes `trials.json` and `trials.csv`.

    Args:
        folder: Where.
        trials: The trials.
        objective: Name of what was optimized.
        direction: Whether less of it is better, or more.
        importance: Share of each parameter in how the objective varies; empty where unknown.
    """
    best = best_of(trials, direction)
    document = {
        "format": FORMAT,
        "objective": objective,
        "direction": direction,
        "best": None if best is None else best.number,
        "importance": dict(importance),
        "trials": [each.to_dict() for each in trials],
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    storage.write_text_atomic(storage.join(folder, TRIALS_FILE), text + "\n")
    storage.write_text_atomic(storage.join(folder, TABLE_FILE), table_text(trials))


def read_trials(folder: str) -> dict[str, Any]:
    """What `write_trials` wrote, as data.

    Raises:
        DataError: It is of an unknown format.
        StorageError: It is not there.
    """
    location = storage.join(folder, TRIALS_FILE)
    document: dict[str, Any] = json.loads(storage.read_text(location))
    if document.get("format") != FORMAT:
        raise DataError(
            "the trials are of an unknown format",
            expected=str(FORMAT),
            got=str(document.get("format")),
            location=location,
        )
    return document


def table_text(trials: Sequence[TrialRecord]) -> str:
    """The trials as CSV: one row each, one column for each parameter."""
    names = parameter_names(trials)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["trial", "state", "value", *names, "seed", "run_id", "reason"])
    for each in trials:
        value = "" if each.value is None else repr(each.value)
        tried = [_exact(each.parameters.get(name, "")) for name in names]
        seed = "" if each.seed is None else each.seed
        writer.writerow([each.number, each.state, value, *tried, seed, each.run_id, each.reason])
    return written.getvalue()


def _exact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def parameter_names(trials: Sequence[TrialRecord]) -> list[str]:
    """Names of all parameters that any trial tried, in order of appearance."""
    return list(dict.fromkeys(name for each in trials for name in each.parameters))


def cell_text(value: Any) -> str:
    """A value as short text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value)
