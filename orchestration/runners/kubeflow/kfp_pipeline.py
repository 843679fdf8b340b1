# SPDX-License-Identifier: Apache-2.0
"""Builds the pipeline of Kubeflow's own SDK from the IR, one container task for each node.

The graph is:

    root ── exit handler ── one task for each node, started after its predecessors
        └── run-end: runs at the end, whatever happened: first the nodes with the trigger
            `always`, then the run's state is recorded

Tasks are joined by order only. If artifacts were wired, Kubeflow would download them into
every pod, which the launcher has no use for. There are no conditions either: a node whose
condition is false ends as skipped, its container with success, and those after it learn
that from the metadata store, as in any other runner.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....utils.errors import GraphError
from ...ir import NodeIR, PipelineIR
from .kfp_names import RUN_ID_KEY, exit_nodes, kfp_artifacts, parameter_keys
from .pod_config import configure_pod, configure_task
from .pod_settings import PodSettings
from .worker_job import launching_pod, worker_job

#: Name of the task that ends the run.
RUN_END = "run-end"
COMMAND = ("python", "-m", "penstock.orchestration.runners.kubeflow.node_container")

_INPUT_TYPES = {"int": "Integer", "float": "Float", "str": "String", "bool": "Boolean"}
_PYTHON_TYPES = {"int": int, "float": float, "str": str, "bool": bool}
_SCHEMA_VERSION = "0.0.1"


@dataclass(frozen=True)
class TaskSettings:
    """What all tasks of a pipeline share.

    Attributes:
        arguments: Of every container, before those that name its node.
        image: The image of the containers.
        pod: Settings of all pods.
        nodes: Settings of single nodes' pods, by id.
        retried: Whether Kubeflow starts failed containers again.
    """

    arguments: Sequence[str]
    image: str
    pod: PodSettings = field(default_factory=PodSettings)
    nodes: Mapping[str, PodSettings] = field(default_factory=dict)
    retried: bool = True

    def pod_of(self, node_id: str) -> PodSettings:
        """Settings of one node's pod."""
        return self.nodes.get(node_id, PodSettings()).over(self.pod)


def kfp_pipeline(ir: PipelineIR, settings: TaskSettings) -> Any:
    """The pipeline as Kubeflow's SDK has it, ready for its compiler.

    Raises:
        GraphError: A node follows one that runs at the end.
        ParameterError: A setting cannot be put into effect.
    """
    from kfp import dsl

    _check_exit_nodes(ir)
    keys = parameter_keys(ir)

    def body(*values: Any) -> None:
        # The signature below tells the SDK which values these are.
        channels = dict(zip(signature.parameters, values, strict=True))
        _tasks(ir, settings, {keys[name]: channels[keys[name]] for name in keys})

    signature = _signature(ir)
    body.__signature__ = signature  # type: ignore[attr-defined]
    body.__doc__ = _docstring(ir)
    return dsl.pipeline(body, name=ir.name, description=ir.description or None)


def _check_exit_nodes(ir: PipelineIR) -> None:
    last = {node.id for node in exit_nodes(ir)}
    for node in ir.nodes:
        before = [found for found in node.predecessors() if found in last]
        if before and node.id not in last:
            raise GraphError(
                f"{node.id} follows {before[0]}, which Kubeflow runs at the very end",
                node=node.id,
                expected="nodes with the trigger 'always' behind all others",
                location=node.location or None,
                fix=f"give {node.id} the trigger 'always' too, or take it from {before[0]}",
            )
    if len(last) == len(ir.nodes):
        raise GraphError(
            f"pipeline {ir.name!r} has nothing to run before its end",
            expected="at least one node without the trigger 'always'",
        )


