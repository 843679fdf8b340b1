# SPDX-License-Identifier: Apache-2.0
"""Which splits an example generator writes, and in which payload format.

Field names are those of TFX's `example_gen.proto`
(https://www.tensorflow.org/tfx/guide/examplegen).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...utils.errors import DataError, ParameterError, nearest
from .split_names import check_split_name, check_unique


class OutputSplit(BaseModel):
    """One output split.

    Attributes:
        name: Name of the split.
        hash_buckets: Its share: a record goes to this split with probability
            `hash_buckets` over the sum of all splits' buckets.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    hash_buckets: int = Field(ge=1)

    @field_validator("name")
    @classmethod
    def _name_is_a_folder_name(cls, name: str) -> str:
        return check_split_name(name)


class SplitConfig(BaseModel):
    """How records are distributed.

    Attributes:
        splits: The output splits, in order. None of them: the input's splits are kept.
        partition_feature_name: Hash the text of this column alone, so that records with
            the same value (of one customer, say) always share a split. By default the
            whole record is hashed.
    """

    model_config = ConfigDict(extra="forbid")

    splits: list[OutputSplit] = []
    partition_feature_name: str | None = None

    @field_validator("splits")
    @classmethod
    def _names_differ(cls, splits: list[OutputSplit]) -> list[OutputSplit]:
        check_unique([split.name for split in splits])
        return splits


class OutputConfig(BaseModel):
    """What an example generator writes."""

    model_config = ConfigDict(extra="forbid")

    split_config: SplitConfig


#: Two thirds to train on, one third to evaluate on, as in TFX.
DEFAULT_SPLITS = (
    OutputSplit(name="train", hash_buckets=2),
    OutputSplit(name="eval", hash_buckets=1),
)


@dataclass(frozen=True)
class SplitPlan:
    """Which output split a record goes to.

    Attributes:
        names: Output splits, in order.
        buckets: Hash buckets of each; empty where input splits are kept as they are.
        partition_feature_name: Column that decides, or None for the whole record.
    """

    names: tuple[str, ...]
    buckets: tuple[int, ...] = ()
    partition_feature_name: str | None = None

    def check_feature(self, columns: Sequence[str], location: str) -> None:
        """Checks that the column that decides on splits, if one does, is there.

        Args:
            columns: Names of all columns.
            location: Where they were found.

        Raises:
            DataError: It is none of them.
        """
        wanted = self.partition_feature_name
        if wanted is not None and wanted not in columns:
            raise DataError(
                f"partition_feature_name {wanted!r} is no column",
                expected=", ".join(columns),
                got=wanted,
                suggestion=nearest(wanted, columns),
                location=location,
            )

    @property
    def by_hash(self) -> bool:
        """Whether records are distributed by hash."""
        return len(self.buckets) > 1

    @property
    def bounds(self) -> list[int]:
        """Bucket number at which each split ends."""
        return list(accumulate(self.buckets))


def plan_splits(input_splits: Sequence[str], output_config: OutputConfig | None) -> SplitPlan:
    """Decides on output splits as TFX does.

    Args:
        input_splits: Names of the input splits.
        output_config: What the user asked for.

    Raises:
        ParameterError: Both the input and the output name splits.
    """
    asked = output_config.split_config if output_config else SplitConfig()
    splits = asked.splits
    if not splits:
        if len(input_splits) > 1:
            if asked.partition_feature_name:
                raise ParameterError(
                    "partition_feature_name has nothing to partition",
                    expected="splits in output_config.split_config",
                    got=f"input splits that are kept as they are: {', '.join(input_splits)}",
                    fix="name output splits, or leave partition_feature_name out",
                )
            return SplitPlan(tuple(input_splits))
        splits = list(DEFAULT_SPLITS)
    elif len(input_splits) > 1:
        raise ParameterError(
            "splits are named both in the input and in the output",
            expected="several splits in input_config, or splits in output_config, not both",
            got=f"input: {', '.join(input_splits)}; output: "
            + ", ".join(split.name for split in splits),
            fix="leave output_config out to keep the input's splits, "
            "or read everything as one input split",
        )
    return SplitPlan(
        tuple(split.name for split in splits),
        tuple(split.hash_buckets for split in splits),
        asked.partition_feature_name,
    )
