# SPDX-License-Identifier: Apache-2.0
"""What Airflow 3's scheduler makes of a DAG file beyond the runner contract."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.airflow_engine import AirflowServer
from support.pipelines import Text, conditional, diamond, nested, start, unreliable, write
from support.soundness import digests, incomplete_artifacts, remains

from penstock import (
    Approval,
    CsvExampleGen,
    Importer,
    Input,
    LocalRunner,
    MetadataStore,
    Model,
    Output,
    Pipeline,
    RuntimeParameter,
    component,
)
from penstock.orchestration.launch.approval import decide, pending
from penstock.orchestration.metadata.records import ArtifactState, RunState
from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(600)]


@component
def linger(text: Input[Text], marker: str, longer: Output[Text]) -> None:
    """Waits to be killed the first time, and says that it does."""
    path = Path(marker)
    first = not path.exists()
    path.write_text("")
    write(longer, "begun")
    if first:
        time.sleep(300)
    write(longer, "done")


def add_dag(server: AirflowServer, pipeline: Pipeline, dag_id: str, **settings: Any) -> str:
    """Compiles a pipeline into Airflow's DAG folder; the id of its DAG."""
    AirflowDagRunner(dag_id=dag_id, **settings).compile(pipeline, str(server.dags))
    return dag_id


def only_run(root: Path) -> str:
    """The id of the only run in Penstock's store."""
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        (found,) = store.list_runs()
    return found.id


def state_of(root: Path, run_id: str) -> RunState:
    """How a run stands in Penstock's store."""
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        return store.get_run(run_id).state