def _signature(ir: PipelineIR) -> inspect.Signature:
    found = []
    for name, key in parameter_keys(ir).items():
        declared = ir.runtime_parameters[name]
        default = inspect.Parameter.empty if declared.default is None else declared.default
        found.append(
            inspect.Parameter(
                key,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=default,
                annotation=_PYTHON_TYPES[declared.type],
            )
        )
    # Python wants those without a default first.
    found.sort(key=lambda each: each.default is not inspect.Parameter.empty)
    return inspect.Signature(found)


def _docstring(ir: PipelineIR) -> str:
    """Where the SDK looks for descriptions of parameters."""
    keys = parameter_keys(ir)
    lines = [
        f"    {keys[name]}: {' '.join(declared.description.split())}"
        for name, declared in ir.runtime_parameters.items()
        if declared.description
    ]
    return "\n".join(["A pipeline.", "", "Args:", *lines]) if lines else ""


def _tasks(ir: PipelineIR, settings: TaskSettings, channels: Mapping[str, Any]) -> None:
    from kfp import dsl

    last = exit_nodes(ir)
    make = _TaskMaker(ir, settings, channels)
    alone = last[0] if len(last) == 1 else None
    pod = settings.pod_of(alone.id) if alone else settings.pod
    end = make.task(RUN_END, last, pod, "Ends the run.", ends_run=True)
    if alone:
        configure_task(end, alone, pod, retried=settings.retried)
    else:
        configure_pod(end, pod)
    tasks: dict[str, Any] = {}
    with dsl.ExitHandler(end, name=ir.name):
        for node in ir.nodes:
            if node in last:
                continue
            pod = settings.pod_of(node.id)
            job: list[str] = []
            if node.policy.resources.workers > 1:
                image = pod.image or settings.image
                job = ["--worker-job", json.dumps(worker_job(node, pod, image), sort_keys=True)]
                pod = launching_pod(pod, settings.pod)
            task = make.task(node.id, [node], pod, node.description, more=job)
            configure_task(task, node, pod, retried=settings.retried)
            task.set_display_name(node.id)
            before = [tasks[earlier] for earlier in node.predecessors()]
            tasks[node.id] = task.after(*before) if before else task


class _TaskMaker:
    """Makes container components and their tasks."""

    def __init__(self, ir: PipelineIR, settings: TaskSettings, channels: Mapping[str, Any]) -> None:
        self._ir = ir
        self._settings = settings
        self._channels = channels

    def task(
        self,
        name: str,
        nodes: Sequence[NodeIR],
        pod: PodSettings,
        description: str,
        *,
        ends_run: bool = False,
        more: Sequence[str] = (),
    ) -> Any:
        from kfp import dsl
        from kfp.dsl import container_component_class, structures

        named = [word for node in nodes for word in ("--node", node.id)]
        end = ["--end-run"] if ends_run else []
        container = structures.ContainerSpecImplementation(
            image=pod.image or self._settings.image,
            command=list(COMMAND),
            # Everything else that a container needs to know of its task is in the last one.
            args=[*named, *end, *more, *self._settings.arguments, "--executor-input", "{{$}}"],
        )
        spec = structures.ComponentSpec(
            name=name,
            description=description or None,
            implementation=structures.Implementation(container=container),
            inputs={key: structures.InputSpec(type=kind) for key, kind in self._inputs()},
            outputs={
                found.key: structures.OutputSpec(type=f"{found.schema}@{_SCHEMA_VERSION}")
                for found in kfp_artifacts(nodes)
            },
        )
        component: Callable[..., Any] = container_component_class.ContainerComponent(
            spec, lambda: None
        )
        # The backend fills this in only where it is a whole argument of a task, not inside
        # a command.
        return component(**self._channels, **{RUN_ID_KEY: dsl.PIPELINE_JOB_ID_PLACEHOLDER})

    def _inputs(self) -> list[tuple[str, str]]:
        declared = self._ir.runtime_parameters
        keys = parameter_keys(self._ir)
        found = [(keys[name], _INPUT_TYPES[declared[name].type]) for name in keys]
        return [*found, (RUN_ID_KEY, "String")]
