# SPDX-License-Identifier: Apache-2.0
"""From a notebook to a pipeline file."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ....utils import storage
from ....utils.errors import GraphError, ParameterError
from ....utils.logs import get_logger
from ...pipeline import Pipeline
from ...pipeline_loader import load_pipeline
from ...yaml_form.sameness import without_places
from ...yaml_form.writer import export_yaml
from .kept_nodes import KeptNodes
from .pipeline_source import PipelineSource, cell_objects

_log = get_logger(__name__)

_YAML = (".yaml", ".yml")


def export(pipeline: Pipeline, path: str, kept: KeptNodes) -> str:
    """Writes a pipeline of what was run: see `InteractiveContext.export`.

    Raises:
        ParameterError: The path's ending is neither Python's nor YAML's.
        PenstockError: See `InteractiveContext.export`.
    """
    stem, ending = os.path.splitext(os.path.basename(path))
    module_name = stem.replace("-", "_") if ending in _YAML else stem
    if ending not in (".py", *_YAML) or not module_name.isidentifier():
        raise ParameterError(
            "a pipeline cannot be exported to this path",
            expected="a name such as pipeline.py or pipeline.yaml: letters, digits and '_'",
            got=path,
        )
    if ending == ".py":
        _write(pipeline, path)
        _tell_changes(pipeline, kept)
        return path
    if cell_objects(pipeline):
        code = os.path.join(os.path.dirname(path), f"{module_name}_code.py")
        _write(pipeline, code)
        with _loaded(code) as written:
            export_yaml(written, path)
    else:
        export_yaml(pipeline, path)
    _tell_changes(pipeline, kept)
    return path


def _write(pipeline: Pipeline, path: str) -> None:
    """Writes the Python file, once it is certain that it says the same."""
    source = PipelineSource(pipeline)
    title = f"Pipeline {pipeline.name}, exported from a notebook."
    text = source.text(title, os.path.basename(path))
    folder = os.path.dirname(os.path.abspath(path))
    storage.make_dirs(folder)
    before = storage.read_text(path) if os.path.exists(path) else None
    storage.write_text_atomic(path, text)
    try:
        with _loaded(path) as written:
            _check(pipeline, written)
    except BaseException:
        # Nobody shall find a file that does not work in place of one that does.
        if before is None:
            os.remove(path)
        else:
            storage.write_text_atomic(path, before)
        raise


@contextmanager
def _loaded(path: str) -> Iterator[Pipeline]:
    """The pipeline in a file that was just written; its module is there meanwhile."""
    name = os.path.splitext(os.path.basename(path))[0]
    known = sys.modules.get(name)
    file = getattr(known, "__file__", None) or ""
    if known is not None and os.path.realpath(file) == os.path.realpath(path):
        # As it was before it was written.
        del sys.modules[name]
    importlib.invalidate_caches()
    try:
        found = load_pipeline(path)
        assert isinstance(found, Pipeline)
        yield found
    finally:
        sys.modules.pop(name, None)
        if known is not None:
            sys.modules[name] = known


def _check(ours: Pipeline, written: Pipeline) -> None:
    """Checks that a written pipeline does what the one here does.

    Raises:
        GraphError: It differs; says in what.
    """
    mine, theirs = (_comparable(each) for each in (ours, written))
    if mine == theirs:
        return
    for node_id in mine["nodes"]:
        for name, value in mine["nodes"][node_id].items():
            other = theirs["nodes"].get(node_id, {}).get(name)
            if other != value:
                raise GraphError(
                    f"the file would not say the same as the notebook: its {name} would differ",
                    node=node_id,
                    expected=str(value)[:300],
                    got=str(other)[:300],
                    fix="move what it is made of to a .py file, and import that in the notebook",
                )
    differing = [key for key in mine if mine[key] != theirs[key]]
    raise GraphError(
        "the file would not say the same as the notebook", got=f"another {', '.join(differing)}"
    )


def _comparable(pipeline: Pipeline) -> dict[str, Any]:
    plain = without_places(pipeline.compile())
    nodes = {}
    for node in plain["nodes"]:
        # For people, and of no consequence.
        del node["description"]
        node["code"] = {name: found["fingerprint"] for name, found in node["code"].items()}
        # What is loaded ahead goes by all that stands beside a function, and changes no result.
        node["executor"] = {**node["executor"], "preload": None}
        nodes[node["id"]] = node
    return {**plain, "nodes": nodes, "code": None}


def _tell_changes(pipeline: Pipeline, kept: KeptNodes) -> None:
    """Names the nodes whose functions were edited since they ran: those run again."""
    for node in pipeline.compile().nodes:
        now = {name: found.fingerprint for name, found in node.code.items()}
        if now != dict(kept.code(node.id)):
            _log.warning(
                "%s: its code was edited after it was run here, so the file will run it again",
                node.id,
            )
