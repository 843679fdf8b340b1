# SPDX-License-Identifier: Apache-2.0
"""From arguments as TFX takes them to those of native components."""

from __future__ import annotations

from typing import Any

from ...utils.errors import ParameterError, WiringError
from ...utils.source_location import caller_location
from ..base.expression import Expression, RuntimeParameter
from .executor_spec import ExecutorClassSpec
from .messages import plain


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not None, with messages as dicts."""
    return {name: plain(value) for name, value in arguments.items() if value is not None}


def message_or_none(value: Any) -> Any:
    """A message as a dict; None where it is empty, which in a message means the defaults."""
    if value is None or isinstance(value, (Expression, str)):
        return value
    return plain(value) or None


def refuse(component: str, name: str, value: Any, fix: str) -> None:
    """Refuses an argument that has no counterpart.

    Raises:
        ParameterError: It was given.
    """
    if value is not None:
        raise ParameterError(
            f"{component} does not take {name!r} any more",
            expected=f"no {name}",
            got=repr(value),
            location=caller_location(),
            fix=fix,
        )


def exactly_one(component: str, **arguments: Any) -> None:
    """Checks that one of several arguments is given.

    Raises:
        WiringError: None is, or several are.
    """
    found = [name for name, value in arguments.items() if value is not None]
    if len(found) != 1:
        raise WiringError(
            f"{component} needs exactly one of {' and '.join(arguments)}",
            got=" and ".join(found) or "neither",
            location=caller_location(),
        )


def known_code(component: str, name: str, value: Any) -> Any:
    """A module file or function, which travels with the pipeline: of a parameter, the default.

    Raises:
        ParameterError: It is a runtime parameter without a default.
    """
    if not isinstance(value, RuntimeParameter):
        return value
    if value.default is None:
        raise ParameterError(
            f"{component} needs to know {name} when the pipeline is compiled",
            expected="a path or a dotted name, or a RuntimeParameter with a default",
            got=f"RuntimeParameter({value.name!r})",
            location=caller_location(),
            fix="the code travels with the pipeline; give it by its path",
        )
    return value.default


def own_executor(spec: Any) -> ExecutorClassSpec | None:
    """A `custom_executor_spec` that names an executor other than the component's own.

    `GenericExecutor`, which older pipelines name, is how every Trainer works.
    """
    if spec is None:
        return None
    if not isinstance(spec, ExecutorClassSpec):
        raise WiringError(
            "the executor of a standard component can be replaced by a class only",
            expected="ExecutorClassSpec(…) or BeamExecutorSpec(…)",
            got=repr(spec),
            location=caller_location(),
            fix="declare a component of your own",
        )
    generic = getattr(spec.executor_class, "is_the_default", False)
    return None if generic else spec
