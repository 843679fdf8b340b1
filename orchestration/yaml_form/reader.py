# SPDX-License-Identifier: Apache-2.0
"""Reads a pipeline that is written in YAML; docs/yaml.md tells how one is written.

The YAML is read into the same objects that a Python file builds, so everything else is as
it is for those. Nodes may stand in any order: one is built when it is first referred to.
"""

from __future__ import annotations

import os
from typing import Any

from ...components.base.expression import RuntimeParameter
from ...utils import storage
from ...utils.errors import GraphError, ParameterError, PenstockError
from ...utils.source_location import display_path
from ...utils.yaml_places import Place, read_places
from ..pipeline import Pipeline
from .node_builder import blaming, build_node
from .scope import Document, Scope, check_keys, mapping_of

#: Keys of a document, and of an inner pipeline.
PIPELINE_KEYS = (
    "pipeline", "description", "root", "metadata", "cache", "beam_pipeline_args", "parameters",
    "nodes", "on_exit",
)  # fmt: skip
_TYPES: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_PARAMETER_KEYS = ("type", "default", "description")


def load_yaml_pipeline(path: str) -> Pipeline:
    """The pipeline in a YAML file.

    Raises:
        StorageError: The file cannot be read.
        PenstockError: It is no pipeline; the error names file and line.
    """
    return read_yaml_pipeline(storage.read_text(path), path)


def read_yaml_pipeline(text: str, path: str) -> Pipeline:
    """The pipeline that a YAML text describes.

    Args:
        text: The text.
        path: The file that it is from: files that it names are seen from its folder.

    Raises:
        PenstockError: It is no pipeline; the error names file and line.
    """
    path = os.path.abspath(path)
    place = read_places(text, source=display_path(path))
    check_keys(place, "a pipeline", PIPELINE_KEYS, needed=("pipeline", "nodes"))
    document = Document(os.path.dirname(path), _runtime_parameters(place), build_node)
    scope = Scope(document, place, place["nodes"])
    settings = {
        key: place.value[key]
        for key in ("description", "metadata", "cache", "beam_pipeline_args")
        if key in place.value
    }
    _check_settings(place, settings)
    with blaming(place, "pipeline"):
        scope.build_all()
        root = scope.value(place.value.get("root", ""), place.at("root"))
        pipeline = scope.pipeline(str(place.value["pipeline"]), root=root, **settings)
    pipeline.location = place.location
    _check_used(document, place)
    return pipeline


def _check_settings(place: Place, settings: dict[str, Any]) -> None:
    wanted: dict[str, type] = {"description": str, "metadata": str, "beam_pipeline_args": list}
    for key, kind in wanted.items():
        if key in settings and not isinstance(settings[key], kind):
            raise ParameterError(
                f"{key!r} of the pipeline has the wrong type",
                expected="a list of texts" if kind is list else "a text",
                got=repr(settings[key]),
                location=place.at(key),
            )
    if settings.get("cache", "on") not in ("on", "off", "read_only"):
        raise ParameterError(
            "the cache policy is unknown",
            expected="on, off or read_only",
            got=repr(settings["cache"]),
            location=place.at("cache"),
        )


def _runtime_parameters(place: Place) -> dict[str, RuntimeParameter]:
    found: dict[str, RuntimeParameter] = {}
    if "parameters" not in place.value:
        return found
    for name, given in mapping_of(place["parameters"], "runtime parameters by name").items():
        here = place["parameters"][name]
        if not isinstance(given, dict):
            # `depth: 3` says it all.
            given = {"type": type(given).__name__, "default": given}
        else:
            check_keys(here, f"runtime parameter {name!r}", _PARAMETER_KEYS)
        default = given.get("default")
        kind = _TYPES.get(str(given.get("type", type(default).__name__)))
        if kind is None:
            raise ParameterError(
                f"runtime parameter {name!r} has an unsupported type",
                expected=", ".join(_TYPES),
                got=repr(given.get("type", default)),
                location=here.location,
                fix="type: int, for instance",
            )
        try:
            made = RuntimeParameter(name, kind, default, str(given.get("description", "")))
        except PenstockError as error:
            error.location = here.location
            raise
        found[name] = made
    return found


def _check_used(document: Document, place: Place) -> None:
    for name in document.parameters:
        if name not in document.used:
            raise GraphError(
                f"runtime parameter {name!r} is declared, but nothing uses it",
                expected=f"${{parameters.{name}}} in some node",
                location=place.at("parameters", name),
                fix="use it, or leave it out",
            )
