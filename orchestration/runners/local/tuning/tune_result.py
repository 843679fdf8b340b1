# SPDX-License-Identifier: Apache-2.0
"""What came of a search over a pipeline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .....components.train.tuning.trial_records import TrialRecord, best_of


@dataclass(frozen=True)
class TuneResult:
    """What came of a search.

    Attributes:
        study: Name of the study.
        folder: Where it is kept, with its tables and plots.
        objective: What was optimized, `node.name`.
        direction: `minimize` or `maximize`.
        trials: All trials, by number.
        importance: Share of each parameter in how the objective varies; empty where unknown.
        files: Tables and plots.
        runtime: Which of the searched parameters are runtime parameters.
    """

    study: str
    folder: str
    objective: str
    direction: str
    trials: Sequence[TrialRecord]
    importance: Mapping[str, float] = field(default_factory=dict)
    files: Sequence[str] = ()
    runtime: Sequence[str] = ()

    @property
    def best(self) -> TrialRecord | None:
        """The best trial; None where none is complete."""
        return best_of(self.trials, "maximize" if self.direction == "maximize" else "minimize")

    @property
    def best_parameters(self) -> dict[str, Any]:
        """The best trial's parameters, as `Pipeline.override` takes them."""
        return dict(self.best.parameters) if self.best else {}

    @property
    def options(self) -> list[str]:
        """Options of `penstock run` that set the best parameters, quoted for a shell."""
        words: list[str] = []
        for path, value in self.best_parameters.items():
            flag = "--param" if path in self.runtime else "--set"
            text = value if isinstance(value, str) else json.dumps(value)
            words += [flag, shlex.quote(f"{path}={text}")]
        return words

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-compatible data."""
        best = self.best
        return {
            "study": self.study,
            "folder": self.folder,
            "objective": self.objective,
            "direction": self.direction,
            "best": best.to_dict() if best else None,
            "options": self.options,
            "importance": dict(self.importance),
            "files": list(self.files),
            "trials": [each.to_dict() for each in self.trials],
        }
