# SPDX-License-Identifier: Apache-2.0
"""The two forms that a light transform has, once fitted: what each does to a batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from ....utils.errors import DataError, PenstockError, UserCodeError
from .frames import from_frame, from_matrix, plain_batch, to_frame
from .saved_code import SavedCode

#: More columns than this are too many for a table; a vectorizer belongs into the model.
MOST_COLUMNS = 4_096


class Form(Protocol):
    """Applies what was fitted."""

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The transformed batch, as the user's code gave it.

        Raises:
            DataError: The transform cannot take the batch.
            UserCodeError: The user's code raised, or returned no table.
        """


class EstimatorForm:
    """A fitted scikit-learn transformer.

    Args:
        transformer: Anything with `transform(frame)`.
        had_nulls: Whether each raw column had gaps where it was fitted, by name.
        code: The user's modules that it needs, if any.
    """

    def __init__(
        self, transformer: Any, had_nulls: Mapping[str, bool], code: SavedCode | None
    ) -> None:
        self.transformer = transformer
        self._had_nulls = had_nulls
        self._code = code

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Form`."""
        frame = to_frame(batch, self._had_nulls)
        try:
            if self._code is None:
                result = self.transformer.transform(frame)
            else:
                result = self._code.call(self.transformer.transform, frame)
        except PenstockError:
            raise
        except Exception as error:
            raise DataError(
                "the transformer cannot take these rows",
                expected="rows like those it was fitted to",
                got=f"{type(error).__name__}: {error}",
                fix="impute missing values, and let encoders take unknown ones "
                "(OneHotEncoder(handle_unknown='ignore'))",
            ) from error
        if isinstance(result, pd.DataFrame):
            _check_width(result.shape[1])
            return _converted(lambda: from_frame(result))
        if getattr(result, "ndim", 0) != 2:
            raise UserCodeError(
                "the transformer returned no table",
                expected="a DataFrame or a matrix with a row for each row",
                got=f"{type(result).__name__} {getattr(result, 'shape', '')}".strip(),
            )
        _check_width(result.shape[1])
        names = self._names(result.shape[1])
        return _converted(lambda: from_matrix(result, names))

    def _names(self, width: int) -> list[str]:
        try:
            return [str(name) for name in self.transformer.get_feature_names_out()]
        except (AttributeError, ValueError, TypeError):
            # Not every transformer can tell; those of one's own seldom do.
            return [f"x{number}" for number in range(width)]


class FunctionForm:
    """A user's `transform(table, state)` with the state that `fit` returned.

    Args:
        function: The user's function.
        state: What it learnt.
        code: The user's modules.
    """

    def __init__(self, function: Callable[..., Any], state: Any, code: SavedCode) -> None:
        self._function = function
        self._state = state
        self._code = code

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Form`."""
        table = pa.Table.from_batches([batch])
        result = self._code.call(self._function, table, self._state)
        if isinstance(result, pd.DataFrame):
            return _converted(lambda: from_frame(result))
        if isinstance(result, (pa.Table, pa.RecordBatch)):
            return _converted(lambda: plain_batch(result))
        raise UserCodeError(
            "transform() returned no table",
            expected="a pyarrow.Table or a pandas.DataFrame",
            got=f"{result!r:.80} ({type(result).__name__})",
            location=location_of(self._function),
        )


def location_of(function: Callable[..., Any]) -> str | None:
    """`file:line` of a function, where it has one."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else None


def _converted(convert: Callable[[], pa.RecordBatch]) -> pa.RecordBatch:
    try:
        return convert()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UserCodeError(
            "the transform returned a column of mixed or unknown type",
            expected="numbers, texts, truth values, times, or lists of these in each column",
            got=f"{type(error).__name__}: {error}",
        ) from error


def _check_width(width: int) -> None:
    if width > MOST_COLUMNS:
        raise UserCodeError(
            "the transform makes too many columns",
            expected=f"at most {MOST_COLUMNS}",
            got=str(width),
            fix="limit the vocabulary (max_features=…), or put the vectorizer into the "
            "model's own Pipeline, which keeps it sparse",
        )
