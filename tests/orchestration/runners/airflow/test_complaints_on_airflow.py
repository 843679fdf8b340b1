# SPDX-License-Identifier: Apache-2.0
"""The consumer complaints pipeline, on real data, as Airflow runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.airflow_engine import AirflowHome, AirflowServer
from support.soundness import digests, remains

from penstock import LocalRunner, MetadataStore, Pipeline
from penstock.orchestration.metadata.records import RunState
from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner
from penstock.pipelines.consumer_complaints.pipeline import create_pipeline
from penstock.pipelines.consumer_complaints.settings import load_settings

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

#: Nodes that train, or whose results depend on what was trained.
TRAINED = {"Trainer", "LastBlessed", "Evaluator", "Pusher", "canary"}


def complaints(folder: Path) -> Pipeline:
    """The pipeline with one epoch of training, below a folder of its own."""
    settings = load_settings()
    changes = {
        "root": str(folder / "root"),
        "serving": str(folder / "serving"),
        "training": settings.training.model_copy(update={"epochs": 1}),
        "evaluation": settings.evaluation.model_copy(update={"min_auc": 0.0}),
    }
    return create_pipeline(settings.model_copy(update=changes))


def untrained(root: Path, run_id: str) -> dict[str, str]:
    """Content digests of what does not depend on training."""
    found = digests(root, run_id)
    return {name: digest for name, digest in found.items() if name.split(".")[0] not in TRAINED}


@pytest.fixture(scope="module")
def locally(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the local runner makes of it."""
    folder = tmp_path_factory.mktemp("local")
    result = LocalRunner().run(complaints(folder)).raise_for_failure()
    return untrained(folder / "root", result.run.id)


def check(folder: Path, locally: dict[str, str]) -> None:
    """Asserts that the run below a folder ended well, and made what the local runner makes."""
    with MetadataStore(str(folder / "root" / "metadata.sqlite")) as store:
        (run,) = store.list_runs()
    assert (run.state, run.error) == (RunState.COMPLETE, "")
    assert len(locally) > 6
    assert untrained(folder / "root", run.id) == locally
    assert remains(folder / "root") == []
    assert any((folder / "serving").iterdir())


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
