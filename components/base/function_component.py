# SPDX-License-Identifier: Apache-2.0
"""Components written as functions: the everyday way.

    @component
    def train(
        examples: Input[Examples], epochs: int, model: Output[Model]
    ) -> OutputDict(loss=float): ...

    trainer = train(examples=example_gen.outputs["examples"], epochs=3)

Arguments annotated `Input` and `Output` arrive as artifacts; others are parameters.
Returned values become outputs that later nodes take as parameters. The function itself
stays reachable as `train.function`, for tests.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, overload

from ...utils.errors import WiringError
from .annotations import MISSING, ComponentSpec, SpecReader, read_annotations
from .component import SpecNode

#: Stands for the name of the module in the types of functions from a notebook's cells.
NOTEBOOK = "notebook"
#: A module's variable of this name stands for its name in the types of its functions: those
#: of an exported notebook stay what they were, and are found in the cache.
TYPE_MODULE = "__type_module__"


class FunctionNode(SpecNode):
    """One use of a function component in a pipeline."""

    executor = "penstock.components.base.function_executor:FunctionExecutor"

    def __init__(self, declared: FunctionComponent, args: tuple[Any, ...], kwargs: Any) -> None:
        super().__init__(declared.__name__)
        self.declared = declared
        self.bind(declared.spec, args, kwargs)
        self.user_code["function"] = declared.function

    @property
    def type_name(self) -> str:  # type: ignore[override]
        """Module and name of the function."""
        return self.declared.type_name

    @property
    def preload(self) -> tuple[str, ...]:  # type: ignore[override]
        """Heavy modules that the function's declaration names."""
        return self.declared.preload

    @property
    def description(self) -> str:
        """First line of the function's docstring."""
        return (self.declared.function.__doc__ or "").strip().split("\n", 1)[0]


class FunctionComponent:
    """What `@component` makes of a function: call it to add a node.

    Attributes:
        function: The function itself.
        spec: Its inputs, outputs and parameters.
        preload: Heavy modules to preload for it.
    """

    def __init__(
        self, function: Callable[..., Any], preload: tuple[str, ...], local_names: dict[str, Any]
    ) -> None:
        self.function = function
        self.preload = preload
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function
        self.spec = _function_spec(function, local_names)

    @property
    def type_name(self) -> str:
        """Execution type: module and name of the function."""
        module = self.function.__module__
        if TYPE_MODULE in self.function.__globals__:
            module = str(self.function.__globals__[TYPE_MODULE])
        elif module == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
            # The file that stands for a notebook's cell is called after the cell's text.
            module = NOTEBOOK
        elif module == "__main__":
            # A script's functions keep one type whether it is run or imported.
            file = inspect.getsourcefile(self.function) or NOTEBOOK
            module = os.path.splitext(os.path.basename(file))[0]
        return f"{module}.{self.function.__qualname__}"

    def __call__(self, *args: Any, **kwargs: Any) -> FunctionNode:
        """Adds a node that runs the function.

        Raises:
            WiringError: An argument is unknown, missing, or of a wrong artifact type.
            ParameterError: A parameter's value is not acceptable.
        """
        return FunctionNode(self, args, kwargs)


def _function_spec(function: Callable[..., Any], local_names: dict[str, Any]) -> ComponentSpec:
    name = function.__qualname__
    code = function.__code__
    reader = SpecReader(name, f"{code.co_filename}:{code.co_firstlineno}")
    annotations = read_annotations(function, local_names)
    for argument, declared in inspect.signature(function).parameters.items():
        if argument not in annotations or declared.kind in (
            declared.VAR_POSITIONAL,
            declared.VAR_KEYWORD,
            declared.POSITIONAL_ONLY,
        ):
            raise WiringError(
                f"{name}: argument {argument!r} cannot be read as an input, output or parameter",
                expected="an annotated argument that can be given by name",
                got=str(declared),
                location=reader.location,
                fix=f"annotate it, as in {argument}: Input[Examples] or {argument}: int = 3",
            )
        default = MISSING if declared.default is declared.empty else declared.default
        reader.read(argument, annotations[argument], default, bare_is_parameter=True)
    reader.read_returned(annotations.get("return"))
    return reader.spec()


@overload
def component(function: Callable[..., Any]) -> FunctionComponent: ...
@overload
def component(*, preload: tuple[str, ...] = ...) -> Callable[..., FunctionComponent]: ...
def component(function: Callable[..., Any] | None = None, *, preload: tuple[str, ...] = ()) -> Any:
    """Makes a component of a function: see the module's docstring.

    Args:
        function: The function, when used as `@component`.
        preload: Heavy modules that the function imports, such as `("tensorflow",)`: the
            node then runs in a process in which they are loaded already.

    Raises:
        WiringError: The signature cannot be read as a component's.
    """
    local_names = dict(sys._getframe(1).f_locals)
    if function is not None:
        return FunctionComponent(function, preload, local_names)
    return lambda found: FunctionComponent(found, preload, local_names)
