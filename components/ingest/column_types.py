# SPDX-License-Identifier: Apache-2.0
"""What type a column of texts has, judged by all of its cells.

    every cell a whole number of 64 bits, written plainly             int
    else every cell a number, at least one finite, no whole number
    among them of 2**53 or more, where floats begin to lose digits     float
    else                                                              string

A number may have spaces around it. Leading zeros (`007`), a plus sign, digit separators
and hexadecimal make a text; `.5`, `5.`, `1e5`, `nan` and `inf` are numbers. A number that
overflows a float (`1e999`) is a text. A column without a single value is `string`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...utils.errors import DataError, nearest

#: Arrow types by the names that users write.
ARROW_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
}


def check_named(asked: Collection[str], found: Collection[str], location: str) -> None:
    """Checks that the columns whose types a user gives are there.

    Args:
        asked: Names in the parameter `column_types`.
        found: Names of the columns.
        location: Where they were found.

    Raises:
        DataError: One is no column.
    """
    for name in asked:
        if name not in found:
            raise DataError(
                f"column_types names {name!r}, which is no column",
                expected=", ".join(found),
                got=name,
                suggestion=nearest(name, found),
                location=location,
            )


_EXACT_IN_FLOAT = 2**53
_NOT_FINITE = ("nan", "-nan", "inf", "-inf", "infinity", "-infinity")
_ZERO, _NINE, _MINUS, _PLUS = b"09-+"
_HEXADECIMAL = np.frombuffer(b"xX", np.uint8)


@dataclass
class ColumnEvidence:
    """What the cells seen so far say about a column's type.

    Evidence of parts of a column can be gathered apart, in any order, and merged.
    """

    has_values: bool = False
    all_int: bool = True
    all_number: bool = True
    has_finite: bool = False
    has_inexact_int: bool = False

    @property
    def type_name(self) -> str:
        """`int`, `float` or `string`."""
        if self.has_values and self.all_int:
            return "int"
        if self.has_finite and self.all_number and not self.has_inexact_int:
            return "float"
        return "string"

    def merge(self, other: ColumnEvidence) -> None:
        """Adds what another part of the column says."""
        self.has_values |= other.has_values
        self.all_int &= other.all_int
        self.all_number &= other.all_number
        self.has_finite |= other.has_finite
        self.has_inexact_int |= other.has_inexact_int

    def add(self, cells: pa.Array) -> None:
        """Adds cells, a string array."""
        if not self.all_number and self.has_values:
            return
        texts = cells.drop_null() if cells.null_count else cells
        if len(texts) == 0:
            return
        self.has_values = True
        values = _cast(texts, pa.int64()) if self.all_int else None
        if values is None:
            texts = pc.ascii_trim(texts, characters=" \t")
            values = _cast(texts, pa.int64()) if self.all_int else None
        if values is not None:
            if _any_irregular(texts):
                self.all_int = self.all_number = False
                return
            self.has_finite = True
            limits = pc.min_max(values).as_py()
            if max(-limits["min"], limits["max"]) >= _EXACT_IN_FLOAT:
                self.has_inexact_int = True
            return
        self.all_int = False
        self._add_floats(texts)

    def _add_floats(self, texts: pa.Array) -> None:
        floats = _cast(texts, pa.float64())
        if floats is None or _any_irregular(texts):
            self.all_number = False
            return
        values = floats.to_numpy(zero_copy_only=False)
        finite = np.isfinite(values)
        if not finite.all():
            words = pc.utf8_lower(texts.filter(pa.array(~finite)))
            if not pc.all(pc.is_in(words, value_set=pa.array(_NOT_FINITE))).as_py():
                self.all_number = False
                return
        self.has_finite |= bool(finite.any())
        large = np.abs(values) >= _EXACT_IN_FLOAT
        if large.any():
            suspects = texts.filter(pa.array(large))
            whole = pc.match_substring_regex(suspects, pattern="^-?[0-9]+$")
            self.has_inexact_int |= bool(pc.any(whole).as_py())


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return None


def _any_irregular(texts: pa.Array) -> bool:
    """Whether any number has a plus sign, a zero before another digit, or is `-0`."""
    _, offset_buffer, text_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(texts) + 1, texts.offset * 4)
    # Two bytes to spare: the last text may be one byte long.
    data: npt.NDArray[np.uint8] = np.zeros(int(offsets[-1]) + 3, dtype=np.uint8)
    data[:-3] = np.frombuffer(text_buffer, np.uint8, int(offsets[-1]))
    starts, ends = offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)
    negative = data[starts] == _MINUS
    starts = starts + negative
    if (data[starts] == _PLUS).any():
        # Some versions of Arrow take it for a number, others do not.
        return True
    zero = data[starts] == _ZERO
    if not zero.any():
        return False
    after = data[starts + 1]
    longer = starts + 1 < ends
    digit_after = longer & (((after >= _ZERO) & (after <= _NINE)) | np.isin(after, _HEXADECIMAL))
    minus_zero = negative & ~longer
    return bool((zero & (digit_after | minus_zero)).any())
