# SPDX-License-Identifier: Apache-2.0
"""How a Tuner searches; `num_parallel_trials` is TFX's name, in its `tuner.proto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class TuneArgs(BaseModel):
    """How a Tuner searches.

    All but `num_parallel_trials` is for searches by Optuna: a KerasTuner that `tuner_fn`
    returns has settings of its own.

    Attributes:
        num_parallel_trials: Trials that go on at the same time, each in a process.
        num_trials: How many trials.
        objective: Name of the metric to optimize, among those that a trial reports or returns.
        direction: Whether less of it is better, or more.
        sampler: `tpe` learns from earlier trials, `random` does not, `grid` tries all.
        pruner: What stops trials that do badly early on: `median`, `hyperband` or `none`.
        max_failures: How many trials may fail; by default half of them, but two at least.
    """

    model_config = ConfigDict(extra="forbid")

    num_parallel_trials: int = Field(default=1, ge=1)
    num_trials: int = Field(default=20, ge=1)
    objective: str = "val_loss"
    direction: Literal["minimize", "maximize"] = "minimize"
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["none", "median", "hyperband"] = "none"
    max_failures: int | None = Field(default=None, ge=0)

    @property
    def most_failures(self) -> int:
        """How many trials may fail."""
        return max(2, self.num_trials // 2) if self.max_failures is None else self.max_failures


class TunerFnResult(NamedTuple):
    """What a `tuner_fn` returns, as in TFX; anything with these fields, or a dict, will do.

    Attributes:
        tuner: A KerasTuner, or an Optuna study.
        fit_kwargs: Arguments of its `search`, or of the study's `optimize`.
    """

    tuner: Any
    fit_kwargs: Mapping[str, Any]
