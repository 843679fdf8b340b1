# SPDX-License-Identifier: Apache-2.0
"""The Airflow runner: writes a pipeline as a DAG file and the compiled pipeline beside it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from ....utils import storage
from ....utils.errors import ParameterError, nearest
from ...ir import PipelineIR, read_ir
from ...pipeline import Pipeline
from .airflow_settings import (
    AirflowSettings,
    BashTasks,
    DockerTasks,
    KubernetesTasks,
    read_settings,
)
from .dag_file import DagPlan, dag_text, readers
from .task_docs import dag_id_of

#: Names the metadata store where no option does.
_METADATA_VARIABLE = "PENSTOCK_METADATA"


class AirflowDagRunner:
    """Writes pipelines as DAG files for Airflow 2.10, 2.11 and 3.

        AirflowDagRunner(schedule="@monthly", start_date="2015-01-01").compile(pipeline, "dags")

    A DAG file imports Airflow and the standard library only. Its tasks call
    `penstock node run`, in Penstock's environment, by Bash, Docker or Kubernetes.

    Args:
        settings: How the pipeline stands in Airflow; see `AirflowSettings`.
        changes: Settings by name, instead of those or beside them.

    Raises:
        ParameterError: A setting is not acceptable.
    """

    def __init__(
        self, settings: AirflowSettings | Mapping[str, Any] | None = None, **changes: Any
    ) -> None:
        given = settings or {}
        if isinstance(given, AirflowSettings):
            given = given.model_dump(exclude_unset=True)
        self.settings = read_settings({**given, **changes})

    def compile(self, pipeline: Pipeline | PipelineIR, folder: str = ".") -> str:
        """Writes `<dag_id>.json`, the compiled pipeline, and `<dag_id>.py`, the DAG file.

        Args:
            pipeline: The pipeline, or its IR.
            folder: Airflow's DAG folder, or one that is copied to it.

        Returns:
            Path of the DAG file.

        Raises:
            ParameterError: The settings do not fit the pipeline.
            GraphError: The pipeline's graph cannot run.
            StorageError: The files cannot be written.
        """
        ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
        # As it is read back: a pipeline and its IR give equal files.
        ir = read_ir(ir.to_json())
        plan = self._plan(ir, getattr(pipeline, "metadata", ""))
        text = dag_text(plan)
        storage.make_dirs(folder)
        path = storage.join(folder, f"{plan.dag_id}.py")
        without = ir.without_retries()
        # Airflow may read the DAG file as soon as it is there, and run it.
        without.save(storage.join(folder, f"{plan.dag_id}.json"))
        if self.settings.ir and not storage.is_local(self.settings.ir):
            without.save(self.settings.ir)
        storage.write_bytes_atomic(path, text.encode())
        return path

    def _plan(self, ir: PipelineIR, metadata: str) -> DagPlan:
        settings = self.settings
        _check_schedule(ir, settings)
        _check_nodes(ir, settings)
        root = _root(ir, settings)
        metadata = settings.metadata or metadata
        if metadata and "://" not in metadata:
            metadata = os.path.abspath(metadata)
        if not metadata and _METADATA_VARIABLE not in settings.env and not _local(root):
            raise ParameterError(
                "a pipeline with a remote root needs a metadata store of its own",
                got=root,
                fix="set metadata='mysql://…', on the pipeline or in the settings",
            )
        if isinstance(settings.tasks_run_in, KubernetesTasks) and not settings.ir:
            raise ParameterError(
                "pods do not see Airflow's DAG folder, where the compiled pipeline lies",
                fix="set ir to a URL (it is written there too), or to its path in the image",
            )
        dag_id = settings.dag_id or dag_id_of(ir)
        return DagPlan(ir, settings, dag_id, _penstock(settings), root, metadata)


def _check_schedule(ir: PipelineIR, settings: AirflowSettings) -> None:
    for name in settings.interval_parameters:
        if name not in ir.runtime_parameters:
            raise ParameterError(
                f"interval_parameters: pipeline {ir.name!r} has no runtime parameter {name!r}",
                expected=", ".join(ir.runtime_parameters) or "no runtime parameters at all",
                got=name,
                suggestion=nearest(name, ir.runtime_parameters),
            )
    if settings.schedule is None:
        return
    if settings.start_date is None:
        raise ParameterError(
            "a schedule needs a start_date, at which the first interval begins",
            got=f"schedule={settings.schedule!r} alone",
            fix="start_date='2015-01-01', and catchup=True if what lies before now is to be run",
        )
    for name, declared in ir.runtime_parameters.items():
        if declared.default is None and name not in settings.interval_parameters:
            raise ParameterError(
                f"runtime parameter {name!r} has no default, so a scheduled run has no value",
                fix=f"give it a default, or take it from the data interval: "
                f"interval_parameters={{'{name}': '{{{{ data_interval_start | ds }}}}'}}",
            )


def _check_nodes(ir: PipelineIR, settings: AirflowSettings) -> None:
    known = [node.id for node in ir.nodes]
    wait = settings.wait_for_data
    for where, given in (("tasks", settings.tasks), ("wait_for_data", wait.nodes if wait else ())):
        for node_id in given:
            if node_id not in known:
                raise ParameterError(
                    f"{where}: pipeline {ir.name!r} has no node {node_id!r}",
                    expected=", ".join(known),
                    got=node_id,
                    suggestion=nearest(node_id, known),
                )
    if wait is None:
        return
    if not (wait.nodes or readers(ir)):
        raise ParameterError(
            "wait_for_data: no first node of the pipeline reads files",
            fix="name the nodes whose data is waited for: wait_for_data={'nodes': [...]}",
        )
    if not isinstance(settings.tasks_run_in, BashTasks):
        raise ParameterError(
            "wait_for_data works where tasks run by Bash",
            got=f"tasks_run_in: {settings.tasks_run_in.kind}",
            fix="trigger the DAG when data has come, or schedule it",
        )


def _local(root: str) -> bool:
    return not root or storage.is_local(root)


def _root(ir: PipelineIR, settings: AirflowSettings) -> str:
    """The root to write into the DAG file; empty where the pipeline's holds expressions."""
    root = settings.root if settings.root is not None else ir.root
    if not isinstance(root, str):
        return ""
    if not storage.is_local(root):
        return root
    path = storage.local_path(root) if root else os.path.join(".penstock", ir.name)
    if not os.path.isabs(path) and not isinstance(settings.tasks_run_in, BashTasks):
        raise ParameterError(
            "tasks in containers need a root that means the same in each of them",
            expected="a URL, or the absolute path of something that is mounted",
            got=root or "no root",
            fix="set root in the settings",
        )
    return os.path.abspath(path)


def _penstock(settings: AirflowSettings) -> str:
    """The command that starts Penstock: by default that of this very environment."""
    if settings.penstock:
        return settings.penstock
    if isinstance(settings.tasks_run_in, (DockerTasks, KubernetesTasks)):
        return "penstock"
    beside = os.path.join(os.path.dirname(sys.executable), "penstock")
    if os.access(beside, os.X_OK):
        return shlex.quote(beside)
    return f"{shlex.quote(sys.executable)} -m penstock"
