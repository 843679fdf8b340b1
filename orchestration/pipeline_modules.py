# SPDX-License-Identifier: Apache-2.0
"""Imports the Python module in which a pipeline, or something of one, stands.

A file in a folder with an `__init__.py` is imported as a module of that package, so that
its relative imports work; any other with its own folder on `sys.path`, as Python does
with scripts. Either way its functions can be found again by the module's name.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from ..utils.errors import CodeError, PenstockError, nearest
from ..utils.source_location import display_path
from .user_traceback import raised_in_user_code

#: What a folder stands for.
DEFAULT_FILE = "pipeline.py"
#: Endings of pipelines that are written in YAML.
YAML = (".yaml", ".yml")
_PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_PACKAGE = __name__.split(".", 1)[0]


def import_file(place: str, target: str) -> ModuleType:
    """The module in a Python file, imported under the name that Python itself would give it.

    Args:
        place: The file, or a folder that stands for the `pipeline.py` in it.
        target: What the user wrote, for messages.

    Raises:
        CodeError: There is no such file, or another module has its name.
        UserCodeError: It raised.
    """
    path = os.path.join(place, DEFAULT_FILE) if os.path.isdir(place) else place
    check_exists(path, target)
    path = os.path.realpath(path)
    stem, extension = os.path.splitext(os.path.basename(path))
    if extension != ".py" or not stem.isidentifier():
        raise CodeError(
            f"{display_path(path)} cannot be imported as a pipeline",
            expected="a file name such as pipeline.py: letters, digits and '_', then .py",
            got=os.path.basename(path),
        )
    folder, name = import_name(path)
    _prepend_to_path(folder)
    loaded = sys.modules.get(name)
    if loaded is not None and not _same_file(loaded, path):
        raise CodeError(
            f"a module named {name} is already loaded",
            expected=f"a name of its own for {display_path(path)}",
            got=getattr(loaded, "__file__", None) or "a module that is part of Python",
            fix="rename the file",
        )
    module = _imported(name, display_path(path))
    if not _same_file(module, path):
        raise CodeError(
            f"another module named {name} is found first",
            expected=display_path(path),
            got=getattr(module, "__file__", None) or "a module that is part of Python",
            fix="rename the file",
        )
    return module


def import_name(path: str) -> tuple[str, str]:
    """The folder to put on `sys.path` for a file, and the dotted name to import from there.

    Raises:
        CodeError: A package around it has a folder whose name Python cannot import.
    """
    folder = os.path.dirname(path)
    stem = os.path.splitext(os.path.basename(path))[0]
    if os.path.commonpath([_PACKAGE_DIR, folder]) == _PACKAGE_DIR:
        # One of our own example pipelines: a second copy of this package, imported under its
        # folder's name, would not know the classes of the first.
        below = os.path.relpath(folder, _PACKAGE_DIR).split(os.sep)
        if below[0] == "pipelines":
            return os.path.dirname(_PACKAGE_DIR), ".".join([_PACKAGE, *below, stem])
    parts = [stem]
    while folder != _PACKAGE_DIR and os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        if not name.isidentifier():
            raise CodeError(
                f"the folder {name!r} is a package by its __init__.py, but not by its name",
                expected="letters, digits and '_'",
                got=os.path.join(folder, name),
                suggestion="".join(c if c.isalnum() else "_" for c in name),
                fix="rename the folder, or delete its __init__.py",
            )
        parts.insert(0, name)
    return folder, ".".join(parts)


def import_module(name: str, target: str) -> ModuleType:
    """A module by its name, found in the current folder or installed.

    Args:
        name: Its dotted name.
        target: What the user wrote, for messages.

    Raises:
        CodeError: There is no such module, or the text is no name of one.
        UserCodeError: It raised.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise CodeError(
            f"{target!r} names no pipeline",
            expected="a file (pipeline.py), a module (package.module) or a compiled pipeline"
            " (pipeline.json), with an optional :name",
            got=target,
        )
    _prepend_to_path(os.getcwd())
    return _imported(name, name)


def _prepend_to_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _same_file(module: ModuleType, path: str) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and os.path.realpath(file) == path


def _imported(name: str, shown: str) -> ModuleType:
    importlib.invalidate_caches()
    kept = sys.dont_write_bytecode
    # Compiled files are told apart by second and size: an edit within the second that keeps
    # the size would bring back the old pipeline.
    sys.dont_write_bytecode = True
    try:
        return importlib.import_module(name)
    except PenstockError:
        raise
    except ModuleNotFoundError as error:
        absent = error.name or ""
        if name == absent or name.startswith(absent + "."):
            raise _no_module(name, absent) from None
        raise raised_in_user_code(error, f"importing {shown} failed") from error
    except (Exception, SystemExit) as error:
        raise raised_in_user_code(error, f"importing {shown} failed") from error
    finally:
        sys.dont_write_bytecode = kept


def _no_module(name: str, absent: str) -> CodeError:
    here = {entry[:-3]: entry for entry in os.listdir(".") if entry.endswith(".py")}
    folders = (each.name for each in os.scandir(".") if each.is_dir())
    here |= {name: name for name in folders if os.path.isfile(os.path.join(name, DEFAULT_FILE))}
    close = nearest(absent, here)
    return CodeError(
        f"there is no module {absent}",
        expected="a module in this folder or an installed package, or a file's path",
        got=name,
        suggestion=here[close] if close else None,
    )


def check_exists(path: str, target: str) -> None:
    """Refuses a file of this machine that is not there; says what is.

    Args:
        path: The file, or a URL, which is not looked at.
        target: What the user wrote, for messages.

    Raises:
        CodeError: It is not there.
    """
    if "://" in path or os.path.exists(path):
        return
    folder = os.path.dirname(path) or "."
    while not os.path.isdir(folder):
        path, folder = folder, os.path.dirname(folder) or "."
    siblings = sorted(
        name
        for name in os.listdir(folder)
        if name.endswith((".py", ".json", *YAML)) or "." not in name
    )
    close = nearest(os.path.basename(path), siblings)
    shown = ", ".join(name for name in siblings if name.endswith((".py", *YAML)))
    raise CodeError(
        f"there is no {display_path(path)}",
        expected=f"a pipeline's file; {display_path(os.path.abspath(folder))} has "
        + (shown or "no Python files"),
        got=target,
        suggestion=os.path.normpath(os.path.join(folder, close)) if close else None,
        fix=None if close or shown else "penstock init, to start from a working project",
    )
