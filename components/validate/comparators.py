# SPDX-License-Identifier: Apache-2.0
"""How far a distribution may be from another: TFDV's comparators, as parameters.

Field names are those of `FeatureComparator` and `NumericValueComparator` in tensorflow
metadata's `schema.proto`; see
https://www.tensorflow.org/tfx/data_validation/get_started#checking_data_skew_and_drift.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Threshold(BaseModel):
    """The largest distance that is no anomaly."""

    model_config = ConfigDict(extra="forbid")

    threshold: float = Field(ge=0)


class FeatureComparator(BaseModel):
    """Distances between two distributions of a feature, each with its threshold.

    A bare number stands for a threshold: `FeatureComparator(infinity_norm=0.05)`.

    Attributes:
        infinity_norm: Largest difference between the shares of a value, from 0 to 1. For
            categories.
        jensen_shannon_divergence: Jensen-Shannon divergence to base 2, from 0 to 1. For
            numbers (by their histograms) and categories.
        normalized_abs_difference: Differences between the counts of all values, divided by
            the sum of all counts, from 0 to 1. For categories; it also notices that there
            are more or fewer records.
    """

    model_config = ConfigDict(extra="forbid")

    infinity_norm: Threshold | None = None
    jensen_shannon_divergence: Threshold | None = None
    normalized_abs_difference: Threshold | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _number_is_a_threshold(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"threshold": value}
        return value


class NumericValueComparator(BaseModel):
    """Between which bounds a number divided by its earlier value must lie.

    Attributes:
        min_fraction_threshold: An anomaly below it; 0.5 is half of what was.
        max_fraction_threshold: An anomaly above it; 2 is twice of what was.
    """

    model_config = ConfigDict(extra="forbid")

    min_fraction_threshold: float | None = Field(default=None, ge=0)
    max_fraction_threshold: float | None = Field(default=None, ge=0)


class Comparators(BaseModel):
    """The comparators of a comparison, which take the place of those in the schema.

    Attributes:
        default: For every feature that `features` does not name. Categories are compared by
            `infinity_norm` and `normalized_abs_difference`, or if it has neither by
            `jensen_shannon_divergence` (which between samples of rare values, such as ZIP
            codes, is always large); numbers by `jensen_shannon_divergence`.
        features: For single features, by name; None compares the feature not at all.
        num_examples: For the number of records.
    """

    model_config = ConfigDict(extra="forbid")

    default: FeatureComparator | None = None
    features: dict[str, FeatureComparator | None] = {}
    num_examples: NumericValueComparator | None = None


#: What is compared where data to compare with is given, and neither parameter nor schema
#: says how: every category by the shares of its values, and every number by its histogram.
DEFAULT_CATEGORIES = FeatureComparator(infinity_norm=Threshold(threshold=0.05))
DEFAULT_NUMBERS = FeatureComparator(jensen_shannon_divergence=Threshold(threshold=0.1))
