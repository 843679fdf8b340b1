# SPDX-License-Identifier: Apache-2.0
"""From what a user points at (a file, a module, a function, a class) to a bundle."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from types import FunctionType
from typing import Any, NamedTuple

from .. import storage
from ..errors import CodeError, nearest
from ..source_location import display_path
from .bundle import CodeBundle
from .closure import collect_file, collect_module
from .notebook import collect_cells
from .search import (
    FRAMEWORK,
    PIPELINES,
    PIPELINES_DIR,
    Located,
    ModuleSearch,
    in_folder,
    neighbours,
    submodule,
)
from .sources import read_source
from .statements import read_statements


class Collected(NamedTuple):
    """What `collect` found.

    Attributes:
        bundle: The user's modules.
        module: Dotted name of the entry's module inside the bundle.
        attribute: Name of the entry in that module; None for the module itself.
    """

    bundle: CodeBundle
    module: str
    attribute: str | None


def collect(entry: str | os.PathLike[str] | Any) -> Collected:
    """Collects the user's own code behind an entry.

    Args:
        entry: Path of a module file (it ends in `.py` or holds a slash), a dotted module
            name, `package.module:name`, or a function or class at the top level of a
            module, a script or a notebook.

    Raises:
        CodeError: The code cannot be found, is not valid Python, or cannot travel: a lambda,
            a nested function, something typed into an interpreter.
        StorageError: A file cannot be read.
    """
    if isinstance(entry, os.PathLike):
        return _from_file(os.fspath(entry))
    if isinstance(entry, str):
        if entry.endswith(".py") or "/" in entry or os.sep in entry:
            return _from_file(entry)
        return _from_name(entry)
    return _from_object(entry)


def _from_file(path: str) -> Collected:
    if not storage.is_local(path):
        raise CodeError(
            f"the module file {path} does not lie on this machine",
            expected="a local path: the file's source travels inside the compiled pipeline",
            fix="download it and give the local path",
        )
    path = storage.local_path(path)
    if not os.path.isfile(path):
        raise _no_file(path)
    return Collected(*collect_file(path), None)


def _no_file(path: str) -> CodeError:
    folder, name = os.path.split(os.path.abspath(path))
    if os.path.isdir(path):
        return CodeError(
            f"{path} is a folder, not a module file",
            expected="a .py file",
            suggestion=next((os.path.join(path, f"{n}.py") for n in neighbours([path])), None),
        )
    if not os.path.isdir(folder):
        return CodeError(
            f"there is no module file {path}",
            got=f"no folder {folder}",
            fix=f"relative paths start at the current folder, {os.getcwd()}",
        )
    close = nearest(os.path.splitext(name)[0], neighbours([folder]))
    return CodeError(
        f"there is no module file {path}",
        expected=", ".join(f"{found}.py" for found in neighbours([folder])[:8]) or "a .py file",
        got=f"{folder} holds no {name}",
        suggestion=display_path(os.path.join(folder, f"{close}.py")) if close else None,
        fix=f"relative paths start at the current folder, {os.getcwd()}",
    )


def _from_name(entry: str) -> Collected:
    name, _, attribute = entry.partition(":")
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise CodeError(
            f"{entry!r} names no module",
            expected="a path such as features.py, or a dotted name such as shop.features",
        )
    if parts[0] == FRAMEWORK:
        _check_pipeline(name)
        parts = parts[2:]
        inside, place, rest = _find_module(parts, entry, in_folder(PIPELINES_DIR, parts[0]))
        bundle = collect_module(inside, PIPELINES_DIR, place)
        return Collected(bundle, inside, attribute or rest or None)
    name, place, rest = _find_module(parts, entry, ModuleSearch([]).top_level(parts[0]))
    assert place.file is not None
    root = _root_of(name, place.file)
    if root is None:
        return Collected(*collect_file(place.file), attribute or rest or None)
    return Collected(collect_module(name, root, place), name, attribute or rest or None)


def _find_module(parts: list[str], entry: str, located: Located | None) -> tuple[str, Located, str]:
    """(module, its place, what follows) of a dotted name whose first part lies at `located`."""
    end = 1
    while located is not None and end < len(parts):
        below = submodule(located, parts[end])
        if below is None:
            break
        located, end = below, end + 1
    name, rest = ".".join(parts[:end]), ".".join(parts[end:])
    if located is None or located.file is None or not located.file.endswith(".py"):
        raise CodeError(
            f"there is no module {'.'.join(parts)} of your own",
            expected="a module below the current folder or a folder on sys.path",
            suggestion=nearest(parts[0], neighbours([os.getcwd()])) if located is None else None,
            fix="give the path of its file, or set PYTHONPATH to the folder above it",
        )
    if rest and (":" in entry or parts[end] not in _top_level_names(located.file)):
        raise CodeError(
            f"{name} holds no {parts[end]}",
            expected=", ".join(
                [*_top_level_names(located.file), *neighbours(located.folders)][:12]
            ),
            got=entry,
            suggestion=nearest(
                parts[end], [*_top_level_names(located.file), *neighbours(located.folders)]
            ),
            location=display_path(located.file),
        )
    return name, located, rest


def _top_level_names(file: str) -> list[str]:
    found = read_statements(read_source(file).text, display_path(file))
    return sorted({name for statement in found for name in statement.uses.binds})


def _from_object(entry: Any) -> Collected:
    if isinstance(entry, functools.partial) or not isinstance(entry, (FunctionType, type)):
        raise CodeError(
            f"{entry!r} is not a function or class",
            expected="a function or class defined at the top level of a module",
            got=type(entry).__name__,
            fix="write a function with `def` in a .py file and pass that",
        )
    _check_reachable(entry)
    module, qualname = entry.__module__, entry.__qualname__
    file = _source_file(entry)
    if module == FRAMEWORK or module.startswith(FRAMEWORK + "."):
        _check_pipeline(module)
        parts = module.split(".")[2:]
        inside, place, _ = _find_module(parts, module, in_folder(PIPELINES_DIR, parts[0]))
        return Collected(collect_module(inside, PIPELINES_DIR, place), inside, qualname)
    if file is None:
        return Collected(*collect_cells(entry), qualname)
    if module == "__main__":
        # `python -m shop.pipeline` knows the module's real name.
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = spec.name if spec is not None else ""
    root = _root_of(module, file)
    if root is None:
        return Collected(*collect_file(file), qualname)
    is_init = os.path.basename(file) == "__init__.py"
    located = Located(file, (os.path.dirname(file),) if is_init else ())
    return Collected(collect_module(module, root, located), module, qualname)


def _check_reachable(entry: FunctionType | type) -> None:
    code = getattr(entry, "__code__", None)
    where = f"{display_path(code.co_filename)}:{code.co_firstlineno}" if code else None
    if entry.__qualname__.endswith("<lambda>"):
        raise CodeError(
            "a lambda cannot travel with the pipeline: it has no name to be found by",
            location=where,
            fix="write it as a function with `def`, at the top level of a cell or module",
        )
    if "<locals>" in entry.__qualname__:
        outer, _, inner = entry.__qualname__.rpartition(".<locals>.")
        free = ", ".join(code.co_freevars) if code else ""
        raise CodeError(
            f"{inner} is defined inside {outer}, where no other process can find it",
            got=f"it takes {free} from there" if free else None,
            location=where,
            fix=f"move {inner} to the top level of a module"
            + (f" and pass {free} as parameters" if free else ""),
        )


def _source_file(entry: FunctionType | type) -> str | None:
    """The .py file that defines `entry`; None where it was typed in."""
    module_file: str | None = getattr(sys.modules.get(entry.__module__), "__file__", None)
    if entry.__module__ == "__main__" and module_file is None:
        # A notebook's cell may have a file that serves a debugger; it is not the author's.
        return None
    candidates: list[str] = []
    if isinstance(entry, FunctionType):
        # Decorators that copy a function's name leave its code elsewhere.
        candidates.append(inspect.unwrap(entry).__code__.co_filename)
    else:
        methods = [value for value in vars(entry).values() if isinstance(value, FunctionType)]
        candidates.extend(method.__code__.co_filename for method in methods)
    if module_file and entry.__module__ != "__main__":
        candidates.insert(0, module_file)
    elif module_file and not isinstance(entry, FunctionType) and not candidates:
        candidates.append(module_file)
    for file in candidates:
        if file.endswith(".py") and os.path.isfile(file):
            return os.path.abspath(file)
    return None


def _root_of(module: str, file: str) -> str | None:
    """The folder from which `module` is imported as `file`; None where the two do not fit."""
    parts = module.split(".")
    if parts[0] in sys.stdlib_module_names or not all(part.isidentifier() for part in parts):
        return None
    stem = os.path.splitext(file)[0]
    if os.path.basename(stem) == "__init__":
        stem = os.path.dirname(stem)
    tail = os.sep + os.sep.join(parts)
    return (stem[: -len(tail)] or os.sep) if stem.endswith(tail) else None


def _check_pipeline(name: str) -> None:
    """Refuses modules of the framework, other than those of its pipelines."""
    if not name.startswith(PIPELINES + "."):
        raise CodeError(
            f"{name} belongs to {FRAMEWORK} itself; only your own code travels with a pipeline",
            expected=f"a module of your own, or one of {PIPELINES}",
        )
