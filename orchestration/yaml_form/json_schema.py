# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of YAML pipelines, by which editors complete and check them.

It knows what `penstock` itself offers: a node made from one of its components may have that
component's arguments only, each described by the component's own annotations.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

from ...components.base.annotations import ComponentSpec
from ...components.base.component import SpecNode
from ...components.base.node import NodePolicy, Resources
from .named_objects import is_component, public_names
from .node_builder import CONTAINER_KEYS, INNER_KEYS, NODE_KEYS
from .reader import PIPELINE_KEYS

_TEXT = {"type": "string"}
_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
_REFERENCES = {"anyOf": [_REFERENCE, {"type": "array", "items": _REFERENCE}]}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}


def yaml_schema() -> str:
    """The schema as JSON text (draft 2020-12)."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Penstock pipeline",
        **_pipeline(PIPELINE_KEYS, ("pipeline", "nodes")),
        "$defs": {"node": _node(), "policy": _policy()},
    }
    return json.dumps(schema, indent=1) + "\n"


def _pipeline(keys: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "pipeline": {**_TEXT, "description": "Its name in the metadata store."},
        "name": _TEXT,
        "description": {**_TEXT, "description": "What it is for."},
        "root": {"description": "Folder or URL below which everything is written."},
        "metadata": {**_TEXT, "description": "The metadata store: a path or a URL."},
        "cache": {"enum": ["on", "off", "read_only"]},
        "beam_pipeline_args": {"type": "array", "items": _TEXT},
        "parameters": {"type": "object", "description": "Runtime parameters by name."},
        "inputs": {"type": "object", "additionalProperties": _REFERENCES},
        "outputs": {"type": "object", "additionalProperties": _REFERENCE},
        "nodes": {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}},
        "on_exit": {**_TEXT, "description": "Id of the node that runs last in any case."},
    }
    return {
        "type": "object",
        "properties": {key: known[key] for key in keys},
        "required": list(needed),
        "additionalProperties": False,
    }


def _node() -> dict[str, Any]:
    components = public_names(is_component)
    known: dict[str, Any] = {
        "component": {
            "anyOf": [{"enum": components}, {"type": "string", "pattern": "[.:]"}],
            "description": "One of penstock's own, package.module:Name or file.py:Name.",
        },
        "container": {
            "type": "object",
            "properties": {key: {} for key in CONTAINER_KEYS},
            "required": ["name", "image", "command"],
            "additionalProperties": False,
        },
        "pipeline": _pipeline(INNER_KEYS, ("nodes",)),
        "with": {"type": "object", "description": "Inputs, parameters and functions, by name."},
        "excluding": _REFERENCE,
        "when": {**_TEXTS, "description": "Runs only if this holds."},
        "after": {**_TEXTS, "description": "Nodes that must end first."},
        "policy": {"$ref": "#/$defs/policy"},
        "search_space": {"type": "object"},
    }
    package = importlib.import_module(__name__.split(".", 1)[0])
    found = [(name, getattr(package, name)) for name in components]
    return {
        "type": "object",
        "properties": {key: known[key] for key in NODE_KEYS},
        "oneOf": [{"required": [key]} for key in ("component", "container", "pipeline")],
        "additionalProperties": False,
        "allOf": [
            _arguments(name, kind.spec, kind.__doc__ or "")
            for name, kind in found
            if isinstance(kind, type) and issubclass(kind, SpecNode) and kind.spec.order
        ],
    }


def _arguments(name: str, spec: ComponentSpec, doc: str) -> dict[str, Any]:
    about = doc.strip().split("\n", 1)[0]
    arguments = {
        argument: _REFERENCES if argument in spec.inputs else {} for argument in spec.order
    }
    required = [each for each, found in spec.inputs.items() if not found.optional]
    required += [each for each, found in spec.parameters.items() if found.required]
    said = {
        "type": "object",
        "description": about,
        "properties": arguments,
        "required": required,
        "additionalProperties": False,
    }
    then: dict[str, Any] = {"properties": {"with": said}}
    if required:
        then["required"] = ["with"]
    return {
        "if": {"properties": {"component": {"const": name}}, "required": ["component"]},
        "then": then,
    }


def _policy() -> dict[str, Any]:
    known: dict[str, Any] = {
        "cache": {"enum": ["on", "off", "read_only"]},
        "trigger": {"enum": ["all_succeeded", "always"]},
        "retries": {"type": "integer", "minimum": 0},
        "resources": {
            "type": "object",
            "properties": {name: {"type": "number"} for name in Resources.__dataclass_fields__},
            "additionalProperties": False,
        },
    }
    fields = NodePolicy.__dataclass_fields__
    return {
        "type": "object",
        "properties": {name: known.get(name, {"type": "number", "minimum": 0}) for name in fields},
        "additionalProperties": False,
    }
