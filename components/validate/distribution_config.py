# SPDX-License-Identifier: Apache-2.0
"""What `DistributionValidator` compares.

Field names are those of TFX's `distribution_validator.proto`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from .comparators import FeatureComparator, NumericValueComparator
from .custom_validation import Path


class FeatureDistribution(BaseModel):
    """How far a feature's distributions may be apart; a bare name stands for its path."""

    model_config = ConfigDict(extra="forbid")

    path: Path
    distribution_comparator: FeatureComparator

    @field_validator("path", mode="before")
    @classmethod
    def _name_is_a_path(cls, value: Any) -> Any:
        return {"step": [value]} if isinstance(value, str) else value


class DatasetConfig(BaseModel):
    """What is compared of a data set.

    Attributes:
        feature: The features.
        num_examples_comparator: How far the numbers of records may be apart.
    """

    model_config = ConfigDict(extra="forbid")

    feature: list[FeatureDistribution] = []
    num_examples_comparator: NumericValueComparator | None = None


class DistributionValidatorConfig(BaseModel):
    """What is compared; `default_slice_config` is for all records, without slices."""

    model_config = ConfigDict(extra="forbid")

    default_slice_config: DatasetConfig
