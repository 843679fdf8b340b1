# SPDX-License-Identifier: Apache-2.0
"""Components, artifact types and functions by the names that YAML has for them.

    CsvExampleGen                  what `penstock` itself offers
    my_package.steps:train         something in a module
    steps.py:train                 something in a file, seen from the YAML file's folder

And back: the name by which an object is found again.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

from ...components.base.container_component import ContainerComponent
from ...components.base.function_component import FunctionComponent
from ...components.base.node import Node
from ...utils.errors import CodeError, WiringError, nearest
from ...utils.module_loading import load_object
from ..pipeline_modules import import_file, import_name

_PACKAGE = __name__.split(".", 1)[0]
_INSTALLED = tuple(
    os.path.realpath(sysconfig.get_path(name)) + os.sep
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def public_names(fits: Callable[[Any], bool]) -> list[str]:
    """Names of the things that `penstock` offers, of one kind."""
    package = importlib.import_module(_PACKAGE)
    return [name for name in package.__all__ if fits(getattr(package, name))]


def is_component(found: Any) -> bool:
    """Whether calling it makes a node."""
    if isinstance(found, (FunctionComponent, ContainerComponent)):
        return True
    return isinstance(found, type) and issubclass(found, Node)


def load_named(name: Any, folder: str, what: str, fits: Callable[[Any], bool]) -> Any:
    """The object that a name in YAML stands for.

    Args:
        name: The name.
        folder: Folder of the YAML file.
        what: What is wanted, for messages.
        fits: Whether an object is of the kind that is wanted.

    Raises:
        WiringError: There is nothing of the name, or it is of another kind.
        CodeError: A file or module cannot be found or imported.
        UserCodeError: It raised while it was imported.
    """
    if not isinstance(name, str) or not name:
        raise WiringError(f"{what} is named by a text", got=repr(name))
    if name.isidentifier():
        package = importlib.import_module(_PACKAGE)
        found = getattr(package, name) if name in package.__all__ else None
        if found is None:
            raise WiringError(
                f"penstock has no {what} {name!r}",
                expected=f"the name of one of penstock's own, package.module:{name}, "
                f"or file.py:{name}",
                got=name,
                suggestion=nearest(name, public_names(fits)),
            )
    elif ".py:" in name:
        path, _, attribute = name.rpartition(":")
        module = import_file(os.path.normpath(os.path.join(os.path.realpath(folder), path)), name)
        try:
            found = load_object(f"{module.__name__}:{attribute}")
        except CodeError as error:
            # The module is there; it is the name in YAML that is wrong.
            error.location = None
            raise
    else:
        if folder not in sys.path:
            sys.path.insert(0, folder)
        found = load_object(name)
    if not fits(found):
        raise WiringError(
            f"{name} is no {what}",
            expected=f"a {what}",
            got=f"{found!r} ({type(found).__name__})"[:200],
            suggestion="write @component above it" if inspect.isfunction(found) else None,
        )
    return found


def function_reference(name: str, folder: str) -> str:
    """A function's name in YAML as `collect` understands it; nothing is imported.

    Raises:
        CodeError: The file is not there.
    """
    if ".py:" not in name:
        if folder not in sys.path:
            sys.path.insert(0, folder)
        return name
    path, _, attribute = name.rpartition(":")
    path = os.path.realpath(os.path.normpath(os.path.join(os.path.realpath(folder), path)))
    if not os.path.isfile(path):
        raise CodeError(
            f"there is no module file {path}",
            got=name,
            suggestion=nearest(os.path.basename(path), _python_files(os.path.dirname(path))),
            fix="paths in a YAML pipeline start at its own folder",
        )
    root, module = import_name(path)
    if root not in sys.path:
        sys.path.insert(0, root)
    return f"{module}:{attribute}"


def _python_files(folder: str) -> list[str]:
    return [n for n in os.listdir(folder) if n.endswith(".py")] if os.path.isdir(folder) else []


def name_of_object(found: Any, folder: str, what: str) -> str:
    """The name by which `load_named` finds a class or function again.

    Raises:
        CodeError: There is none: it was defined in a notebook, or inside a function.
    """
    function = found.function if isinstance(found, FunctionComponent) else found
    module, qualname = function.__module__, function.__qualname__
    package = importlib.import_module(_PACKAGE)
    if qualname in package.__all__ and getattr(package, qualname) is found:
        return str(qualname)
    if "<locals>" in qualname or "<lambda>" in qualname:
        raise CodeError(
            f"{what} {qualname} is defined inside a function, where YAML cannot name it",
            fix="move it to the top level of a module",
        )
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if isinstance(found, FunctionComponent):
        held = [name for name, value in vars(loaded).items() if value is found] if loaded else []
        qualname = next(iter(held), qualname)
    if file is None:
        raise CodeError(
            f"{what} {qualname} is defined in a notebook, where YAML cannot name it",
            fix="write it into a .py file, and import it from there",
        )
    if module.startswith(_PACKAGE + ".") or os.path.realpath(file).startswith(_INSTALLED):
        return f"{module}:{qualname}"
    if import_name(os.path.realpath(file))[1] != module and module != "__main__":
        return f"{module}:{qualname}"
    relative = os.path.relpath(os.path.realpath(file), os.path.realpath(folder))
    return f"{relative.replace(os.sep, '/')}:{qualname}"
