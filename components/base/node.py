# SPDX-License-Identifier: Apache-2.0
"""Nodes: what a pipeline is made of.

A node has an id, inputs, parameters, outputs and a policy. Components, importers,
resolvers and whole pipelines are nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeVar

from ...utils.errors import ParameterError, WiringError, nearest
from ...utils.source_location import caller_location
from .channel import Channel
from .expression import Predicate
from .search_space import Domain, read_domain

N = TypeVar("N", bound="Node")

CachePolicy = Literal["on", "off", "read_only"]
Trigger = Literal["all_succeeded", "always"]


@dataclass(frozen=True)
class Resources:
    """What a node needs while it runs, so that no machine is overcommitted.

    Attributes:
        cpu: Cores.
        memory_gb: Memory in GiB; 0 where unknown.
        gpu: Whole GPUs.
        workers: How many processes do the node's work together. Each of them gets the cores,
            memory and GPUs above; only components that train can use more than one.
    """

    cpu: float = 1.0
    memory_gb: float = 0.0
    gpu: int = 0
    workers: int = 1


@dataclass(frozen=True)
class NodePolicy:
    """How a node is run.

    Attributes:
        cache: `on`, `off`, `read_only` (reuse, but keep nothing new), or None for the
            pipeline's.
        retries: Attempts after the first one failed. Errors in code or parameters, which the
            next attempt would meet again, are not retried.
        retry_delay_s: Seconds before the first retry; doubled for each one after it.
        timeout_s: Seconds that one attempt may take; None for no limit.
        resources: What it needs while it runs.
        trigger: `all_succeeded` of the nodes before it, or `always`: once they have ended,
            however they did. A node that runs always is never reused.
    """

    cache: CachePolicy | None = None
    retries: int = 0
    retry_delay_s: float = 1.0
    timeout_s: float | None = None
    resources: Resources = field(default_factory=Resources)
    trigger: Trigger = "all_succeeded"


_active_conditions: list[Predicate] = []


class ConditionScope:
    """`with ConditionScope(predicate):` makes every node built inside it conditional."""

    def __init__(self, predicate: Predicate) -> None:
        self.predicate = predicate

    def __enter__(self) -> Predicate:
        _active_conditions.append(self.predicate)
        return self.predicate

    def __exit__(self, *_: object) -> None:
        _active_conditions.pop()


class Node:
    """One step of a pipeline.

    Attributes:
        inputs: Channels by input name.
        parameters: Values or expressions by name.
        outputs: Channels by output name.
        user_code: Functions, module files or dotted names, by entry point.
        conditions: Predicates that must all hold for the node to run.
        upstream: Nodes that must end first though no artifact comes from them.
        policy: How it is run.
        location: `file:line` where it was built.
    """

    #: Execution type in the metadata store.
    type_name: ClassVar[str] = "penstock.Node"
    #: Changes whenever results of the component may change for equal inputs.
    version: ClassVar[str] = "1"
    #: Dotted path of the executor: `package.module:Class`.
    executor: ClassVar[str] = ""
    #: Heavy modules worth preloading for the executor; none means it runs on a light worker.
    preload: ClassVar[tuple[str, ...]] = ()
    #: Functions the user gives, by a parameter of that name or in `module_file`; a trailing
    #: `?` marks one that may be absent.
    entry_points: ClassVar[tuple[str, ...]] = ()
    #: Dotted path of a light function that names the external files the node reads.
    external_inputs: ClassVar[str] = ""
    #: Dotted path of a light function that tells whether cached outputs still hold.
    verify_cached: ClassVar[str] = ""
    #: Whether several processes can do its work together: see `Resources.workers`.
    takes_workers: ClassVar[bool] = False
    #: Whether its executor keeps checkpoints, from which a later attempt goes on.
    keeps_checkpoints: ClassVar[bool] = False
    #: `execute` for nodes with an executor; `control` for nodes that only steer.
    kind: ClassVar[str] = "execute"

    inputs: dict[str, Channel]
    parameters: dict[str, Any]
    # To a type checker a component's input is its artifact (see `annotations`), so what is
    # looked up by name must fit there.
    outputs: dict[str, Any]
    user_code: dict[str, Any]

    def __init__(self, node_id: str) -> None:
        self._id = node_id
        self.inputs = {}
        self.parameters = {}
        self.outputs = {}
        self.user_code = {}
        self.conditions: list[Predicate] = list(_active_conditions)
        self.upstream: list[Node] = []
        self.policy = NodePolicy()
        self.search_space: dict[str, Domain] = {}
        self.location = caller_location()

    @property
    def id(self) -> str:
        """The node's id, unique in its pipeline."""
        return self._id

    @property
    def description(self) -> str:
        """One sentence for people."""
        return (type(self).__doc__ or "").strip().split("\n", 1)[0]

    def with_id(self: N, node_id: str) -> N:
        """Gives the node another id. Returns the node."""
        from ...utils.names import check_node_id

        check_node_id(node_id)
        self._id = node_id
        return self

    def with_policy(self: N, **changes: Any) -> N:
        """Changes how the node is run: see `NodePolicy` for the names. Returns the node.

        Raises:
            ParameterError: There is no such setting, or its value is out of range.
        """
        known = NodePolicy.__dataclass_fields__
        for name, value in changes.items():
            if name not in known:
                raise ParameterError(
                    f"there is no policy setting {name!r}",
                    node=self.id,
                    expected=", ".join(known),
                    got=name,
                    suggestion=nearest(name, known),
                    location=caller_location(),
                )
            if name == "cache" and value not in (None, "on", "off", "read_only"):
                raise ParameterError(
                    "the cache policy is unknown",
                    node=self.id,
                    expected="on, off or read_only",
                    got=repr(value),
                    suggestion=nearest(str(value), ("on", "off", "read_only")),
                    location=caller_location(),
                )
            if name == "trigger" and value not in ("all_succeeded", "always"):
                raise ParameterError(
                    "the trigger is unknown",
                    node=self.id,
                    expected="all_succeeded or always",
                    got=repr(value),
                    suggestion=nearest(str(value), ("all_succeeded", "always")),
                    location=caller_location(),
                )
            numeric = name in ("retries", "retry_delay_s", "timeout_s") and value is not None
            if numeric and (not isinstance(value, (int, float)) or value < 0):
                raise ParameterError(
                    f"policy setting {name!r} must be a number that is not negative",
                    node=self.id,
                    got=repr(value),
                    location=caller_location(),
                )
            if name == "resources":
                self._check_resources(value)
        self.policy = replace(self.policy, **changes)
        return self

    def _check_resources(self, value: Any) -> None:
        if not isinstance(value, Resources):
            raise ParameterError(
                "policy setting 'resources' is of another kind",
                node=self.id,
                expected="Resources(cpu=…, memory_gb=…, gpu=…, workers=…)",
                got=repr(value),
                location=caller_location(),
            )
        if value.workers < 1 or value.gpu < 0:
            raise ParameterError(
                "a node needs at least one worker, and no fewer GPUs than none",
                node=self.id,
                got=repr(value),
                location=caller_location(),
            )
        if value.workers > 1 and not self.takes_workers:
            raise ParameterError(
                f"{type(self).__name__} works in one process",
                node=self.id,
                expected="workers=1; only the Trainer shares its work among several",
                got=f"workers={value.workers}",
                location=caller_location(),
            )

    def with_search_space(self: N, space: Mapping[str, Any] | None = None, /, **more: Any) -> N:
        """Says what a search over the pipeline may try for the node's parameters.

            trainer.with_search_space({"custom_config.rate": FloatRange(1e-4, 0.1, log=True)})

        It changes nothing about a run; `penstock tune` searches it.

        Args:
            space: Descriptions (see `search_space`) by parameter; a path with dots reaches
                into a parameter that is a dict or list.
            **more: The same, by name.

        Returns:
            The node.

        Raises:
            ParameterError: There is no such parameter, or a description is not acceptable.
        """
        for path, raw in {**(space or {}), **more}.items():
            name = path.partition(".")[0]
            if name not in self.parameters:
                raise ParameterError(
                    f"there is no parameter {name!r} to search",
                    node=self.id,
                    expected=", ".join(self.parameters) or "no parameters at all",
                    got=path,
                    suggestion=nearest(name, self.parameters),
                    location=caller_location(),
                )
            try:
                self.search_space[path] = read_domain(raw, name=path)
            except ParameterError as error:
                error.node, error.location = self.id, caller_location()
                raise
        return self

    def add_upstream_nodes(self: N, nodes: Iterable[Node]) -> N:
        """Makes the node wait for others that it takes nothing from. Returns the node."""
        self.upstream.extend(nodes)
        return self

    def check_input(self, name: str, value: Any, wanted: type, *, many: bool = False) -> Channel:
        """`value` as the channel for input `name`.

        Raises:
            WiringError: It is no channel, or one of another artifact type.
        """
        channel = _single_output(value) if isinstance(value, Node) else value
        if isinstance(channel, (list, tuple)) and all(isinstance(c, Channel) for c in channel):
            from .channel import union

            channel = union(list(channel))
        if isinstance(channel, Node):
            raise WiringError(
                f"input {name!r} was given a node with several outputs",
                node=self.id,
                expected=" or ".join(f"{channel.id}.outputs[{key!r}]" for key in channel.outputs),
                got=f"the node {channel.id}",
                location=caller_location(),
                fix=f"pass one of them as {name}=…",
            )
        if not isinstance(channel, Channel):
            raise WiringError(
                f"input {name!r} needs an output of another node",
                node=self.id,
                expected=f"a channel of {wanted.TYPE_NAME}",  # type: ignore[attr-defined]
                got=f"{value!r} ({type(value).__name__})",
                location=caller_location(),
                fix=f"pass it as {name}=other_node.outputs['…']",
            )
        if not issubclass(channel.type, wanted):
            producer = channel.producer
            fitting = [
                f"{producer.id}.{key}"
                for key, other in (producer.outputs.items() if producer else ())
                if producer and issubclass(other.type, wanted)
            ]
            raise WiringError(
                f"input {name!r} has the wrong artifact type",
                node=self.id,
                expected=wanted.TYPE_NAME,  # type: ignore[attr-defined]
                got=channel.type.TYPE_NAME
                + (f", which is {producer.id}.{channel.key}" if producer else ""),
                suggestion=fitting[0] if fitting else None,
                location=caller_location(),
                fix=None if fitting else f"pass an output of that type as {name}=…",
            )
        return channel


def _single_output(node: Node) -> Any:
    return next(iter(node.outputs.values())) if len(node.outputs) == 1 else node


class OutputMapping(dict[str, Channel]):
    """A node's outputs; asking for one that is not there names the nearest."""

    def __init__(self, node: Node, channels: Mapping[str, Channel]) -> None:
        super().__init__(channels)
        self._node = node

    def __missing__(self, key: str) -> Channel:
        raise WiringError(
            f"there is no output {key!r}",
            node=self._node.id,
            expected=", ".join(self) or "no outputs at all",
            got=key,
            suggestion=nearest(key, self),
            location=caller_location(),
        )
