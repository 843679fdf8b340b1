# SPDX-License-Identifier: Apache-2.0
"""The distribution of one column, gathered batch by batch in bounded memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .list_columns import is_list, is_text

#: Most numbers kept of a column; of more, every second one is dropped, again and again.
_SAMPLE = 262_144
#: Most different texts counted of a column; of more, the rarest are dropped.
_MOST_VALUES = 100_000


class ColumnProfile:
    """What is known of a column so far.

    Attributes:
        counts: How often each text occurs (the most frequent ones, where there are many).
        approximate: Whether numbers or texts were dropped.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.approximate = False
        self._records = 0
        self._missing = 0
        self._values = 0
        self._samples: list[Any] = []
        self._stride = 1
        self._low, self._high = math.inf, -math.inf
        self._sum, self._squares = 0.0, 0.0

    def add(self, column: pa.Array) -> None:
        """Adds the values of a batch; of lists, all of their items."""
        self._records += len(column)
        self._missing += column.null_count
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        values = pc.list_flatten(column) if is_list(column.type) else column
        values = values.drop_null()
        if not len(values):
            return
        kind = values.type
        if pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            self._add_numbers(values)
        else:
            self._add_texts(values)
        self._values += len(values)

    def _add_numbers(self, values: pa.Array) -> None:
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        first = -self._values % self._stride
        self._samples.append(numbers[first :: self._stride].copy())
        while sum(map(len, self._samples)) > _SAMPLE:
            self._samples = [np.concatenate(self._samples)[::2]]
            self._stride *= 2
            self.approximate = True
        finite = numbers[np.isfinite(numbers)]
        if len(finite):
            self._low = min(self._low, float(finite.min()))
            self._high = max(self._high, float(finite.max()))
            self._sum += float(finite.sum())
            self._squares += float((finite * finite).sum())

    def _add_texts(self, values: pa.Array) -> None:
        if pa.types.is_boolean(values.type):
            values = pc.if_else(values, "true", "false")
        elif not is_text(values.type):
            values = values.cast(pa.string())
        counted = values.value_counts()
        counts = counted.field(1).to_pylist()
        for value, count in zip(counted.field(0).to_pylist(), counts, strict=True):
            text = value if isinstance(value, str) else value.decode(errors="backslashreplace")
            self.counts[text] = self.counts.get(text, 0) + count
        if len(self.counts) > 2 * _MOST_VALUES:
            kept = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
            self.counts = dict(kept[:_MOST_VALUES])
            self.approximate = True

    @property
    def kind(self) -> str:
        """`number`, `text`, or `empty` where there are no values."""
        return "number" if self._samples else "text" if self.counts else "empty"

    @property
    def sample(self) -> Any:
        """Numbers without those that are none, as an array."""
        joined = np.concatenate(self._samples)
        return joined[~np.isnan(joined)]

    @property
    def missing_share(self) -> float:
        """Share of the records without a value."""
        return self._missing / self._records if self._records else 0.0

    def share(self, value: str) -> float:
        """Share of a text among all values."""
        return round(self.counts.get(value, 0) / self._values, 6) if self._values else 0.0

    def summary(self) -> dict[str, Any]:
        """A few numbers that describe the column."""
        found: dict[str, Any] = {
            "records": self._records,
            "missing": self._missing,
            "values": self._values,
        }
        if self._samples and math.isfinite(self._low):
            mean = self._sum / self._values
            spread = max(0.0, self._squares / self._values - mean * mean)
            found.update(
                mean=float(f"{mean:.6g}"),
                deviation=float(f"{math.sqrt(spread):.6g}"),
                min=self._low,
                median=float(f"{np.median(self.sample):.6g}"),
                max=self._high,
            )
        if self.counts:
            found["different"] = len(self.counts)
        return found
