# SPDX-License-Identifier: Apache-2.0
"""Which records differ between two sets of examples."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ..base.annotations import Input, Output, Parameter, output
from ..base.artifact import PropertyType, SplitArtifact
from ..base.artifact_types import Examples
from ..base.component import Component


class ExamplesDiff(SplitArtifact):
    """Differences between pairs of records, in `SplitPair-<test>_<base>/` for each pair of splits.

    `skew_stats-*` holds TFDV's `FeatureSkew` for each feature that differs, `match_stats-*`
    its `MatchStats`, `sample_pairs-*` a sample of `SkewPair`, and `confusion-*` its
    `ConfusionCount`, where asked for: TFRecord files all.
    """

    TYPE_NAME = "ExamplesDiff"
    PROPERTIES = {"split_names": PropertyType.STRING}


class ConfusionConfig(BaseModel):
    """A feature whose pairs of values are counted: a text, one in each record.

    Attributes:
        feature_name: The feature.
    """

    model_config = ConfigDict(extra="forbid")

    feature_name: str


class PairedExampleSkew(BaseModel):
    """How records are paired and compared.

    Attributes:
        identifier_features: Features that name a record: those with equal values are a pair.
        skew_sample_size: How many pairs that differ to keep.
        ignore_features: Features not to compare.
        float_round_ndigits: Digits after the point to which numbers are rounded first; None
            compares them as they are.
        allow_duplicate_identifiers: Whether to compare each with each where several records
            have the same identifiers; else such records are passed over.
        confusion_config: Features whose pairs of values are counted.
    """

    model_config = ConfigDict(extra="forbid")

    identifier_features: list[str] = Field(min_length=1)
    skew_sample_size: int = Field(default=0, ge=0)
    ignore_features: list[str] = []
    float_round_ndigits: int | None = Field(default=None, ge=0)
    allow_duplicate_identifiers: bool = False
    confusion_config: list[ConfusionConfig] = []


class ExampleDiffConfig(BaseModel):
    """What to compare; field names are those of TFX's `example_diff.proto`."""

    model_config = ConfigDict(extra="forbid")

    paired_example_skew: PairedExampleSkew


class ExampleDiff(Component):
    """Pairs records of two artifacts by identifiers, and reports features that differ.

    For instance between what was logged when a model served and what training saw. See
    https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/components.

    Args:
        examples: The records to examine.
        baseline_examples: The records that they are compared with.
        config: How.
        include_split_pairs: Pairs of splits to compare: (split of `examples`, split of
            `baseline_examples`); by default those of equal names.
    """

    type_name = "tfx.components.example_diff.component.ExampleDiff"
    executor = "penstock.components.validate.example_diff_executor:ExampleDiffExecutor"
    preload = ("tensorflow_data_validation",)

    examples: Input[Examples]
    baseline_examples: Input[Examples]
    config: Parameter[ExampleDiffConfig]
    include_split_pairs: Parameter[list[tuple[str, str]] | None] = None
    example_diff: Output[ExamplesDiff] = output()
