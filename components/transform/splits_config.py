# SPDX-License-Identifier: Apache-2.0
"""Which splits Transform learns from, and which it transforms."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SplitsConfig(BaseModel):
    """Splits to analyze and to transform, as in TFX's `transform.proto`.

    Attributes:
        analyze: Splits that vocabularies, means and the like are computed from. A split
            that is for evaluation does not belong here, or it leaks into training.
        transform: Splits to write in transformed form; all of them where not given.
    """

    model_config = ConfigDict(extra="forbid")

    analyze: list[str] = Field(default=["train"], min_length=1)
    transform: list[str] | None = Field(default=None, min_length=1)
