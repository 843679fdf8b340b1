# SPDX-License-Identifier: Apache-2.0
"""What a search brought, whichever engine did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .trial_records import Direction, TrialRecord


@dataclass(frozen=True)
class SearchOutcome:
    """What a search brought.

    Attributes:
        trials: All trials, by number.
        objective: Name of what was optimized.
        direction: Whether less of it is better, or more.
        best_values: What the Trainer gets as `fn_args.hyperparameters`.
        importance: Share of each parameter in how the objective varies; empty where unknown.
    """

    trials: Sequence[TrialRecord]
    objective: str
    direction: Direction
    best_values: Mapping[str, Any]
    importance: Mapping[str, float] = field(default_factory=dict)
