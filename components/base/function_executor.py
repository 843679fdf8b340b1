# SPDX-License-Identifier: Apache-2.0
"""Runs a function component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ...utils.errors import ExecutionError, nearest
from .artifact import PropertyValue, ValueArtifact
from .executor import Task
from .function_component import FunctionComponent
from .parameters import decode


class FunctionExecutor:
    """Calls the user's function with artifacts and parameters; keeps what it returns."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue] | None:
        """Runs the function of `task`.

        Raises:
            ExecutionError: The function returned something other than it declares.
        """
        declared = cast(FunctionComponent, task.user_function("function"))
        spec = declared.spec
        arguments: dict[str, Any] = {}
        for name, wanted in spec.inputs.items():
            found = list(task.inputs.get(name, ()))
            if wanted.many:
                arguments[name] = found
            else:
                arguments[name] = task.input(name, wanted.type) if found else None
        for name in spec.outputs:
            if name not in spec.returned:
                (arguments[name],) = task.outputs[name]
        for name, parameter in spec.parameters.items():
            if name in task.parameters:
                arguments[name] = decode(
                    task.parameters[name], parameter.type, name=name, node=task.node_id
                )
        self._keep(task, spec.returned, declared.function(**arguments))
        return None

    def _keep(self, task: Task, wanted: Mapping[str, type], answer: Any) -> None:
        if not wanted and answer is None:
            return
        returned = dict(answer) if isinstance(answer, Mapping) else {}
        if not isinstance(answer, Mapping) or set(returned) != set(wanted):
            extra = next(iter(set(returned) - set(wanted)), None)
            raise ExecutionError(
                "the function did not return what it declares",
                node=task.node_id,
                expected=f"a dict with {', '.join(wanted)}" if wanted else "nothing",
                got=f"a dict with {', '.join(returned)}" if returned else repr(answer),
                suggestion=nearest(extra, wanted) if extra else None,
                fix="return a dict with exactly the names of the return annotation",
            )
        for name, kind in wanted.items():
            value = decode(returned[name], kind, name=name, node=task.node_id)
            cast(ValueArtifact, task.outputs[name][0]).write(value)
