# SPDX-License-Identifier: Apache-2.0
"""Loads the pipeline that a command line names.

    pipeline.py                        a file; a folder stands for the `pipeline.py` in it, or
                                       the `pipeline.yaml` where there is none
    pipeline.py:create_small           a function or pipeline in it
    my_project.pipelines:create_big    the same in an importable module
    pipeline.json                      a compiled pipeline
    pipeline.yaml                      a pipeline written in YAML (docs/yaml.md)

Without a name after the colon, `create_pipeline` is called (without arguments), else
`pipeline` is taken, else the only pipeline in the module.

A file in a folder with an `__init__.py` is imported as a module of that package, so that
its relative imports work; any other with its own folder on `sys.path`, as Python does
with scripts. Either way its functions can be found again by the module's name.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import Any

from ..utils.errors import CodeError, GraphError, PenstockError, nearest
from ..utils.source_location import display_path
from .ir import PipelineIR, load_ir
from .pipeline import Pipeline
from .user_traceback import raised_in_user_code

_FACTORY = "create_pipeline"
_VARIABLE = "pipeline"
_DEFAULT_FILE = "pipeline.py"
_YAML = (".yaml", ".yml")
_PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_PACKAGE = __name__.split(".", 1)[0]


def load_pipeline(target: str) -> Pipeline | PipelineIR:
    """The pipeline that `target` names; see this module for what it may be.

    Raises:
        CodeError: There is no such file, module or pipeline in it, or several.
        UserCodeError: Importing the file, or the function that builds the pipeline, raised.
        IRError: A compiled pipeline cannot be read.
    """
    place, attribute = split_target(target)
    if place.endswith(".json"):
        _check_exists(place, target)
        return load_ir(place)
    written = _yaml_file(place)
    if written:
        from .yaml_form.reader import load_yaml_pipeline

        _check_exists(written, target)
        return load_yaml_pipeline(written)
    module = import_file(place, target) if _is_path(place) else _import_module(place, target)
    found = _named(module, attribute, target) if attribute else _only_pipeline(module, target)
    return _built(found, attribute or _FACTORY, target)


def _yaml_file(place: str) -> str:
    """The YAML file that a place means; empty where it means something else."""
    if place.endswith(_YAML):
        return place
    if os.path.isdir(place) and not os.path.exists(os.path.join(place, _DEFAULT_FILE)):
        files = [os.path.join(place, "pipeline" + ending) for ending in _YAML]
        return next((file for file in files if os.path.exists(file)), "")
    return ""


def split_target(target: str) -> tuple[str, str]:
    """A target's file or module, and the name after the colon (or nothing)."""
    place, colon, attribute = target.rpartition(":")
    if colon and place and all(part.isidentifier() for part in attribute.split(".")):
        return place, attribute
    return target, ""


def _is_path(place: str) -> bool:
    return place.endswith(".py") or os.sep in place or os.path.exists(place)


def _check_exists(path: str, target: str) -> None:
    if "://" in path or os.path.exists(path):
        return
    folder = os.path.dirname(path) or "."
    while not os.path.isdir(folder):
        path, folder = folder, os.path.dirname(folder) or "."
    siblings = sorted(
        name
        for name in os.listdir(folder)
        if name.endswith((".py", ".json", *_YAML)) or "." not in name
    )
    close = nearest(os.path.basename(path), siblings)
    shown = ", ".join(name for name in siblings if name.endswith((".py", *_YAML)))
    raise CodeError(
        f"there is no {display_path(path)}",
        expected=f"a pipeline's file; {display_path(os.path.abspath(folder))} has "
        + (shown or "no Python files"),
        got=target,
        suggestion=os.path.normpath(os.path.join(folder, close)) if close else None,
        fix=None if close or shown else "penstock init, to start from a working project",
    )


def import_file(place: str, target: str) -> ModuleType:
    """The module in a Python file, imported under the name that Python itself would give it.

    Args:
        place: The file, or a folder that stands for the `pipeline.py` in it.
        target: What the user wrote, for messages.

    Raises:
        CodeError: There is no such file, or another module has its name.
        UserCodeError: It raised.
    """
    path = os.path.join(place, _DEFAULT_FILE) if os.path.isdir(place) else place
    _check_exists(path, target)
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


