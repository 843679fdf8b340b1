# SPDX-License-Identifier: Apache-2.0
"""Whether a user's function takes what it will be called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import CodeError
from .tracebacks import function_location


def check_call(
    function: Callable[..., Any],
    name: str,
    arguments: Sequence[str],
    *,
    node: str,
    named: Iterable[str] = (),
) -> None:
    """Passes where `function` can be called so; one that is not written in Python, always.

    Args:
        function: The user's function.
        name: What it is called where it is looked for.
        arguments: What it is called with, by position.
        node: Id of the node, for messages.
        named: What it is called with by name besides.

    Raises:
        CodeError: It takes fewer arguments, or demands more.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments, **dict.fromkeys(named))
    except TypeError as error:
        raise CodeError(
            f"{name}() cannot be called as it is: {error}",
            node=node,
            expected=f"def {name}({', '.join(arguments)})",
            got=f"def {name}{signature}",
            location=function_location(function),
        ) from None
