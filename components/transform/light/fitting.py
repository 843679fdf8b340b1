# SPDX-License-Identifier: Apache-2.0
"""Fits what the user's module defines, and saves it so that it can be loaded anywhere."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from ....utils import storage
from ....utils.errors import CodeError, UserCodeError
from ....utils.user_code import CodeBundle, collect, original_path
from ....utils.user_code.call_check import check_call
from ....utils.user_code.tracebacks import bundle_folder
from .forms import location_of
from .frames import to_frame
from .raw_columns import RawColumns
from .saved import TRANSFORMER_FILE
from .saved_code import SavedCode, write_code
from .state_file import write_state


class Fitter:
    """Fits one transform and writes its files.

    Args:
        functions: The user's functions by name: `preprocess`, or `fit` and `transform`.
        custom_config: What the pipeline passes to those that take it.
        node_id: Id of the node, for messages.
        work_dir: A scratch folder.
    """

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        custom_config: Mapping[str, Any] | None,
        node_id: str,
        work_dir: str,
    ) -> None:
        self._functions = functions
        self._custom_config = custom_config
        self._node_id = node_id
        self._work_dir = work_dir
        self.code: SavedCode | None = None
        self.versions: dict[str, str] = {}

    def fit(
        self, table: pa.Table, raw: RawColumns, label_key: str | None, folder: str
    ) -> dict[str, str]:
        """Fits to a table and writes everything but the description.

        Args:
            table: All rows to learn from, with every column.
            raw: The columns that are features.
            label_key: Name of the label's column, for transformers that learn from it.
            folder: Where to write.

        Returns:
            What the description must say of the form.

        Raises:
            CodeError: The module defines neither form, or both.
            UserCodeError: What the user's functions returned cannot be used.
            Exception: Whatever the user's functions raise.
        """
        given = set(self._functions)
        if given == {"preprocess"}:
            return self._fit_estimator(table, raw, label_key, folder)
        if given == {"fit", "transform"}:
            return self._fit_functions(table, folder)
        raise CodeError(
            "the module file defines no transform",
            node=self._node_id,
            expected="either preprocess(), or fit(table) and transform(table, state)",
            got=", ".join(f"{name}()" for name in sorted(given)) or "none of them",
        )

    def _fit_estimator(
        self, table: pa.Table, raw: RawColumns, label_key: str | None, folder: str
    ) -> dict[str, str]:
        import sklearn

        from .skops_file import dump, foreign_types

        function = self._functions["preprocess"]
        check_call(function, "preprocess", [], node=self._node_id, named=self._extra(function))
        transformer = function(**self._extra(function))
        if not (hasattr(transformer, "fit") and hasattr(transformer, "transform")):
            raise self._refuse(
                function,
                "preprocess() returned no transformer",
                "something with fit() and transform(): a scikit-learn transformer, "
                "Pipeline or ColumnTransformer",
                f"{transformer!r:.80} ({type(transformer).__name__})",
            )
        frame = to_frame(table.select(raw.schema.names), raw.had_nulls)
        label = None if label_key is None else table.column(label_key).to_pandas()
        self._fit_to(function, transformer, frame, label)
        try:
            data = dump(transformer)
        except Exception as error:  # skops raises many kinds
            raise self._refuse(
                function,
                "the fitted transformer cannot be saved by skops",
                "transformers of scikit-learn, or classes at the top level of your modules",
                f"{type(error).__name__}: {error}",
                "write the step as fit(table) and transform(table, state), whose state is data",
            ) from error
        self._keep_own_code(function, foreign_types(data), folder)
        storage.write_bytes_atomic(os.path.join(folder, TRANSFORMER_FILE), data)
        self.versions["scikit-learn"] = sklearn.__version__
        return {"form": "estimator"}

    def _fit_to(
        self, function: Callable[..., Any], transformer: Any, frame: pd.DataFrame, label: Any
    ) -> None:
        try:
            transformer.fit(frame, label)
        except Exception as error:
            if _raised_in(error, function):
                raise
            raise self._refuse(
                function,
                "the transformer of preprocess() cannot be fitted",
                "columns that it can take: " + ", ".join(map(str, frame.columns)),
                f"{type(error).__name__}: {error}",
                "see which columns each step is given; impute missing values first",
            ) from error

    def _keep_own_code(self, function: Callable[..., Any], foreign: list[str], folder: str) -> None:
        """Saves the user's modules where the transformer holds types of theirs."""
        if not foreign:
            return
        code = self._saved_code(function)[0]
        others = [name for name in foreign if not code.owns(name)]
        if others:
            raise self._refuse(
                function,
                "the fitted transformer holds types that nobody knows to be harmless",
                "types of scikit-learn, NumPy and SciPy, or classes of your own modules",
                ", ".join(others),
                "write the step as fit(table) and transform(table, state), whose state is data",
            )
        hidden = [name for name in foreign if not code.defines(name)]
        if hidden:
            raise self._refuse(
                function,
                "the fitted transformer holds functions that cannot be found again",
                "functions and classes at the top level of your modules",
                ", ".join(hidden),
                "write lambdas and inner functions with `def` at the top level",
            )
        self.code = code
        write_code(code.bundle, folder)

    def _fit_functions(self, table: pa.Table, folder: str) -> dict[str, str]:
        fit, transform = self._functions["fit"], self._functions["transform"]
        check_call(fit, "fit", ["table"], node=self._node_id, named=self._extra(fit))
        check_call(transform, "transform", ["table", "state"], node=self._node_id)
        self.code, module, name = self._saved_code(transform)
        state = fit(table, **self._extra(fit))
        write_state(state, folder, self._node_id, location_of(fit))
        write_code(self.code.bundle, folder)
        return {"form": "functions", "module": module, "function": name}

    def _saved_code(self, function: Callable[..., Any]) -> tuple[SavedCode, str, str]:
        """The modules behind a function, imported afresh, and what it is called in them.

        What the user's functions left in their modules' variables is not there: it will not
        be when the model serves, either.
        """
        found = collect(inspect.unwrap(function))
        folder = bundle_folder(inspect.unwrap(function).__code__.co_filename)
        origins = dict(found.bundle.origins)
        if folder is not None:
            origins = {
                path: original_path(os.path.join(folder, *path.split("/")))
                for path in found.bundle.files
            }
        code = SavedCode(CodeBundle(found.bundle.files, origins), self._work_dir)
        assert found.attribute is not None  # a function was given
        return code, found.module, found.attribute

    def _extra(self, function: Callable[..., Any]) -> dict[str, Any]:
        takes = inspect.signature(function).parameters
        return {"custom_config": self._custom_config} if "custom_config" in takes else {}

    def _refuse(
        self,
        function: Callable[..., Any],
        what: str,
        expected: str,
        got: str,
        fix: str | None = None,
    ) -> UserCodeError:
        return UserCodeError(
            what,
            node=self._node_id,
            expected=expected,
            got=got,
            location=_original(location_of(function)),
            fix=fix,
        )


def _original(location: str | None) -> str | None:
    if location is None:
        return None
    file, _, line = location.rpartition(":")
    return f"{original_path(file)}:{line}"


def _raised_in(error: BaseException, function: Callable[..., Any]) -> bool:
    """Whether an error came out of the module file's own folder: a transformer of the user's."""
    home = os.path.dirname(inspect.unwrap(function).__code__.co_filename) + os.sep
    trace, inside = error.__traceback__, False
    while trace is not None:
        inside = inside or trace.tb_frame.f_code.co_filename.startswith(home)
        trace = trace.tb_next
    return inside