def processes(*words: str) -> list[int]:
    """Processes whose command line holds all of some words."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            continue
        if entry.name.isdecimal() and all(word in line for word in words):
            found.append(int(entry.name))
    return found


def lingering(root: Path) -> Pipeline:
    """A node that waits to be killed."""
    first = start(word="k")
    slow = linger(text=first.outputs["text"], marker=str(root.parent / "marker"))
    return Pipeline("lingering", str(root), [first, slow])


def test_a_parked_node_goes_on_once_somebody_has_approved(
    airflow_3: AirflowServer, tmp_path: Path
) -> None:
    """If it fails, an approval holds a worker in Airflow, fails the run, or is never noticed."""
    root = tmp_path / "root"
    found = Importer(str(tmp_path / "model"), Model)
    (tmp_path / "model").mkdir()
    asked = Approval(model=found.outputs["result"])
    after = start(word="on").add_upstream_nodes([asked])
    pipeline = Pipeline("asks", str(root), [found, asked, after])
    dag_id = add_dag(airflow_3, pipeline, "asks", approval_every_s=2)
    run_id = airflow_3.trigger(dag_id)
    airflow_3.wait_for(
        lambda: airflow_3.tasks(dag_id, run_id)["Approval"]["state"] == "deferred", "it waits"
    )
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        (question,) = pending(store, only_run(root))
        decide(store, question, approve=True, by="ada", note="", now="2026-01-02T03:04:05+00:00")
    with airflow_3.triggerer():
        assert airflow_3.wait_for_run(dag_id, run_id) == "success"
    assert state_of(root, only_run(root)) is RunState.COMPLETE


@pytest.mark.kill
@pytest.mark.parametrize("victim", ["penstock", "airflow"])
def test_a_killed_process_costs_a_retry_and_leaves_no_duplicate(
    airflow_3: AirflowServer, tmp_path: Path, victim: str
) -> None:
    """If it fails, a lost process ends the run, or its results are there twice."""
    root = tmp_path / "root"
    dag_id = add_dag(airflow_3, lingering(root), f"killed-{victim}")
    run_id = airflow_3.trigger(dag_id)
    airflow_3.wait_for((tmp_path / "marker").exists, "the node is at work")
    node = processes("node\0run", "linger", str(root))
    assert node
    if victim == "penstock":
        os.kill(node[0], signal.SIGKILL)
    else:
        # The process that Airflow runs the task in, whose child Penstock is.
        status = Path(f"/proc/{node[0]}/status").read_text()
        parent = next(line for line in status.splitlines() if line.startswith("PPid"))
        os.kill(int(parent.split()[1]), signal.SIGKILL)
    assert airflow_3.wait_for_run(dag_id, run_id) == "success"
    task = airflow_3.tasks(dag_id, run_id)["linger"]
    assert (task["state"], task["try_number"]) == ("success", 2)
    ours = only_run(root)
    assert state_of(root, ours) is RunState.COMPLETE
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        live = [
            each.artifact.uri
            for each in store.list_artifacts(limit=None)
            if each.state is ArtifactState.LIVE and "/linger/" in each.artifact.uri
        ]
    assert len(live) == 1
    assert Path(live[0], "text").read_text() == "done"
    assert incomplete_artifacts(root) == []
    assert remains(root) == []
    airflow_3.wait_for(lambda: not processes("node\0run", str(root)), "nothing is left running")


def test_failures_say_what_went_wrong(airflow_3: AirflowServer, tmp_path: Path) -> None:
    """If it fails, whoever looks at a red task learns an exit code."""
    root = tmp_path / "root"
    dag_id = add_dag(airflow_3, unreliable(root, tmp_path / "marker", 9, 0), "failing")
    run_id = airflow_3.trigger(dag_id)
    assert airflow_3.wait_for_run(dag_id, run_id) == "failed"
    tasks = {name: each["state"] for name, each in airflow_3.tasks(dag_id, run_id).items()}
    assert tasks == {
        "start": "success",
        "fail_until": "failed",
        "aside": "success",
        "join": "upstream_failed",
        "end_of_run": "failed",
    }
    log = airflow_3.log(dag_id, run_id, "fail_until", 1)
    raised = log[log.index('"exc_value"') :]
    assert "fail_until: ValueError: attempt 1 fails" in raised
    assert "at support/pipelines.py" in raised or "pipelines.py:" in raised
    end = airflow_3.log(dag_id, run_id, "end_of_run", 1)
    assert "is failed: fail_until: ValueError: attempt 1 fails" in end
    assert state_of(root, only_run(root)) is RunState.FAILED


def test_tasks_lead_to_their_artifacts_and_tell_what_was_reused(
    airflow_3: AirflowServer, tmp_path: Path
) -> None:
    """If it fails, nobody finds from Airflow what a task has made, or whether it did work."""
    link = "https://files.example/?path={uri}"
    local = LocalRunner().run(diamond(tmp_path / "root"))
    dag_id = add_dag(airflow_3, diamond(tmp_path / "root"), "reusing", artifact_link=link)
    run_id = airflow_3.trigger(dag_id)
    assert airflow_3.wait_for_run(dag_id, run_id) == "success"
    told = airflow_3.xcom(dag_id, run_id, "join")
    (artifact,) = local.outcomes["join"].outputs["joined"]
    assert told["state"] == airflow_3.xcom(dag_id, run_id, "join", "state") == "cached"
    assert told["outputs"] == {"joined": [artifact.uri]}
    assert airflow_3.xcom(dag_id, run_id, "join", "artifact%20joined") == artifact.uri
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/join/links"
    links = airflow_3.api("GET", path)["extra_links"]
    assert links == {"Artifact": link.replace("{uri}", artifact.uri)}
    assert "join: CACHED: nothing changed" in airflow_3.log(dag_id, run_id, "join", 1)


def test_skipped_nodes_are_shown_as_skipped(airflow_3: AirflowServer, tmp_path: Path) -> None:
    """If it fails, a gate that was closed looks as if work had been done."""
    dag_id = add_dag(airflow_3, conditional(tmp_path / "root"), "closed")
    run_id = airflow_3.trigger(dag_id, {"word": "x"})
    assert airflow_3.wait_for_run(dag_id, run_id) == "success"
    tasks = {name: each["state"] for name, each in airflow_3.tasks(dag_id, run_id).items()}
    assert (tasks["extend"], tasks["needs"], tasks["join"]) == ("skipped", "skipped", "success")


def test_the_page_of_a_dag_explains_it(airflow_3: AirflowServer, tmp_path: Path) -> None:
    """If it fails, Airflow's pages do not say what a pipeline takes and a task does."""
    dag_id = add_dag(airflow_3, conditional(tmp_path / "root"), "explained")
    details = airflow_3.wait_for_dag(dag_id)
    assert details["params"]["word"]["value"] == "abc"
    assert details["params"]["word"]["schema"]["type"] == "string"
    tasks = {
        each["task_id"]: each for each in airflow_3.api("GET", f"dags/{dag_id}/tasks")["tasks"]
    }
    assert "`<start.length> > 2`" in tasks["needs"]["doc_md"]
    assert "| `text` | Text | `extend.longer` |" in tasks["needs"]["doc_md"]
    assert set(tasks["start"]["downstream_task_ids"]) >= {"extend", "needs", "join"}


