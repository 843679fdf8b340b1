# SPDX-License-Identifier: Apache-2.0
"""A digest of a folder with SavedModels that is equal for equal models.

TensorFlow numbers functions and resources with a counter of the process, and TensorFlow
Transform puts the path of a temporary folder into the names of its lookup tables. So two
runs that compute the same thing write different bytes into `saved_model.pb`, and into
`fingerprint.pb`, which is derived from it. The digest sees through both:

1. A function's name is replaced by the digest of its body, in which the names of the
   functions it calls have been replaced in the same way.
2. A function's arguments are named by position, and colocation hints, which repeat the
   arguments' names, are dropped.
3. Nodes are put in order of their names: TensorFlow keeps some of them in sets.
4. Names under which resources are shared are dropped, and so are constants that name asset
   files, which loading replaces. What is connected to what counts all the same.
5. `fingerprint.pb` is left out.

Everything else (graph, constants, signatures, assets, variables, any other file) counts
byte for byte. The files themselves are not touched: a lookup table's name must stay unique,
or two models loaded into one process would share a table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...utils import hashing, storage

if TYPE_CHECKING:
    from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2
    from tensorflow.core.protobuf import meta_graph_pb2

#: Part of every digest: raise it when the rules above change.
VERSION = 1

_COUNTER = re.compile(rb"-\d+$")


def tree_digest(root: str) -> str:
    """Digest of the folder `root`, with every SavedModel in it in canonical form.

    Raises:
        StorageError: A file cannot be read.
        google.protobuf.message.DecodeError: A `saved_model.pb` is not one.
    """
    entries = [("", 0, f"penstock saved model digest {VERSION}")]
    for file in storage.list_files(root):
        location = storage.join(root, file.path)
        name = file.path.rpartition("/")[2]
        if name == "saved_model.pb":
            entries.append((file.path, 0, _saved_model_digest(storage.read_bytes(location))))
        elif name != "fingerprint.pb":
            entries.append((file.path, file.size, hashing.digest_file(location)))
    return hashing.digest_entries(entries)


def _saved_model_digest(serialized: bytes) -> str:
    # A folder without a SavedModel is digested without TensorFlow.
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(serialized)
    for meta_graph in model.meta_graphs:
        _Canonical(meta_graph.graph_def.library).rewrite(meta_graph)
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


class _Canonical:
    """Gives the functions of one meta graph names that depend on what they do only."""

    def __init__(self, library: function_pb2.FunctionDefLibrary) -> None:
        self._functions = {f.signature.name: f for f in library.function}
        self._gradients = {g.function_name: g.gradient_func for g in library.gradient}
        self._names: dict[str, str] = {}

    def name(self, name: str) -> str:
        """The canonical name of function `name`; others (plain ops) keep theirs."""
        function = self._functions.get(name)
        if function is None:
            return name
        if name not in self._names:
            # A recursive function would never end; within itself it is just "itself".
            self._names[name] = "recursion"
            copy = type(function)()
            copy.CopyFrom(function)
            copy.signature.name = ""
            _name_arguments_by_position(copy)
            self._nodes(copy.node_def)
            copy.node_def.sort(key=_by_name)
            self._attributes(copy.attr)
            body = hashlib.sha256(copy.SerializeToString(deterministic=True))
            if name in self._gradients:
                body.update(self.name(self._gradients[name]).encode())
            self._names[name] = body.hexdigest()
        return self._names[name]

    def rewrite(self, meta_graph: Any) -> None:
        """Replaces every function name in `meta_graph`, in place."""
        library = meta_graph.graph_def.library
        assets = _asset_nodes(meta_graph)
        for node in meta_graph.graph_def.node:
            if node.name in assets:
                node.attr.pop("value", None)
        digests = sorted(self.name(name) for name in self._functions)
        self._nodes(meta_graph.graph_def.node)
        meta_graph.graph_def.node.sort(key=_by_name)
        del library.function[:], library.gradient[:], library.registered_gradients[:]
        for digest in digests:
            library.function.add().signature.name = digest
        aliases = meta_graph.meta_info_def.function_aliases
        renamed = sorted((self.name(name), alias) for name, alias in aliases.items())
        aliases.clear()
        aliases.update({f"{name} {number}": alias for number, (name, alias) in enumerate(renamed)})
        self._objects(meta_graph.object_graph_def)

    def _nodes(self, nodes: Iterable[node_def_pb2.NodeDef]) -> None:
        for node in nodes:
            node.op = self.name(node.op)
            self._attributes(node.attr)

    def _attributes(self, attributes: Any) -> None:
        for key, value in attributes.items():
            if key == "shared_name":
                value.s = b""
            elif key == "_gradient_op_type":
                value.s = _COUNTER.sub(b"", value.s)
            self._value(value)

    def _value(self, value: attr_value_pb2.AttrValue) -> None:
        functions = [value.func] if value.HasField("func") else list(value.list.func)
        for function in functions:
            function.name = self.name(function.name)
            self._attributes(function.attr)

    def _objects(self, objects: Any) -> None:
        """Refers to functions by what they do and by what they are bound to."""
        bound = {}
        for name, function in objects.concrete_functions.items():
            digest = hashlib.sha256(self.name(name).encode())
            digest.update(function.SerializeToString(deterministic=True))
            bound[name] = digest.hexdigest()
        objects.concrete_functions.clear()
        for name in sorted(bound.values()):
            objects.concrete_functions[name].SetInParent()
        for node in objects.nodes:
            kind = node.WhichOneof("kind")
            if kind == "function":
                names = [bound[name] for name in node.function.concrete_functions]
                del node.function.concrete_functions[:]
                node.function.concrete_functions.extend(names)
            elif kind == "bare_concrete_function":
                bare = node.bare_concrete_function
                bare.concrete_function_name = bound[bare.concrete_function_name]


def _asset_nodes(meta_graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """Names of the constants that hold paths of asset files."""
    from tensorflow.core.protobuf import meta_graph_pb2

    assets = list(meta_graph.asset_file_def)
    # Where TensorFlow 1 keeps them.
    for packed in meta_graph.collection_def["saved_model_assets"].any_list.value:
        asset = meta_graph_pb2.AssetFileDef()
        packed.Unpack(asset)
        assets.append(asset)
    return {asset.tensor_info.name.partition(":")[0] for asset in assets}


def _by_name(node: node_def_pb2.NodeDef) -> str:
    return str(node.name)


def _name_arguments_by_position(function: Any) -> None:
    new = {a.name: f"argument {i}" for i, a in enumerate(function.signature.input_arg)}

    def renamed(reference: str) -> str:
        name, colon, rest = reference.partition(":")
        return new.get(name, name) + colon + rest

    for argument in function.signature.input_arg:
        argument.name = new[argument.name]
    for attributes in function.arg_attr.values():
        attributes.attr.pop("_user_specified_name", None)
    for node in function.node_def:
        node.attr.pop("_class", None)
        for index, reference in enumerate(node.input):
            node.input[index] = renamed(reference)
    for key in list(function.ret):
        function.ret[key] = renamed(function.ret[key])
