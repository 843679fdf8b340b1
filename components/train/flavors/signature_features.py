# SPDX-License-Identifier: Apache-2.0
"""Which raw features a SavedModel's signature parses from serialized `tf.Example`s.

A signature that takes whole examples says nothing of their features; its graph does, in
the operation that parses them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from .predictor import InputFeature, ModelError

_TYPES = {"float32": "float", "int64": "int64", "string": "string"}


def read_saved_model(folder: str) -> Any:
    """The one MetaGraphDef of a SavedModel for serving.

    Raises:
        ModelError: The file is damaged.
    """
    path = os.path.join(folder, "saved_model.pb")
    with open(path, "rb") as file:
        data = file.read()
    try:
        model = saved_model_pb2.SavedModel.FromString(data)
    except DecodeError as error:
        raise ModelError(
            "saved_model.pb is no SavedModel",
            expected="what tf.saved_model.save or model.export writes",
            got=str(error),
            location=path,
        ) from None
    if not model.meta_graphs:
        raise ModelError("the SavedModel holds no graph", got=f"{len(data)} bytes", location=path)
    served = [graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags]
    return (served or list(model.meta_graphs))[0]


def signature_names(graph: Any) -> list[str]:
    """Names of the signatures that somebody may call."""
    # Saving adds an operation to initialize tables; nobody calls that.
    return sorted(name for name in graph.signature_def if not name.startswith("__saved_model"))


def parsed_features(graph: Any, signature: str) -> list[InputFeature]:
    """Features that a signature parses, in order of name; none where it parses nothing.

    Args:
        graph: MetaGraphDef.
        signature: Name of the signature.
    """
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    nodes = list(_nodes_of(graph, signature))
    found: dict[str, InputFeature] = {}
    seen: set[str] = set()
    _collect(nodes, functions, seen, found)
    return [found[name] for name in sorted(found)]


def _nodes_of(graph: Any, signature: str) -> Iterator[Any]:
    """Nodes of the main graph that a signature's outputs come from."""
    by_name = {node.name: node for node in graph.graph_def.node}
    wanted = [info.name for info in graph.signature_def[signature].outputs.values()]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop().lstrip("^").partition(":")[0]
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        yield by_name[name]
        wanted.extend(by_name[name].input)


def _collect(
    nodes: list[Any], functions: dict[str, Any], seen: set[str], found: dict[str, InputFeature]
) -> None:
    constants = {node.name: node for node in nodes if node.op == "Const"}
    for node in nodes:
        if node.op == "ParseExampleV2":
            for feature in _parsed(node, constants):
                found.setdefault(feature.name, feature)
        for attribute in node.attr.values():
            name = attribute.func.name
            if name in functions and name not in seen:
                seen.add(name)
                _collect(list(functions[name].node_def), functions, seen, found)


def _parsed(node: Any, constants: dict[str, Any]) -> Iterator[InputFeature]:
    # Inputs: serialized, names, sparse_keys, dense_keys, ragged_keys, and one default for each
    # dense key.
    keys = [_constant(name, constants) for name in node.input[2:5]]
    sparse, dense, ragged = ([] if key is None else key.reshape(-1).tolist() for key in keys)
    attributes = node.attr
    for name, kind in zip(sparse, attributes["sparse_types"].list.type, strict=False):
        yield InputFeature(name.decode(), f"list<{_type(kind)}>", required=False)
    for name, kind in zip(ragged, attributes["ragged_value_types"].list.type, strict=False):
        yield InputFeature(name.decode(), f"list<{_type(kind)}>", required=False)
    kinds = zip(attributes["Tdense"].list.type, attributes["dense_shapes"].list.shape, strict=False)
    for i, (name, (kind, shape)) in enumerate(zip(dense, kinds, strict=False)):
        default = _constant(node.input[5 + i], constants)
        sizes = [each.size for each in shape.dim]
        length = None if -1 in sizes else tf.TensorShape(sizes).num_elements()
        value = _type(kind)
        single = length in (None, 1) and len(sizes) <= 1 and -1 not in sizes
        yield InputFeature(
            name.decode(),
            value if single else f"list<{value}>",
            required=default is not None and default.size == 0 and -1 not in sizes,
            length=None if single else length,
        )


def _constant(name: str, constants: dict[str, Any]) -> Any:
    node = constants.get(name.partition(":")[0])
    return None if node is None else tf.make_ndarray(node.attr["value"].tensor)


def _type(kind: int) -> str:
    name: str = tf.as_dtype(kind).name
    return _TYPES.get(name, name)