def _import_module(name: str, target: str) -> ModuleType:
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
    files = [entry[:-3] for entry in os.listdir(".") if entry.endswith(".py")]
    close = nearest(absent, files)
    return CodeError(
        f"there is no module {absent}",
        expected="a module in this folder or an installed package, or a file's path",
        got=name,
        suggestion=f"{close}.py" if close else None,
    )


def _named(module: ModuleType, attribute: str, target: str) -> Any:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            known = [key for key in dir(found) if not key.startswith("_")]
            raise CodeError(
                f"{_file_of(module)} defines no {attribute}",
                expected=", ".join(_candidates(module)) or f"a function {_FACTORY}()",
                got=target,
                suggestion=nearest(name, known),
            )
        found = getattr(found, name)
    return found


def _only_pipeline(module: ModuleType, target: str) -> Any:
    factory = getattr(module, _FACTORY, None)
    if callable(factory):
        return factory
    pipelines = _pipelines(module)
    if _VARIABLE in pipelines:
        return pipelines[_VARIABLE]
    if len(pipelines) == 1:
        return next(iter(pipelines.values()))
    if pipelines:
        raise CodeError(
            f"{_file_of(module)} defines several pipelines",
            expected="the name of one of them after a colon",
            got=", ".join(pipelines),
            fix=f"for example: {split_target(target)[0]}:{next(iter(pipelines))}",
        )
    functions = _own_functions(module)
    close = nearest(_FACTORY, functions)
    raise CodeError(
        f"{_file_of(module)} defines no pipeline",
        expected=f"a function {_FACTORY}() that returns a Pipeline, or a variable that holds one",
        got=f"functions {', '.join(functions)}" if functions else "nothing of the kind",
        suggestion=f"{split_target(target)[0]}:{close}" if close else None,
    )


def _pipelines(module: ModuleType) -> dict[str, Pipeline]:
    """Pipelines among a module's variables, without those that are nested in another."""
    by_identity: dict[int, tuple[str, Pipeline]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Pipeline):
            by_identity.setdefault(id(value), (name, value))
    nested = {id(inner) for _, outer in by_identity.values() for inner in outer.components}
    return dict(found for key, found in by_identity.items() if key not in nested)


def _own_functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def _candidates(module: ModuleType) -> list[str]:
    return [*_pipelines(module), *(n for n in _own_functions(module) if not n.startswith("_"))]


def _built(found: Any, name: str, target: str) -> Pipeline | PipelineIR:
    if isinstance(found, (Pipeline, PipelineIR)):
        return found
    if not callable(found):
        raise GraphError(
            f"{name} is not a pipeline",
            expected="a Pipeline, or a function that returns one",
            got=f"{found!r} ({type(found).__name__})",
        )
    _check_callable(found, name, target)
    try:
        built = found()
    except PenstockError:
        raise
    except (Exception, SystemExit) as error:
        raise raised_in_user_code(error, f"{name}() failed") from error
    if not isinstance(built, (Pipeline, PipelineIR)):
        raise GraphError(
            f"{name}() did not return a pipeline",
            expected="a Pipeline",
            got=f"{built!r} ({type(built).__name__})",
            location=_line_of(found),
            fix="end it with `return Pipeline(...)`" if built is None else None,
        )
    return built


def _check_callable(factory: Any, name: str, target: str) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise GraphError(
            f"{name}() needs arguments, but is called without any",
            expected=f"a default for {', '.join(needed)}",
            got=target,
            location=_line_of(factory),
            fix="give defaults, and let values that vary come as RuntimeParameter (--param) or "
            "as parameters of nodes (--set)",
        )


def _line_of(factory: Any) -> str | None:
    code = getattr(inspect.unwrap(factory), "__code__", None)
    return f"{display_path(code.co_filename)}:{code.co_firstlineno}" if code else None


def _file_of(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return display_path(file) if file else module.__name__
