# SPDX-License-Identifier: Apache-2.0
"""Which files an example generator reads: splits by pattern, spans and versions.

Field names are those of TFX's `example_gen.proto` and `range_config.proto`
(https://www.tensorflow.org/tfx/guide/examplegen).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from .split_names import check_split_name, check_unique


class InputSplit(BaseModel):
    """Files that form one input split.

    Attributes:
        name: Name of the split.
        pattern: Path below `input_base`. `*`, `?` and `[…]` match within one folder or
            file name, `**` any depth of folders. `{SPAN}` and `{VERSION}` match whole
            numbers (`{SPAN:3}` exactly three digits), `{YYYY}`, `{MM}` and `{DD}` together
            a date, whose span is its day counted from 1970-01-01.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    pattern: str = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _name_is_a_folder_name(cls, name: str) -> str:
        return check_split_name(name)


class InputConfig(BaseModel):
    """The input splits, in order.

    With more than one, each becomes an output split as it is.
    """

    model_config = ConfigDict(extra="forbid")

    splits: list[InputSplit] = Field(min_length=1)

    @field_validator("splits")
    @classmethod
    def _names_differ(cls, splits: list[InputSplit]) -> list[InputSplit]:
        check_unique([split.name for split in splits])
        return splits


class StaticRange(BaseModel):
    """Spans from one number to another, both included."""

    model_config = ConfigDict(extra="forbid")

    start_span_number: int = Field(ge=0)
    end_span_number: int = Field(ge=0)

    @model_validator(mode="after")
    def _start_is_not_after_end(self) -> Self:
        if self.start_span_number > self.end_span_number:
            raise ValueError("start_span_number is greater than end_span_number")
        return self


class RollingRange(BaseModel):
    """The most recent spans, counted back from the latest there is.

    Attributes:
        start_span_number: No span below this one is taken.
        num_spans: How many span numbers to take.
        skip_num_recent_spans: How many of the most recent span numbers to leave out.
    """

    model_config = ConfigDict(extra="forbid")

    start_span_number: int = Field(default=0, ge=0)
    num_spans: int = Field(ge=1)
    skip_num_recent_spans: int = Field(default=0, ge=0)


class RangeConfig(BaseModel):
    """Which spans to read; exactly one of the two is set."""

    model_config = ConfigDict(extra="forbid")

    static_range: StaticRange | None = None
    rolling_range: RollingRange | None = None

    @model_validator(mode="after")
    def _one_is_set(self) -> Self:
        if (self.static_range is None) == (self.rolling_range is None):
            raise ValueError("set exactly one of static_range and rolling_range")
        return self
