# SPDX-License-Identifier: Apache-2.0
"""Validations that users write as SQL expressions over statistics.

Field names are those of TFDV's `custom_validation_config.proto`; see
https://www.tensorflow.org/tfx/data_validation/custom_data_validation.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Path(BaseModel):
    """Where a feature is: its name, or the names of its parents and its own."""

    model_config = ConfigDict(extra="forbid")

    step: list[str] = Field(min_length=1)


class Validation(BaseModel):
    """A condition that must hold.

    Attributes:
        sql_expression: A condition over a feature's statistics, such as
            `feature.string_stats.unique > 10`; the names are those of
            `FeatureNameStatistics` in tensorflow metadata's `statistics.proto`. For pairs of
            features, over `feature_test` and `feature_base`.
        severity: What it is where the condition does not hold.
        description: What to tell people then.
        in_environment: Schema environments to check it in; in all by default.
    """

    model_config = ConfigDict(extra="forbid")

    sql_expression: str = Field(min_length=1)
    severity: Literal["WARNING", "ERROR"] = "ERROR"
    description: str
    in_environment: list[str] = []


class FeatureValidation(BaseModel):
    """Conditions over one feature; a bare name stands for its path."""

    model_config = ConfigDict(extra="forbid")

    feature_path: Path
    validations: list[Validation] = Field(min_length=1)
    dataset_name: str = ""

    @field_validator("feature_path", mode="before")
    @classmethod
    def _name_is_a_path(cls, value: Any) -> Any:
        return _path(value)


class FeaturePairValidation(BaseModel):
    """Conditions over a feature, and the same or another in the data compared with."""

    model_config = ConfigDict(extra="forbid")

    feature_test_path: Path
    feature_base_path: Path
    validations: list[Validation] = Field(min_length=1)
    dataset_name: str = ""
    base_dataset_name: str = ""

    @field_validator("feature_test_path", "feature_base_path", mode="before")
    @classmethod
    def _name_is_a_path(cls, value: Any) -> Any:
        return _path(value)


class CustomValidationConfig(BaseModel):
    """All custom validations."""

    model_config = ConfigDict(extra="forbid")

    feature_validations: list[FeatureValidation] = []
    feature_pair_validations: list[FeaturePairValidation] = []


def _path(value: Any) -> Any:
    return {"step": [value]} if isinstance(value, str) else value
