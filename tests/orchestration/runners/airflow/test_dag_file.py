# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.golden import check_golden
from support.pipelines import conditional, diamond, guarded, nested, parametrised, unreliable

from penstock import Examples, Importer, Pipeline, Trainer
from penstock.cli import cli
from penstock.components.base.node import Resources
from penstock.orchestration.ir import load_ir
from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner
from penstock.orchestration.runners.airflow.airflow_settings import (
    AirflowSettings,
    BashTasks,
    TaskSettings,
    load_settings,
)
from penstock.orchestration.runners.airflow.dag_file import readers
from penstock.utils.errors import ParameterError

GOLDEN = Path(__file__).parent / "golden"

#: The same on every machine.
FIXED: dict[str, Any] = {"penstock": "/opt/penstock/bin/penstock", "root": "/data/pipelines"}

MONTHLY: dict[str, Any] = {
    "schedule": "0 6 1 * *",
    "start_date": "2015-01-01",
    "end_date": "2015-12-31",
    "timezone": "America/New_York",
    "catchup": True,
    "interval_parameters": {"word": "{{ data_interval_start.strftime('%Y-%m') }}"},
    "task": {"pool": "training", "queue": "big"},
    "tasks": {"join": {"priority_weight": 5}},
    "tasks_run_in": {"kind": "bash", "folder": "/srv/work"},
    "metadata": "mysql://ml@db/penstock",
    "env": {"MYSQL_PWD": "{{ conn.ml.password }}"},
    "artifact_link": "https://files.example/browse?path={uri}",
    "cache": "read_only",
}
DOCKER: dict[str, Any] = {
    "tasks_run_in": {
        "kind": "docker",
        "image": "example/penstock:1",
        "mounts": {"/data": "/srv/data"},
    }
}
KUBERNETES: dict[str, Any] = {
    "tasks_run_in": {
        "kind": "kubernetes",
        "image": "example/penstock:1",
        "namespace": "ml",
        "volume_claims": {"/data": "pipelines"},
        "env_from_secrets": ["store"],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    },
    "ir": "/data/ir/unreliable.json",
}


def compiled(pipeline: Pipeline, folder: Path, **settings: Any) -> str:
    """The text of the DAG file."""
    path = AirflowDagRunner({**FIXED, **settings}).compile(pipeline, str(folder))
    return Path(path).read_text(encoding="utf-8")


def gpu_pipeline() -> Pipeline:
    """A pipeline whose last node asks for something."""
    pipeline = unreliable(Path("/r"), Path("/data/marker"), attempts=2, retries=2)
    needed = Resources(cpu=2, memory_gb=4, gpu=1)
    pipeline.find("join").with_policy(timeout_s=60, resources=needed)
    return pipeline


@pytest.mark.parametrize(
    ("name", "pipeline", "settings"),
    [
        ("nested", nested(Path("/r")), {}),
        ("conditional_monthly", conditional(Path("/r")), MONTHLY),
        ("unreliable_docker", gpu_pipeline(), DOCKER),
        ("unreliable_kubernetes", gpu_pipeline(), KUBERNETES),
    ],
    ids=["nested", "monthly", "docker", "kubernetes"],
)
def test_dag_files_are_as_they_were(
    tmp_path: Path, name: str, pipeline: Pipeline, settings: dict[str, Any]
) -> None:
    """If it fails, what Airflow gets has changed; see whether that was meant."""
    text = compiled(pipeline, tmp_path, **settings)
    check_golden(GOLDEN / f"{name}.py.txt", text)


def test_a_dag_file_imports_airflow_and_the_standard_library_only(tmp_path: Path) -> None:
    """If it fails, Airflow's environment would need more than Airflow."""
    tree = ast.parse(compiled(diamond(tmp_path), tmp_path))
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules - set(sys.stdlib_module_names) == {"airflow"}


def test_only_one_layer_tries_again(tmp_path: Path) -> None:
    """If it fails, a node with two retries is tried nine times."""
    text = compiled(unreliable(tmp_path, tmp_path / "m", 3, retries=2), tmp_path)
    assert "node_retries=2" in text
    ir = load_ir(str(tmp_path / "unreliable.json"))
    assert {node.policy.retries for node in ir.nodes} == {0}


def test_the_end_waits_for_whatever_may_still_run(tmp_path: Path) -> None:
    """If it fails, a run could be ended while a node is at work beside a failed one."""
    text = compiled(unreliable(tmp_path, tmp_path / "m", 1, 0), tmp_path)
    end = text[text.index('"end_of_run",') :]
    # `join` is given up as soon as one of the two before it has failed.
    assert '"fail_until"' in end and '"aside"' in end and '"join"' in end
    assert '"start"' not in end


def test_an_exit_handler_runs_however_the_others_ended(tmp_path: Path) -> None:
    """If it fails, nobody is told of a failure."""
    text = compiled(guarded(tmp_path, tmp_path / "m", 1), tmp_path)
    assert 'trigger_rule="all_done"' in text[text.index('"tell_end",') :]


