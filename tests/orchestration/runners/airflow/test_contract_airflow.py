# SPDX-License-Identifier: Apache-2.0
"""The runner contract on Airflow 3's scheduler, and on Airflow 2.11's `dags test`."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.airflow_engine import AirflowHome, AirflowServer
from support.runner_contract import Ran, RunnerContract

from penstock import MetadataStore, Pipeline
from penstock.components.base.container_executor import ENGINE_VARIABLE
from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(600)]

_numbers = itertools.count()


def compile_dag(home: AirflowHome, pipeline: Pipeline, **settings: Any) -> str:
    """Compiles a pipeline into Airflow's DAG folder, as a DAG of its own; the DAG's id."""
    dag_id = f"{pipeline.name}-{next(_numbers)}"
    # Airflow's processes do not see this process's environment.
    env = {name: os.environ[name] for name in (ENGINE_VARIABLE,) if name in os.environ}
    path = AirflowDagRunner(dag_id=dag_id, env=env, **settings).compile(pipeline, str(home.dags))
    assert path == str(home.dags / f"{dag_id}.py")
    return dag_id


def run_of(dag_id: str, pipeline: Pipeline) -> Ran:
    """The only run of a DAG in Penstock's store."""
    setting = str(Path(str(pipeline.root)) / "metadata.sqlite")
    with MetadataStore(setting, create=False) as store:
        (found,) = [run for run in store.list_runs() if run.id.startswith(f"{dag_id}-")]
    return Ran(found.id, setting)


class TestAirflow3(RunnerContract):
    """Airflow 3, each run triggered over its REST API."""

    server: AirflowServer
    #: DAG and DAG run by the id of the run in Penstock's store.
    known: ClassVar[dict[str, tuple[str, str]]] = {}

    @pytest.fixture(autouse=True)
    def _server(self, airflow_3: AirflowServer) -> None:
        self.server = airflow_3

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        if resume:
            dag_id, run_id = self.known[resume]
            self.server.clear_failed(dag_id, run_id)
        else:
            dag_id = compile_dag(self.server, pipeline)
            run_id = self.server.trigger(dag_id, parameters)
        state = self.server.wait_for_run(dag_id, run_id)
        ran = run_of(dag_id, pipeline)
        self.known[ran.run_id] = (dag_id, run_id)
        with MetadataStore(ran.metadata) as store:
            recorded = store.get_run(ran.run_id).state.value
        assert {"success": "complete"}.get(state, state) == recorded
        return ran


class TestAirflow2(RunnerContract):
    """Airflow 2.11, by `airflow dags test`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "resume_after_failure": "`airflow dags test` has no way to go on with a run",
    }
    home: AirflowHome

    @pytest.fixture(autouse=True)
    def _home(self, airflow_2: AirflowHome) -> None:
        self.home = airflow_2

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        dag_id = compile_dag(self.home, pipeline)
        options = ["--conf", json.dumps(dict(parameters))] if parameters else []
        done = self.home.command("dags", "test", dag_id, *options)
        assert re.search("Marking run .* (successful|failed)", done.stdout + done.stderr)
        return run_of(dag_id, pipeline)
