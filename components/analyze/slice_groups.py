# SPDX-License-Identifier: Apache-2.0
"""Groups rows that fall into the same slices, so that each group is looked at once.

Which slices a row belongs to depends only on its values of the slice features. They are
encoded column by column; TFMA is asked once for each combination that occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_model_analysis.slicer import slicer_lib

#: A slice as TFMA names it: (feature, value) pairs, sorted; empty for all rows.
SliceKey = tuple[tuple[str, Any], ...]

_Codes = npt.NDArray[np.int64]


class SliceGroups:
    """Numbers the groups of rows that share all their slices.

    Args:
        slicing_specs: `SlicingSpec` messages; none means all rows together.
    """

    def __init__(self, slicing_specs: Sequence[Any]) -> None:
        self._specs = [slicer_lib.SingleSliceSpec(spec=spec) for spec in slicing_specs]
        self._specs = self._specs or [slicer_lib.SingleSliceSpec()]
        self.features = sorted(
            {name for s in slicing_specs for name in [*s.feature_keys, *s.feature_values]}
        )
        self._by_values: dict[tuple[Any, ...], int] = {}
        self._by_slices: dict[tuple[SliceKey, ...], int] = {}
        #: Slices of each group, by its number.
        self.slices: list[list[SliceKey]] = []

    def number(
        self,
        rows: int,
        raw: Mapping[str, pa.Array],
        transformed: Sequence[Mapping[str, npt.NDArray[Any]]],
    ) -> _Codes:
        """The group of each row.

        Args:
            rows: How many there are.
            raw: Columns of lists, by name; those not sliced on are ignored.
            transformed: Outputs of the models' preprocessing functions, model by model;
                where they have a feature, it takes the place of the raw one.
        """
        sources: list[tuple[int, str, _Codes, list[Any]]] = []
        for name in self.features:
            found = [(i, each[name]) for i, each in enumerate(transformed) if name in each]
            for model, array in found:
                sources.append((model, name, *_encode_array(np.asarray(array))))
            if not found and name in raw:
                sources.append((-1, name, *_encode_column(raw[name])))
        if not sources:
            return np.full(rows, self._group((), [], len(transformed)), dtype=np.int64)
        combinations, inverse = np.unique(
            np.stack([codes for _, _, codes, _ in sources], axis=1), axis=0, return_inverse=True
        )
        numbers = np.empty(len(combinations), dtype=np.int64)
        for i, combination in enumerate(combinations):
            values = [
                (model, name, choices[code])
                for (model, name, _, choices), code in zip(sources, combination, strict=True)
            ]
            key = tuple((model, name, tuple(each)) for model, name, each in values)
            numbers[i] = self._group(key, values, len(transformed))
        groups: _Codes = numbers[inverse.reshape(-1)]
        return groups

    def _group(self, key: tuple[Any, ...], values: list[tuple[int, str, Any]], models: int) -> int:
        number = self._by_values.get(key)
        if number is None:
            by_model: list[dict[str, Any]] = [{} for _ in range(models)]
            raw: dict[str, Any] = {}
            for model, name, value in values:
                (raw if model < 0 else by_model[model])[name] = np.asarray(value)
            found = slicer_lib.get_slices_for_features_dicts(by_model, raw, self._specs)
            keys = tuple(sorted(set(found), key=repr))
            # Other values may lead to the same slices.
            number = self._by_slices.setdefault(keys, len(self.slices))
            if number == len(self.slices):
                self.slices.append(list(keys))
            self._by_values[key] = number
        return number


def _encode_column(column: pa.Array) -> tuple[_Codes, list[Any]]:
    """(code of each row, values that each code stands for) of a column of lists."""
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    if (pc.max(lengths).as_py() or 0) > 1:
        return _encode_objects([tuple(row or ()) for row in column.to_pylist()])
    encoded = pc.dictionary_encode(column.flatten())
    present = np.asarray(lengths) > 0
    codes = np.full(len(column), len(encoded.dictionary), dtype=np.int64)
    codes[present] = np.asarray(encoded.indices)
    choices: list[Any] = [(value,) for value in encoded.dictionary.to_pylist()]
    return codes, [*choices, ()]


def _encode_array(array: npt.NDArray[Any]) -> tuple[_Codes, list[Any]]:
    """The same for a dense array with one entry for each row."""
    flat = array.reshape(len(array), -1)
    if flat.shape[1] == 1 and flat.dtype != object:
        values, codes = np.unique(flat[:, 0], return_inverse=True)
        return codes.reshape(-1).astype(np.int64), [(value,) for value in values.tolist()]
    return _encode_objects([tuple(row) for row in flat.tolist()])


def _encode_objects(rows: list[tuple[Any, ...]]) -> tuple[_Codes, list[Any]]:
    numbers: dict[tuple[Any, ...], int] = {}
    codes = [numbers.setdefault(row, len(numbers)) for row in rows]
    return np.asarray(codes, dtype=np.int64), list(numbers)
