# SPDX-License-Identifier: Apache-2.0
"""The consumer complaints pipeline, on real data, as Airflow runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.airflow_engine import AirflowHome, AirflowServer
from support.complaints import check, complaints

from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def test_on_airflow_3(airflow_3: AirflowServer, tmp_path: Path, locally: dict[str, str]) -> None:
    """If it fails, the pipeline that runs on a laptop does not run on Airflow 3."""
    AirflowDagRunner(dag_id="complaints").compile(complaints(tmp_path), str(airflow_3.dags))
    run_id = airflow_3.trigger("complaints")
    assert airflow_3.wait_for_run("complaints", run_id, seconds=600) == "success"
    check(tmp_path, locally)


def test_on_airflow_2(airflow_2: AirflowHome, tmp_path: Path, locally: dict[str, str]) -> None:
    """If it fails, the pipeline that runs on a laptop does not run on Airflow 2.11."""
    AirflowDagRunner(dag_id="complaints").compile(complaints(tmp_path), str(airflow_2.dags))
    done = airflow_2.command("dags", "test", "complaints")
    assert done.returncode == 0, done.stderr[-4000:]
    check(tmp_path, locally)
