# SPDX-License-Identifier: Apache-2.0
"""What the Trainer trains and evaluates on, with the names of TFX's `trainer.proto`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: What happens when a metric or a weight is no finite number.
OnNan = Literal["fail", "warn", "ignore"]


class TrainArgs(BaseModel):
    """Training data and length.

    Attributes:
        splits: Splits to train on.
        num_steps: Steps to train; 0 leaves it to `run_fn`, which then sees None.
    """

    model_config = ConfigDict(extra="forbid")

    splits: list[str] = Field(default=["train"], min_length=1)
    num_steps: int = Field(default=0, ge=0)


class EvalArgs(BaseModel):
    """Evaluation data and length.

    Attributes:
        splits: Splits to evaluate on while training.
        num_steps: Steps of one evaluation; 0 leaves it to `run_fn`, which then sees None.
    """

    model_config = ConfigDict(extra="forbid")

    splits: list[str] = Field(default=["eval"], min_length=1)
    num_steps: int = Field(default=0, ge=0)