def test_a_relative_root_is_taken_from_where_it_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, each task writes below another folder."""
    monkeypatch.chdir(tmp_path)
    text = compiled(diamond(Path("runs")), tmp_path, root="runs")
    assert f"--root {tmp_path / 'runs'}" in text


def test_relative_paths_are_seen_from_where_it_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, data that a local run finds is looked for in a temporary folder."""
    monkeypatch.chdir(tmp_path)
    place = f'PLACE = {{"cwd": "{tmp_path}"}}'
    assert place in compiled(diamond(tmp_path), tmp_path, penstock=None)
    # Tasks that call another environment may be on another machine.
    assert "PLACE = {}" in compiled(diamond(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (
            KUBERNETES,
            'resources_of_node={"requests": {"cpu": "6", "memory": "12288Mi"}, '
            '"limits": {"nvidia.com/gpu": "3"}}',
        ),
        (DOCKER, "gpus=3"),
    ],
    ids=["kubernetes", "docker"],
)
def test_one_container_asks_for_what_all_workers_need(
    tmp_path: Path, settings: dict[str, Any], wanted: str
) -> None:
    """If it fails, several workers share what one of them needs."""
    (tmp_path / "model.py").write_text("def run_fn(fn_args): pass\n", encoding="utf-8")
    found = Importer("/data", Examples)
    trainer = Trainer(examples=found.outputs["result"], module_file=str(tmp_path / "model.py"))
    trainer.with_policy(resources=Resources(cpu=2, memory_gb=4, gpu=1, workers=3))
    pipeline = Pipeline("training", "/r", [found, trainer])
    assert wanted in compiled(pipeline, tmp_path, **settings)


def test_the_default_command_is_this_environments(tmp_path: Path) -> None:
    """If it fails, tasks call another Penstock, or none."""
    text = compiled(diamond(tmp_path), tmp_path, penstock=None)
    line = next(each for each in text.splitlines() if each.startswith("PENSTOCK = "))
    assert os.path.dirname(sys.executable) in line


def test_ids_of_airflows_own_tasks_give_way(tmp_path: Path) -> None:
    """If it fails, a node named end_of_run makes the DAG unreadable."""
    pipeline = diamond(tmp_path)
    pipeline.components[-1].with_id("end_of_run")
    assert '"end_of_run_",' in compiled(pipeline, tmp_path)


def test_settings_are_read_from_yaml(tmp_path: Path) -> None:
    """If it fails, a deployment's settings have to stand in code."""
    path = tmp_path / "airflow.yaml"
    path.write_text(
        "schedule: '@daily'\nstart_date: 2015-01-01\ntasks_run_in: {kind: bash, folder: /w}\n"
        "tasks: {join: {pool: small}}\n"
    )
    found = load_settings(str(path))
    assert found.tasks_run_in == BashTasks(folder="/w")
    assert found.tasks == {"join": TaskSettings(pool="small")}
    assert found.start_date is not None
    assert found.moment(found.start_date) == "2015-01-01T00:00:00+00:00"
    assert AirflowDagRunner(found, dag_id="other").settings.schedule == "@daily"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedul": "@daily"}, "did you mean: schedule"),
        ({"schedule": "@daily"}, "start_date"),
        ({"dag_id": "a b"}, "dag_id"),
        ({"timezone": "Mars/Base"}, "time zone"),
        ({"tasks": {"Join": {"pool": "p"}}}, "did you mean"),
        ({"interval_parameters": {"month": "{{ ds }}"}}, "no runtime parameter 'month'"),
        ({"schedule": "@daily", "start_date": "2015-01-01"}, "'times' has no default"),
        ({"wait_for_data": {}}, "reads files"),
        ({"tasks_run_in": {"kind": "docker", "image": "i"}, "root": "rel"}, "in each of them"),
        ({"tasks_run_in": {"kind": "kubernetes", "image": "i"}}, "set ir"),
        ({"root": "s3://bucket/x"}, "metadata store"),
        (
            {
                "tasks_run_in": {"kind": "docker", "image": "i"},
                "wait_for_data": {"nodes": ["start"]},
            },
            "by Bash",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    """If it fails, a mistake shows in Airflow only, as a DAG that cannot be read or run."""
    pipeline = parametrised(tmp_path)
    if "start_date" in settings:
        settings = {**settings, "interval_parameters": {"word": "{{ ds }}"}}
    pipeline.components[-1].with_id("join")
    with pytest.raises(ParameterError) as caught:
        compiled(pipeline, tmp_path, **settings)
    assert words in str(caught.value)


def test_the_command_line_writes_the_same(tmp_path: Path) -> None:
    """If it fails, a pipeline can be deployed from Python only."""
    ir = tmp_path / "pipeline.json"
    diamond(tmp_path).compile().save(str(ir))
    config = tmp_path / "airflow.yaml"
    config.write_text("dag_id: other\nschedule: '@daily'\nstart_date: 2015-01-01\n")
    words = ["compile", str(ir), "--runner", "airflow", "--runner-config", str(config)]
    answer = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "dags")])
    assert (answer.exit_code, answer.output) == (0, f"{tmp_path / 'dags' / 'other.py'}\n")
    settings = {"dag_id": "other", "schedule": "@daily", "start_date": "2015-01-01"}
    AirflowDagRunner(settings).compile(diamond(tmp_path), str(tmp_path / "again"))
    for name in ("other.py", "other.json"):
        assert (tmp_path / "dags" / name).read_text() == (tmp_path / "again" / name).read_text()


def test_settings_know_their_defaults() -> None:
    """If it fails, a DAG is scheduled, or runs twice at once, without being told to."""
    settings = AirflowSettings()
    assert (settings.schedule, settings.catchup, settings.max_active_runs) == (None, False, 1)
    assert settings.of_task("any") == {}


def test_what_reads_files_is_found() -> None:
    """If it fails, a run waits for data that nothing reads."""
    assert readers(diamond(Path("/r")).compile()) == []