def test_inner_pipelines_are_groups(airflow_3: AirflowServer, tmp_path: Path) -> None:
    """If it fails, the graph of a nested pipeline is one heap of tasks."""
    dag_id = add_dag(airflow_3, nested(tmp_path / "root"), "grouped")
    airflow_3.wait_for_dag(dag_id)
    script = (
        "import sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "dag = DagBag(sys.argv[1]).dags['grouped']\n"
        "print(sorted(dag.task_group_dict['inner'].children))\n"
    )
    assert "['inner.one', 'inner.two']" in airflow_3.python(
        script, str(airflow_3.dags / "grouped.py")
    )


def test_missed_intervals_are_caught_up_with_their_months(
    airflow_3: AirflowServer, tmp_path: Path
) -> None:
    """If it fails, a scheduled run reads another month than it stands for."""
    first = start(word=RuntimeParameter("month", str))
    add_dag(
        airflow_3,
        Pipeline("monthly", str(tmp_path / "root"), [first]),
        "monthly",
        schedule="@monthly",
        start_date="2015-01-01",
        end_date="2015-02-15",
        catchup=True,
        interval_parameters={"month": "{{ data_interval_start.strftime('%Y-%m') }}"},
    )
    airflow_3.wait_for_dag("monthly")

    def ended() -> list[str]:
        runs = airflow_3.api("GET", "dags/monthly/dagRuns")["dag_runs"]
        return sorted(r["dag_run_id"] for r in runs if r["state"] == "success")

    found = airflow_3.wait_for(lambda: len(runs := ended()) == 2 and runs, "two months ran")
    uris = [airflow_3.xcom("monthly", run_id, "start")["outputs"]["text"][0] for run_id in found]
    assert [Path(uri, "text").read_text() for uri in uris] == ["2015-01", "2015-02"]


@pytest.mark.heavy
def test_a_run_waits_for_new_data_without_a_worker(
    airflow_3: AirflowServer, tmp_path: Path
) -> None:
    """If it fails, runs start before their data is there, or workers idle until it is."""
    data = tmp_path / "data"
    data.mkdir()
    gen = CsvExampleGen(input_base=str(data))
    pipeline = Pipeline("waiting", str(tmp_path / "root"), [gen])
    settings: dict[str, Any] = {"wait_for_data": {"every_s": 1}, "env": {"ANY": "thing"}}
    place = {"kind": "bash", "folder": str(tmp_path)}
    dag_id = add_dag(airflow_3, pipeline, "waiting", tasks_run_in=place, **settings)
    run_id = airflow_3.trigger(dag_id)

    def waits() -> bool:
        return bool(airflow_3.tasks(dag_id, run_id)["new_data"]["state"] == "up_for_reschedule")

    airflow_3.wait_for(waits, "the sensor has let go of its worker")
    assert airflow_3.tasks(dag_id, run_id)["CsvExampleGen"]["state"] is None
    rows = "".join(f"{number},{number % 7}\n" for number in range(200))
    (data / "rows.csv").write_text("a,b\n" + rows)
    assert airflow_3.wait_for_run(dag_id, run_id) == "success"
    ours = only_run(tmp_path / "root")
    local = LocalRunner().run(pipeline, root=str(tmp_path / "local"))
    assert digests(tmp_path / "root", ours) == digests(tmp_path / "local", local.run.id)


def test_the_triggerer_waits_for_new_data(airflow_3: AirflowServer, tmp_path: Path) -> None:
    """If it fails, `deferrable` needs something that Airflow's triggerer does not have."""
    data = tmp_path / "data"
    data.mkdir()
    pipeline = Pipeline("deferred", str(tmp_path / "root"), [CsvExampleGen(input_base=str(data))])
    wait = {"every_s": 1, "deferrable": True}
    place = {"kind": "bash", "folder": str(tmp_path)}
    dag_id = add_dag(airflow_3, pipeline, "deferred", tasks_run_in=place, wait_for_data=wait)
    with airflow_3.triggerer():
        run_id = airflow_3.trigger(dag_id)

        def waits() -> bool:
            return bool(airflow_3.tasks(dag_id, run_id)["new_data"]["state"] == "deferred")

        airflow_3.wait_for(waits, "the sensor was deferred")
        rows = "".join(f"{number},{number % 7}\n" for number in range(200))
        (data / "rows.csv").write_text("a,b\n" + rows)
        assert airflow_3.wait_for_run(dag_id, run_id) == "success"
