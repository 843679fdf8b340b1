# SPDX-License-Identifier: Apache-2.0
"""One run of a pipeline: its identity, its folders, and what its nodes have put out."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...components.base.artifact import Artifact
from ...utils import storage
from ...utils.names import check_run_id
from ..ir import PipelineIR
from ..metadata.records import ExecutionState
from ..metadata.store import MetadataStore
from .evaluation import Scope, runtime_values


class RunFacts(Mapping[str, str]):
    """What expressions can see of a run itself.

    Args:
        run: The run.
        store: Knows which nodes failed; without it, none has.
    """

    def __init__(self, run: Run, store: MetadataStore | None = None) -> None:
        self._run = run
        self._store = store

    def __getitem__(self, name: str) -> str:
        if name == "failed_nodes":
            # Looked up only where it is asked for.
            return ", ".join(failed_nodes(self._store, self._run.id)) if self._store else ""
        return {
            "run_id": self._run.id,
            "pipeline_name": self._run.pipeline,
            "pipeline_root": self._run.root,
        }[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("run_id", "pipeline_name", "pipeline_root", "failed_nodes"))

    def __len__(self) -> int:
        return 4


def failed_nodes(store: MetadataStore, run_id: str) -> list[str]:
    """Ids of the nodes of a run that failed, and have not succeeded since, in order of time.

    Raises:
        MetadataError: The store cannot be read, or does not know the run.
    """
    last = {each.node_id: each.state for each in store.run_executions(run_id)}
    return [node_id for node_id, state in last.items() if state is ExecutionState.FAILED]


@dataclass(frozen=True)
class Run:
    """One run of a pipeline.

    Attributes:
        id: Unique id.
        pipeline: Name of the pipeline.
        root: Folder or URL below which payloads are written.
        parameters: Values of the runtime parameters.
        cache: Overrides every node's cache policy, where set.
        resumed: Whether the run goes on where it ended before.
    """

    id: str
    pipeline: str
    root: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cache: str | None = None
    resumed: bool = False

    def output_uri(self, node_id: str, output: str, execution_id: int) -> str:
        """Where an execution writes one output. Holds the execution's id: never reused."""
        return storage.join(self.root, node_id, output, str(execution_id))

    def log_path(self, node_id: str, execution_id: int) -> str:
        """Where the log of an execution lies; always on this machine."""
        return os.path.join(self.local_folder("logs"), self.id, f"{node_id}.{execution_id}.log")

    def work_dir(self, execution_id: int) -> str:
        """Scratch folder of an execution."""
        return os.path.join(self.local_folder("work"), str(execution_id))

    @property
    def code_folder(self) -> str:
        """Where user code is written out for workers, by content digest."""
        return self.local_folder("code")

    @property
    def ir_path(self) -> str:
        """Where the compiled pipeline of this run is kept."""
        return os.path.join(self.local_folder("runs"), self.id, "pipeline.json")

    def local_folder(self, name: str) -> str:
        """A folder on this machine for `name`, hidden below the root where that is local."""
        if storage.is_local(self.root):
            return os.path.join(storage.local_path(self.root), f".{name}")
        return os.path.join(tempfile.gettempdir(), "penstock", self.pipeline, name)


def new_run_id() -> str:
    """A fresh run id that sorts by time."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)


def default_root(pipeline: str) -> str:
    """Where a pipeline without a root writes."""
    return os.path.join(os.getcwd(), ".penstock", pipeline)


def describe_run(
    ir: PipelineIR,
    *,
    run_id: str | None = None,
    root: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    cache: str | None = None,
    resumed: bool = False,
) -> Run:
    """The run that settings ask for; nothing is recorded or created yet.

    Raises:
        ParameterError: A runtime parameter is unknown, missing or of another type, or the
            run id cannot be used in paths.
    """
    run_id = run_id or new_run_id()
    check_run_id(run_id)
    values = runtime_values(ir, parameters or {})
    if root is None:
        facts = RunFacts(Run(run_id, ir.name, ""))
        root = str(Scope(values, facts, NoOutputs()).resolve(ir.root)) or default_root(ir.name)
    if storage.is_local(root):
        root = os.path.abspath(storage.local_path(root))
    return Run(run_id, ir.name, root, values, cache, resumed)


class NoOutputs:
    """Before anything ran."""

    def outputs(self, node_id: str) -> Mapping[str, list[Artifact]] | None:
        """See `Upstream.outputs`."""
        del node_id
        return None


class RecordedOutputs:
    """What the nodes of one run have put out, as the store has it."""

    def __init__(self, store: MetadataStore, run: Run) -> None:
        self._store = store
        self._run = run
        self._known: dict[str, Mapping[str, list[Artifact]] | None] = {}

    def remember(self, node_id: str, outputs: Mapping[str, list[Artifact]] | None) -> None:
        """Spares the look-up for a node that this process ran itself."""
        self._known[node_id] = outputs

    def outputs(self, node_id: str) -> Mapping[str, list[Artifact]] | None:
        """See `Upstream.outputs`."""
        if node_id not in self._known:
            found = self._store.node_execution(self._run.id, node_id)
            done = found is not None and found.succeeded
            self._known[node_id] = self._store.outputs_of(found.id) if found and done else None
        return self._known[node_id]
