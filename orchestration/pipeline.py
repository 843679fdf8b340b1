# SPDX-License-Identifier: Apache-2.0
"""Pipelines: nodes wired together, compiled to one IR for every runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..components.base.artifact import Artifact
from ..components.base.channel import Channel
from ..components.base.component import SpecNode
from ..components.base.expression import Expression
from ..components.base.node import CachePolicy, Node, OutputMapping
from ..components.base.parameters import encode
from ..utils.errors import GraphError, ParameterError, WiringError, nearest
from ..utils.logs import get_logger
from ..utils.names import check_pipeline_name

if TYPE_CHECKING:
    from .ir import PipelineIR

_log = get_logger(__name__)


class InnerChannel(Channel):
    """A channel seen through the wall of a nested pipeline."""

    def __init__(self, wrapped: Channel, producer: Node | None, key: str) -> None:
        super().__init__(wrapped.type, producer, key)
        self.wrapped = wrapped

    def sources(self) -> Sequence[Channel]:
        """See `Channel.sources`."""
        return self.wrapped.sources()


class PipelineInputs(dict[str, Channel]):
    """Typed inputs of a nested pipeline.

        inputs = PipelineInputs(examples=example_gen.outputs["examples"])
        inner = Pipeline("prepare", components=[StatisticsGen(inputs["examples"])], inputs=inputs)

    Raises:
        WiringError: A value is not a channel.
    """

    def __init__(self, **channels: Channel) -> None:
        checker = Node("inputs of a nested pipeline")
        super().__init__(
            (name, InnerChannel(checker.check_input(name, found, Artifact), None, name))
            for name, found in channels.items()
        )


class Pipeline(Node):
    """Nodes wired together.

    A pipeline is itself a node: put into another pipeline's `components`, its nodes run
    there under ids that begin with its name and a dot.

    Args:
        name: Name in the metadata store, and prefix of ids where it is nested.
        root: Folder or URL below which all payloads are written; may hold expressions.
            An inner pipeline takes the outer one's.
        components: The nodes, in any order.
        inputs: Typed inputs, where it is nested.
        outputs: Channels that the outer pipeline can use, by name.
        metadata: The metadata store: a path, or a URL such as `mysql://…`; by default
            a SQLite file below `root`.
        cache: Policy of all nodes that state none: `on`, `off` or `read_only`.
        beam_pipeline_args: Flags for Beam pipelines that components start.
        description: What it is for.
        on_exit: A node that runs at the end whether or not others failed, such as one that
            tells somebody. What it takes from others should be optional inputs.

    Raises:
        ParameterError: The name cannot be used in paths.
        WiringError: `components` holds something that is not a node, or `on_exit` is one
            that cannot run at the end.
    """

    type_name = "penstock.Pipeline"

    def __init__(
        self,
        name: str,
        root: str | Expression = "",
        components: Sequence[Node] = (),
        *,
        inputs: PipelineInputs | None = None,
        outputs: Mapping[str, Channel] | None = None,
        metadata: str = "",
        cache: CachePolicy = "on",
        beam_pipeline_args: Sequence[str] = (),
        description: str = "",
        on_exit: Node | None = None,
    ) -> None:
        check_pipeline_name(name)
        super().__init__(name)
        for found in components:
            if not isinstance(found, Node):
                raise WiringError(
                    f"pipeline {name!r} holds something that is not a node",
                    expected="components, importers, resolvers or pipelines",
                    got=f"{found!r} ({type(found).__name__})",
                    location=self.location,
                    fix="call the component to make a node of it"
                    if callable(found)
                    else "remove it",
                )
        self.name = name
        self.root = root
        self.components = self._with_exit(components, on_exit)
        self.inputs = dict(inputs or {})
        self.outputs = OutputMapping(
            self, {key: InnerChannel(found, self, key) for key, found in (outputs or {}).items()}
        )
        self.metadata = metadata
        self.cache = cache
        self.beam_pipeline_args = list(beam_pipeline_args)
        self.text = description
        self._doubted: set[str] = set()

    def _with_exit(self, components: Sequence[Node], last: Node | None) -> list[Node]:
        if last is None:
            return list(components)
        if not isinstance(last, Node) or isinstance(last, Pipeline):
            raise WiringError(
                f"pipeline {self.id!r} cannot end with what on_exit was given",
                expected="one node",
                got=f"{last!r} ({type(last).__name__})",
                location=self.location,
                fix="pass a component; several nodes can be given with_policy(trigger='always')",
            )
        others = [found for found in components if found is not last]
        last.with_policy(trigger="always").add_upstream_nodes(others)
        return [*others, last]

    @property
    def description(self) -> str:
        """What the pipeline is for."""
        return self.text

    def nodes(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """Every node that runs, also those of inner pipelines, with its qualified id."""
        for found in self.components:
            if isinstance(found, Pipeline):
                yield from found.nodes(f"{prefix}{found.id}.")
            else:
                yield f"{prefix}{found.id}", found

    def find(self, node_id: str) -> Node:
        """The node with a qualified id.

        Raises:
            GraphError: There is none.
        """
        known = dict(self.nodes())
        if node_id not in known:
            raise GraphError(
                f"pipeline {self.name!r} has no node {node_id!r}",
                expected=", ".join(known),
                got=node_id,
                suggestion=nearest(node_id, known),
            )
        return known[node_id]

    def override(self, changes: Mapping[str, Any]) -> Pipeline:
        """Changes parameters by path: `{"Trainer.train_args.num_steps": 100}`.

        Returns the pipeline.

        Raises:
            GraphError: No node, or no parameter, has that name.
            ParameterError: The value is not acceptable.
        """
        for path, value in changes.items():
            self._override(path, value)
        return self

    def _override(self, path: str, value: Any) -> None:
        known = dict(self.nodes())
        # Node ids of inner pipelines hold dots: the longest id that fits is meant.
        fitting = [node_id for node_id in known if path.startswith(node_id + ".")]
        if not fitting:
            candidates = [f"{i}.{name}" for i, node in known.items() for name in node.parameters]
            raise ParameterError(
                f"no node's parameter is called {path!r}",
                expected="node.parameter, with one of the nodes " + ", ".join(known),
                got=path,
                suggestion=nearest(path, candidates),
            )
        node_id = max(fitting, key=len)
        node = known[node_id]
        name, *inner = path[len(node_id) + 1 :].split(".")
        if name not in node.parameters:
            raise ParameterError(
                f"there is no parameter {name!r}",
                node=node_id,
                expected=", ".join(node.parameters) or "no parameters at all",
                got=path,
                suggestion=nearest(name, node.parameters),
            )
        if inner:
            value = _replaced(node.parameters[name], inner, value, path, self._doubted)
        declared = node.spec.parameters.get(name) if isinstance(node, SpecNode) else None
        kind = declared.type if declared else type(node.parameters[name])
        node.parameters[name] = encode(value, kind, name=name, node=node_id, location=None)

    def compile(self) -> PipelineIR:
        """Compiles the pipeline to its IR.

        Raises:
            GraphError: The graph cannot run: see the message.
            CodeError: User code cannot be found or read.
            ParameterError: A parameter has no JSON form.
        """
        from .compiler import compile_pipeline

        return compile_pipeline(self)


def _replaced(current: Any, inner: list[str], value: Any, path: str, doubted: set[str]) -> Any:
    """`current` with the item at path `inner` replaced; doubts about it are told once."""
    if current is None:
        current = {}
    if not isinstance(current, (dict, list)):
        raise ParameterError(
            f"{path!r} reaches into a plain value",
            got=repr(current),
            fix="shorten the path",
        )
    first, *rest = inner
    if isinstance(current, list):
        if not first.isdigit() or int(first) >= len(current):
            raise ParameterError(
                f"{path!r}: {first!r} is not a position in a list of {len(current)}"
            )
        copy: Any = list(current)
        if rest:
            value = _replaced(copy[int(first)], rest, value, path, doubted)
        copy[int(first)] = value
        return copy
    like = nearest(first, current) if first not in current else None
    if like is not None and path not in doubted:
        doubted.add(path)
        # A new key may be meant; a misspelt one would cost a training that nobody wanted.
        _log.warning("%s is new; did you mean %s, which is there?", path, like)
    if rest:
        value = _replaced(current.get(first), rest, value, path, doubted)
    return {**current, first: value}
