# SPDX-License-Identifier: Apache-2.0
"""Loads classes and functions by dotted name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import traceback
from types import ModuleType
from typing import Any

from .errors import CodeError, nearest
from .missing_modules import install_hint


def load_object(path: str) -> Any:
    """The object that `package.module:Name` or `package.module.Name` stands for.

    After the colon, or after the last module, names may be nested: `module:Class.method`.

    Raises:
        CodeError: There is no such module or name, or the module cannot be imported.
    """
    module_name, colon, attribute = path.partition(":")
    if not all(part.isidentifier() for part in f"{module_name}.{attribute or 'x'}".split(".")):
        raise CodeError(
            f"{path!r} is no dotted name", expected="package.module:Name", got=path or "nothing"
        )
    if colon:
        return _attribute(_import(module_name, path), attribute, path)
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        candidate = ".".join(parts[:end])
        if end == 1 or _is_module(candidate):
            return _attribute(_import(candidate, path), ".".join(parts[end:]), path)
    raise CodeError(
        f"{path!r} names a module, not something in it",
        expected="package.module:Name",
        got=path,
    )


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False
    except Exception:
        # A package above it fails to import: say that it is one, and the import will tell why.
        return True


def _import(name: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if name == absent or name.startswith(absent + "."):
            raise _no_module(absent, path) from None
        raise CodeError(
            f"{name} needs the module {absent}, which is not installed",
            location=_raised_at(error),
            fix=install_hint(absent),
        ) from error
    except Exception as error:
        raise CodeError(
            f"importing {name} raised {type(error).__name__}: {error}",
            location=_raised_at(error),
        ) from error


def _no_module(absent: str, path: str) -> CodeError:
    parent, _, last = absent.rpartition(".")
    if parent:
        package = importlib.import_module(parent)
        siblings = [found.name for found in pkgutil.iter_modules(getattr(package, "__path__", []))]
    else:
        siblings = [found.name for found in pkgutil.iter_modules()]
    close = nearest(last, siblings)
    suggestion = f"{parent}.{close}" if parent and close else close
    return CodeError(
        f"cannot load {path}: there is no module {absent}",
        got=absent,
        suggestion=suggestion,
        fix=f"check the spelling, or install it: {install_hint(absent)}",
    )


def _attribute(module: ModuleType, attribute: str, path: str) -> Any:
    found: Any = module
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            known = [public for public in dir(found) if not public.startswith("_")]
            raise CodeError(
                f"cannot load {path}: {getattr(found, '__name__', found)} has no {name!r}",
                expected=", ".join(known[:12]) or "a module that defines something",
                got=name,
                suggestion=nearest(name, known),
                location=getattr(module, "__file__", None),
            ) from None
    return found


def _raised_at(error: BaseException) -> str | None:
    """Innermost place outside the import machinery."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen ") and frame.filename != importlib.__file__
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if len(frames) > 1 else None
