# SPDX-License-Identifier: Apache-2.0
"""What names mean within one pipeline of a YAML document, and its nodes as they get built."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...components.base.channel import Channel
from ...components.base.expression import (
    FAILED_NODES,
    PIPELINE_NAME,
    PIPELINE_ROOT,
    RUN_ID,
    Expression,
    RuntimeParameter,
)
from ...components.base.node import Node
from ...utils import storage
from ...utils.errors import GraphError, ParameterError, WiringError, nearest
from ...utils.source_location import display_path
from ...utils.yaml_places import Place
from ..pipeline import Pipeline, PipelineInputs
from .expression_text import parse_expression, parse_text

#: A mapping with this single key holds the text of an expression.
EXPRESSION = "$expression"
#: `node.outputs.key`, or `inputs.name`; then perhaps which artifact, and what of it.
_OUTPUT = re.compile(
    r"(?:(?P<node>.+)\.outputs|inputs)\.(?P<key>\w+)(?:\[(?P<index>\d+)\])?(?:\.(?P<field>.+))?\Z"
)
_RUN = {
    "run_id": RUN_ID, "pipeline_name": PIPELINE_NAME, "pipeline_root": PIPELINE_ROOT,
    "failed_nodes": FAILED_NODES,
}  # fmt: skip
_FIELDS = ("value", "uri", "property.NAME", "custom_property.NAME")


class Document:
    """What all pipelines of one document share.

    Attributes:
        folder: Folder of the file, which `${here}` stands for.
        parameters: Runtime parameters by name.
        build: Builds the node of an id in the pipeline that a scope stands for.
        used: Names of runtime parameters that something refers to.
    """

    def __init__(
        self,
        folder: str,
        parameters: dict[str, RuntimeParameter],
        build: Callable[[Scope, str], Node],
    ) -> None:
        self.folder = folder
        self.parameters = parameters
        self.build = build
        self.used: set[str] = set()

    def file(self, path: str) -> str:
        """A file that YAML names: as it is where absolute, else seen from the YAML's folder."""
        if os.path.isabs(path) or not storage.is_local(path):
            return path
        return display_path(os.path.join(self.folder, storage.local_path(path)))


