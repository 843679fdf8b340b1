# SPDX-License-Identifier: Apache-2.0
"""Waiting for data in Airflow 2's triggerer."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from support.airflow_engine import AirflowHome

from penstock import CsvExampleGen, MetadataStore, Pipeline
from penstock.orchestration.metadata.records import RunState
from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_deferred_sensor_goes_on_when_there_is_data(
    airflow_2: AirflowHome, tmp_path: Path
) -> None:
    """If it fails, `deferrable` works in Airflow 3 only."""
    data, root = tmp_path / "data", tmp_path / "root"
    data.mkdir()
    pipeline = Pipeline("deferred", str(root), [CsvExampleGen(input_base=str(data))])
    AirflowDagRunner(
        dag_id="deferred_2",
        wait_for_data={"every_s": 2, "deferrable": True},
        tasks_run_in={"kind": "bash", "folder": str(tmp_path)},
    ).compile(pipeline, str(airflow_2.dags))

    def bring() -> None:
        # Long enough for a first look that finds nothing; the next finds the data.
        time.sleep(12)
        (data / "rows.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(200)))

    brings = threading.Thread(target=bring)
    brings.start()
    done = airflow_2.command("dags", "test", "deferred_2")
    brings.join()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout + done.stderr
    assert "defer" in said.lower(), said[-3000:]
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        (run,) = store.list_runs()
    assert run.state is RunState.COMPLETE
