# SPDX-License-Identifier: Apache-2.0
"""Runs a function component of TFX's kind, which may take a Beam pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from ..base.annotations import ComponentSpec
from ..base.artifact import PropertyValue
from ..base.executor import Task
from ..base.function_executor import FunctionExecutor
from .executor_bases import BEAM_ARGS, values_as_files
from .function_components import TfxFunctionComponent


@dataclass
class _Called:
    """A function component whose function gets more arguments."""

    spec: ComponentSpec
    function: Callable[..., Any]


class TfxFunctionExecutor(FunctionExecutor):
    """Calls the user's function with artifacts, parameters, and Beam pipelines."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue] | None:
        """Runs the function of `task`.

        Raises:
            ExecutionError: The function returned something other than it declares.
        """
        declared = cast(TfxFunctionComponent, task.user_function("function"))
        names = declared.beam_parameters

        def call(**arguments: Any) -> Any:
            for name in names:
                arguments[name] = _beam_pipeline(task)
            return declared.function(**arguments)

        called = cast(Callable[..., Any], _Called(declared.spec, call))
        with values_as_files(task):
            return super().execute(replace(task, code={**task.code, "function": called}))


def _beam_pipeline(task: Task) -> Any:
    import apache_beam as beam

    return beam.Pipeline(argv=[*task.beam_pipeline_args, *task.parameters.get(BEAM_ARGS, ())])
