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

How a file or module is imported: `pipeline_modules`.
"""

from __future__ import annotations

import inspect
import os
from types import ModuleType
from typing import Any

from ..utils.errors import CodeError, GraphError, PenstockError, nearest
from ..utils.source_location import display_path
from .ir import PipelineIR, load_ir
from .pipeline import Pipeline
from .pipeline_modules import DEFAULT_FILE, YAML, check_exists, import_file, import_module
from .user_traceback import raised_in_user_code

_FACTORY = "create_pipeline"
_VARIABLE = "pipeline"


def load_pipeline(target: str) -> Pipeline | PipelineIR:
    """The pipeline that `target` names; see this module for what it may be.

    Raises:
        CodeError: There is no such file, module or pipeline in it, or several.
        UserCodeError: Importing the file, or the function that builds the pipeline, raised.
        IRError: A compiled pipeline cannot be read.
    """
    place, attribute = split_target(target)
    if place.endswith(".json"):
        check_exists(place, target)
        return load_ir(place)
    written = _yaml_file(place)
    if written:
        from .yaml_form.reader import load_yaml_pipeline

        check_exists(written, target)
        return load_yaml_pipeline(written)
    module = import_file(place, target) if _is_path(place) else import_module(place, target)
    found = _named(module, attribute, target) if attribute else _only_pipeline(module, target)
    return _built(found, attribute or _FACTORY, target)


def _yaml_file(place: str) -> str:
    """The YAML file that a place means; empty where it means something else."""
    if place.endswith(YAML):
        return place
    if os.path.isdir(place) and not os.path.exists(os.path.join(place, DEFAULT_FILE)):
        files = [os.path.join(place, "pipeline" + ending) for ending in YAML]
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
