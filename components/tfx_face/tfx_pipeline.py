# SPDX-License-Identifier: Apache-2.0
"""`Pipeline` with TFX's arguments, and settings of the metadata store."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ...orchestration.metadata.connection_settings import PASSWORD_VARIABLE
from ...orchestration.metadata.library import library
from ...orchestration.pipeline import Pipeline as NativePipeline
from ...orchestration.pipeline import PipelineInputs as NativePipelineInputs
from ...utils.errors import ParameterError
from ...utils.source_location import caller_location
from ..analyze.evaluator import Evaluator
from ..base.channel import Channel
from ..base.expression import Expression
from ..base.node import Node
from ..control.strategies import LatestBlessedModelStrategy
from .component_expressions import channels_of
from .control_nodes import RuntimeParameter, is_resolver_of

_DIRECT = ("--direct_running_mode", "--direct_num_workers", "--runner=DirectRunner")

ROOT_PARAMETER = RuntimeParameter("pipeline-root", str)


class ExecutionMode(enum.Enum):
    """How nodes of a pipeline run; all runners here know `SYNC` only."""

    SYNC = 1
    ASYNC = 2


class RunOptions:
    """Which part of a pipeline to run.

    Args:
        from_nodes: Ids of the nodes to begin with; what they depend on is taken from earlier.
        to_nodes: Ids of the nodes to end with.
        base_pipeline_run_id: Not needed: the latest results are taken.
    """

    def __init__(
        self,
        from_nodes: Iterable[str] | None = None,
        to_nodes: Iterable[str] | None = None,
        base_pipeline_run_id: str | None = None,
    ) -> None:
        self.from_nodes = tuple(from_nodes or ())
        self.to_nodes = tuple(to_nodes or ())
        self.base_pipeline_run_id = base_pipeline_run_id


def sqlite_metadata_connection_config(metadata_db_uri: str) -> Any:
    """A metadata store in a SQLite file, whose folder is made where it is missing."""
    folder = os.path.dirname(metadata_db_uri)
    if folder:
        os.makedirs(folder, exist_ok=True)
    config = library().protos.ConnectionConfig()
    config.sqlite.filename_uri = metadata_db_uri
    config.sqlite.connection_mode = 3  # READWRITE_OPENCREATE
    return config


def mysql_metadata_connection_config(
    host: str, port: int, database: str, username: str, password: str
) -> Any:
    """A metadata store in MySQL."""
    return library().protos.ConnectionConfig(
        mysql={
            "host": host,
            "port": port,
            "database": database,
            "user": username,
            "password": password,
        }
    )


def metadata_setting(config: Any) -> str:
    """The native form of a `metadata_connection_config`.

    A password in it is handed on in the environment variable `PENSTOCK_METADATA_PASSWORD`, and
    never written down; where other machines run nodes, set the variable there.

    Args:
        config: What the functions above gave, or a `ConnectionConfig` of ML Metadata.

    Raises:
        ParameterError: It is none of these.
    """
    if config is None or isinstance(config, str):
        return config or ""
    asked = getattr(config, "WhichOneof", None)
    which = None if asked is None or hasattr(config, "host") else asked("config")
    if which == "sqlite":
        return str(config.sqlite.filename_uri)
    if which == "mysql":
        found = config.mysql
        if found.password:
            os.environ[PASSWORD_VARIABLE] = found.password
        user = f"{quote(found.user, safe='')}@" if found.user else ""
        return f"mysql://{user}{found.host}:{found.port or 3306}/{quote(found.database)}"
    if hasattr(config, "host") and config.host:
        return f"grpc://{config.host}:{config.port}"
    raise ParameterError(
        "the metadata connection is not understood",
        expected="sqlite_metadata_connection_config(…) or mysql_metadata_connection_config(…)",
        got=f"{type(config).__name__}: {which or 'nothing set'}",
        location=caller_location(),
    )


class PipelineInputs(NativePipelineInputs):
    """Typed inputs of a nested pipeline: `PipelineInputs({"examples": channel})`."""

    def __init__(self, inputs: Mapping[str, Channel] | None = None) -> None:
        super().__init__(**dict(inputs or {}))

    @property
    def inputs(self) -> PipelineInputs:
        """The inputs by name."""
        return self


class Pipeline(NativePipeline):
    """Nodes wired together, with TFX's arguments.

    Models are compared with the last one blessed before them: where an Evaluator's baseline
    comes from a resolver of the latest blessed model, the resolver passes over the candidate.

    Args:
        pipeline_name: Name in the metadata store.
        pipeline_root: Folder or URL below which payloads are written.
        metadata_connection_config: The metadata store.
        components: The nodes, in any order.
        enable_cache: Whether results that still hold are reused.
        beam_pipeline_args: Flags for Beam pipelines that components start.
        platform_config: Not used; runners have settings of their own.
        execution_mode: `SYNC`.
        inputs: Typed inputs, where the pipeline is nested.
        outputs: Channels that an outer pipeline can use, by name.

    Raises:
        ParameterError: The name cannot be used in paths, or the mode is not `SYNC`.
        WiringError: `components` holds something that is not a node.
    """

    def __init__(
        self,
        pipeline_name: str,
        pipeline_root: str | Expression | None = "",
        metadata_connection_config: Any = None,
        components: Iterable[Node] = (),
        enable_cache: bool | None = False,
        beam_pipeline_args: Sequence[str] | None = None,
        platform_config: Any = None,
        execution_mode: ExecutionMode = ExecutionMode.SYNC,
        inputs: NativePipelineInputs | None = None,
        outputs: Mapping[str, Channel] | None = None,
        dsl_context_registry: Any = None,
    ) -> None:
        del platform_config, dsl_context_registry
        if execution_mode is not ExecutionMode.SYNC:
            raise ParameterError(
                "a pipeline runs its nodes in the order of their dependencies",
                node=pipeline_name,
                expected="ExecutionMode.SYNC",
                got=str(execution_mode),
                location=caller_location(),
                fix="for runs that start when data arrives, see `penstock watch`",
            )
        nodes = list(dict.fromkeys(components))
        exclude_candidates(nodes)
        super().__init__(
            pipeline_name,
            os.fspath(pipeline_root)
            if isinstance(pipeline_root, os.PathLike)
            else pipeline_root or "",
            nodes,
            inputs=inputs,
            outputs=outputs,
            metadata=metadata_setting(metadata_connection_config),
            cache="on" if enable_cache else "off",
            beam_pipeline_args=_beam_args(beam_pipeline_args, nodes),
        )
        self.enable_cache = bool(enable_cache)

    @property
    def pipeline_name(self) -> str:
        """Name in the metadata store."""
        return self.name

    @property
    def pipeline_root(self) -> str | Expression:
        """Folder or URL below which payloads are written."""
        return self.root


def _beam_args(own: Sequence[str] | None, nodes: Iterable[Node]) -> list[str]:
    """The pipeline's flags, and those that its nodes ask for.

    Flags of Beam's direct runner are left out: they say how Beam shall use this machine,
    which the local engine does without it, and faster.
    """
    asked = [flag for node in nodes for flag in vars(node).get("beam_pipeline_args", ())]
    flags = dict.fromkeys(str(flag) for flag in [*(own or ()), *asked])
    return [flag for flag in flags if not flag.startswith(_DIRECT)]


def exclude_candidates(nodes: Iterable[Node]) -> None:
    """Lets resolvers of a baseline pass over the model that is evaluated against it."""
    for node in nodes:
        if not isinstance(node, Evaluator):
            continue
        resolver = is_resolver_of(node.inputs.get("baseline_model"), LatestBlessedModelStrategy)
        model = node.inputs.get("model")
        if resolver is None or model is None or "excluding" in resolver.inputs:
            continue
        # A model that starts from the baseline cannot be known before it.
        if not any(resolver in _before(each.producer) for each in model.sources()):
            resolver.excluding(model)


def _before(node: Node | None) -> set[Node]:
    """A node and all that it depends on."""
    found: set[Node] = set()
    waiting = [node] if node is not None else []
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += _needed(current)
    return found


def _needed(node: Node) -> Iterator[Node]:
    yield from node.upstream
    for channel in channels_of(node):
        for source in channel.sources():
            if source.producer is not None:
                yield source.producer