class Scope:
    """One pipeline of a document while it is built.

    Args:
        document: The document.
        place: Where the pipeline stands.
        nodes: Where its nodes stand.
        parent: The pipeline around it.
        prefix: What ids of its nodes begin with.
    """

    def __init__(
        self,
        document: Document,
        place: Place,
        nodes: Place,
        parent: Scope | None = None,
        prefix: str = "",
    ) -> None:
        self.document = document
        self.place = place
        self.nodes = nodes
        self.parent = parent
        self.prefix = prefix
        self.inner: dict[str, Scope] = {}
        self._built: dict[str, Node] = {}
        self._building: list[str] = parent._building if parent else []
        self._inputs: PipelineInputs | None = None
        self.ids = list(mapping_of(nodes, "nodes by id"))

    def build_all(self) -> None:
        """Builds every node, and then makes each wait for those that it is to follow."""
        for node_id in self.ids:
            self.node(node_id)
        for node_id in self.ids:
            self._follow(node_id)

    def _follow(self, node_id: str) -> None:
        declared = self.nodes[node_id]
        after = declared.value.get("after", [])
        for index, name in enumerate([after] if isinstance(after, str) else after):
            where = declared.at("after", index)
            self.node(node_id).add_upstream_nodes([self.find(name, where, node_id)])

    def pipeline(self, name: str, **settings: Any) -> Pipeline:
        """The pipeline of all nodes, which have been built."""
        last = self.place.value.get("on_exit")
        if last is not None:
            settings["on_exit"] = self.find(last, self.place.at("on_exit"), "on_exit")
        return Pipeline(name, components=[self._built[i] for i in self.ids], **settings)

    def inputs(self) -> PipelineInputs:
        """The typed inputs of an inner pipeline."""
        if self._inputs is None:
            assert self.parent is not None
            found: dict[str, Channel] = {}
            if "inputs" in self.place.value:
                for name, given in mapping_of(self.place["inputs"], "inputs by name").items():
                    where = self.place.at("inputs", name)
                    value = self.parent.value(given, where, channels=True)
                    if not isinstance(value, Channel):
                        raise WiringError(
                            f"input {name!r} of a pipeline needs an output of another node",
                            expected="${node.outputs.key}",
                            got=repr(given),
                            location=where,
                        )
                    found[name] = value
            self._inputs = PipelineInputs(**found)
        return self._inputs

    def node(self, node_id: str, where: str = "") -> Node:
        """One of the pipeline's own nodes, built now if it was not.

        Args:
            node_id: Its id.
            where: What refers to it, as `file:line`.

        Raises:
            PenstockError: It cannot be built.
        """
        if node_id not in self._built:
            path = self.prefix + node_id
            if path in self._building:
                circle = [*self._building[self._building.index(path) :], path]
                raise GraphError(
                    "nodes take from each other in a circle",
                    got=" <- ".join(circle),
                    location=where or self.nodes.at(node_id),
                    fix="remove one of these connections",
                )
            self._building.append(path)
            self._built[node_id] = self.document.build(self, node_id)
            self._building.pop()
        return self._built[node_id]

    def find(self, name: Any, where: str, asking: str) -> Node:
        """The node that a name means here: one of this pipeline's, of one in or around it.

        Raises:
            WiringError: There is none.
        """
        scope: Scope | None = self
        while scope is not None and isinstance(name, str):
            found = scope._below(name, where)
            if found is not None:
                return found
            scope = scope.parent
        known = list(self._known())
        raise WiringError(
            f"there is no node {name!r}",
            node=asking,
            expected=", ".join(known),
            got=str(name),
            suggestion=nearest(str(name), known),
            location=where,
        )

    def _below(self, name: str, where: str) -> Node | None:
        if name in self.ids:
            return self.node(name, where)
        for node_id in self.ids:
            if name.startswith(node_id + "."):
                inner = self._inner(node_id)
                found = inner._below(name[len(node_id) + 1 :], where) if inner else None
                if found is not None:
                    return found
        return None

    def _inner(self, node_id: str) -> Scope | None:
        """The scope of an inner pipeline, which need not be built for that."""
        declared = self.nodes[node_id]
        if node_id not in self.inner and isinstance(declared.value, dict):
            body = declared.value.get("pipeline")
            if isinstance(body, dict) and isinstance(body.get("nodes"), dict):
                place = declared["pipeline"]
                prefix = f"{self.prefix}{node_id}."
                self.inner[node_id] = Scope(self.document, place, place["nodes"], self, prefix)
        return self.inner.get(node_id)

    def _known(self) -> Iterator[str]:
        yield from self.ids
        for node_id in self.ids:
            inner = self._inner(node_id)
            if inner is not None:
                yield from (f"{node_id}.{name}" for name in inner.ids)
        if self.parent is not None:
            yield from self.parent._known()

    def value(self, raw: Any, where: str, *, channels: bool = False, asking: str = "") -> Any:
        """A value with everything in `${…}` put in its place.

        Args:
            raw: As YAML has it.
            where: `file:line`, for errors.
            channels: Whether a reference to an output alone means the output, not its value.
            asking: Id of the node it is for.

        Raises:
            PenstockError: A reference leads nowhere.
        """

        def resolve(text: str) -> Any:
            return self._reference(text.strip(), where, asking)

        def convert(value: Any, *, top: bool) -> Any:
            if isinstance(value, str):
                found = parse_text(value, resolve) if "${" in value else value
                keep = top and channels
                return found.future().value if isinstance(found, Channel) and not keep else found
            if isinstance(value, list):
                return [convert(item, top=top) for item in value]
            if isinstance(value, dict):
                if set(value) == {EXPRESSION} and isinstance(value[EXPRESSION], str):
                    return self.expression(value[EXPRESSION], where, asking)
                return {key: convert(item, top=False) for key, item in value.items()}
            return value

        return convert(raw, top=True)

    def expression(self, text: Any, where: str, asking: str) -> Expression:
        """The expression that a text describes.

        Raises:
            PenstockError: It is none, or a reference in it leads nowhere.
        """
        if not isinstance(text, str):
            raise ParameterError(
                "an expression is a text",
                node=asking,
                expected="for instance '${train.outputs.accuracy} > 0.8'",
                got=repr(text),
                location=where,
            )
        try:
            return parse_expression(text, lambda name: self._reference(name, where, asking))
        except ParameterError as error:
            error.node, error.location = error.node or asking, error.location or where
            raise

    def _reference(self, text: str, where: str, asking: str) -> Any:
        text = text.strip()
        if text == "here":
            return self.document.folder
        first, _, rest = text.partition(".")
        matched = _OUTPUT.match(text)
        if matched and (matched["node"] or self.parent is not None):
            return self._output(matched, where, asking)
        if first == "parameters" and rest:
            if rest in self.document.parameters:
                self.document.used.add(rest)
                return self.document.parameters[rest]
            raise ParameterError(
                f"there is no runtime parameter {rest!r}",
                node=asking,
                expected=", ".join(self.document.parameters) or "one declared under `parameters`",
                got=rest,
                suggestion=nearest(rest, self.document.parameters),
                location=where,
            )
        if first == "run" and rest in _RUN:
            return _RUN[rest]
        raise ParameterError(
            f"${{{text}}} means nothing",
            node=asking,
            expected="${node.outputs.key}, ${parameters.name}, ${run.run_id} or ${here}",
            got=text,
            suggestion=nearest(rest, _RUN) if first == "run" else None,
            location=where,
            fix=f"if the characters themselves are meant: $${{{text}}}",
        )

    def _output(self, matched: re.Match[str], where: str, asking: str) -> Any:
        key = matched["key"]
        if matched["node"] is None:
            outputs: Any = self.inputs()
            what = "the pipeline has no input"
        else:
            outputs = self.find(matched["node"], where, asking).outputs
            what = f"{matched['node']} has no output"
        if key not in outputs:
            raise WiringError(
                f"{what} {key!r}",
                node=asking,
                expected=", ".join(outputs) or "none at all",
                got=key,
                suggestion=nearest(key, outputs),
                location=where,
            )
        channel: Channel = outputs[key]
        index, field = matched["index"], matched["field"]
        if index is None and field is None:
            return channel
        future = channel.future()[int(index or 0)]
        if field in (None, "value"):
            return future.value
        if field == "uri":
            return future.uri
        kind, _, name = field.partition(".")
        if kind in ("property", "custom_property") and name:
            return future.property(name) if kind == "property" else future.custom_property(name)
        raise WiringError(
            f"an output has no {field!r}",
            node=asking,
            expected=", ".join(_FIELDS),
            got=field,
            suggestion=nearest(kind, ("value", "uri", "property", "custom_property")),
            location=where,
        )


def mapping_of(place: Place, what: str) -> dict[str, Any]:
    """The mapping at a place.

    Raises:
        ParameterError: There is none.
    """
    if not isinstance(place.value, dict) or not all(isinstance(k, str) for k in place.value):
        raise ParameterError(
            f"here a YAML pipeline has {what}",
            expected="a mapping with texts as keys",
            got="nothing" if place.value is None else repr(place.value)[:100],
            location=place.location,
        )
    return place.value


def check_keys(
    place: Place, what: str, known: Sequence[str], *, needed: Sequence[str] = ()
) -> None:
    """Checks that a mapping has no unknown key, and each that is needed.

    Raises:
        ParameterError: It has not.
    """
    for key in mapping_of(place, what):
        if key not in known:
            raise ParameterError(
                f"{what} has no setting {key!r}",
                expected=", ".join(known),
                got=key,
                suggestion=nearest(key, known),
                location=place.at(key),
            )
    for key in needed:
        if key not in place.value:
            raise ParameterError(
                f"{what} needs {key!r}",
                expected=", ".join(known),
                got=", ".join(place.value) or "nothing",
                location=place.location,
            )
