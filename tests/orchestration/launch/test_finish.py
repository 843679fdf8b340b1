# SPDX-License-Identifier: Apache-2.0
"""Runs whose nodes are run one by one, as outside engines do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.pipelines import conditional, diamond, unreliable

from penstock import MetadataStore, Pipeline
from penstock.cli import cli
from penstock.orchestration.launch.finish import take_over
from penstock.orchestration.launch.run import describe_run
from penstock.orchestration.metadata.records import ExecutionState, NodeKey, RunState
from penstock.utils.errors import MetadataError


def call(pipeline: Pipeline, *words: str, code: int = 0) -> str:
    """Runs `penstock node …` for a pipeline's run `r`; what it printed."""
    path = Path(str(pipeline.root)).with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    pipeline.compile().save(str(path))
    answer = CliRunner().invoke(cli, ["node", *words, "--ir", str(path), "--run-id", "r"])
    assert answer.exit_code == code, answer.output
    return answer.output


def run_nodes(pipeline: Pipeline, *names: str, code: int = 0) -> None:
    """Runs nodes, one after the other."""
    for name in names:
        call(pipeline, "run", "--node", name, "--in-process", code=code)


def state(pipeline: Pipeline) -> tuple[RunState, str]:
    """How the run stands in the store."""
    with MetadataStore(str(Path(str(pipeline.root)) / "metadata.sqlite")) as store:
        found = store.get_run("r")
    return found.state, found.error


def test_a_run_is_complete_when_all_its_nodes_ended_well(tmp_path: Path) -> None:
    """If it fails, runs of outside engines look unfinished for ever."""
    pipeline = diamond(tmp_path / "root")
    run_nodes(pipeline, "start", "left", "right", "join")
    assert state(pipeline)[0] is RunState.RUNNING
    assert "is complete" in call(pipeline, "finish")
    assert state(pipeline) == (RunState.COMPLETE, "")


def test_skipped_nodes_ended_well(tmp_path: Path) -> None:
    """If it fails, a closed gate makes a run fail."""
    pipeline = conditional(tmp_path / "root")
    for name in ("start", "extend", "needs", "join"):
        call(pipeline, "run", "--node", name, "--in-process", "--param", "word=x")
    call(pipeline, "finish")
    assert state(pipeline)[0] is RunState.COMPLETE


def test_a_run_with_failures_says_which_and_may_end_again(tmp_path: Path) -> None:
    """If it fails, a failed run counts as complete, or stays failed after it was mended."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", 2, 0)
    run_nodes(pipeline, "start", "aside")
    run_nodes(pipeline, "fail_until", code=1)
    told = json.loads(call(pipeline, "finish", "--json", code=1))
    assert told["state"] == "failed"
    assert state(pipeline)[1] == ("fail_until: ValueError: attempt 1 fails; join: it did not run")
    run_nodes(pipeline, "fail_until", "join")
    call(pipeline, "finish")
    assert state(pipeline) == (RunState.COMPLETE, "")


def test_a_run_that_never_began_cannot_end(tmp_path: Path) -> None:
    """If it fails, a mistyped run id makes a run."""
    assert "no run" in call(diamond(tmp_path / "root"), "finish", code=2)


def test_a_lost_execution_cannot_publish_any_more(tmp_path: Path) -> None:
    """If it fails, a node that an engine runs again may have two live results."""
    pipeline = diamond(tmp_path / "root")
    run_nodes(pipeline, "start", "left")
    ir = pipeline.compile()
    run = describe_run(ir, run_id="r")
    node = ir.node("right")
    key = NodeKey("diamond", "r", "right", node.type_name)
    with MetadataStore(str(tmp_path / "root" / "metadata.sqlite")) as store:
        lost = store.register_execution(key, {}, {}, {})
        assert take_over(run, "left", store).resumed
        assert store.get_execution(lost).state is ExecutionState.RUNNING
        assert take_over(run, "right", store).resumed
        with pytest.raises(MetadataError, match="has already ended"):
            store.publish_execution(key, lost, {}, properties={}, cache_key=None)
    run_nodes(pipeline, "right", "join")
    call(pipeline, "finish")
    assert state(pipeline)[0] is RunState.COMPLETE


def test_a_node_that_was_published_is_not_run_again(tmp_path: Path) -> None:
    """If it fails, a task that was lost after its work leaves that work twice."""
    pipeline = diamond(tmp_path / "root")
    pipeline.find("start").with_policy(cache="off")
    run_nodes(pipeline, "start")
    said = call(pipeline, "run", "--node", "start", "--in-process", "--json")
    assert '"state": "cached"' in said


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks processes up in /proc")
def test_a_node_stops_with_the_process_that_started_it(tmp_path: Path) -> None:
    """If it fails, killing an engine's task leaves the work going on unseen."""
    script = (
        "import subprocess, sys, time\n"
        "code = 'from penstock.orchestration.commands.node_commands import "
        "_stop_with_parent as s; import time; s(); "
        "print(1, flush=True); time.sleep(60)'\n"
        "child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_of_an_engine_that_is_gone_can_be_taken_over(tmp_path: Path) -> None:
    """If it fails, what an engine left half done can never go on, or becomes live twice."""
    pipeline = diamond(tmp_path / "root")
    run_nodes(pipeline, "start", "left")
    path, setting = str(tmp_path / "root.json"), str(tmp_path / "root" / "metadata.sqlite")
    key = NodeKey("diamond", "r", "right", pipeline.compile().node("right").type_name)
    with MetadataStore(setting) as store:
        lost = store.register_execution(key, {}, {}, {})
        refused = CliRunner().invoke(cli, ["run", path, "--resume", "r"])
        assert refused.exit_code == 2 and "penstock runs end r" in refused.output
        ended = CliRunner().invoke(cli, ["runs", "end", "r", "--metadata", setting])
        assert ended.exit_code == 0 and ended.output.endswith("run r is interrupted\n")
        with pytest.raises(MetadataError, match="has already ended"):
            store.publish_execution(key, lost, {}, properties={}, cache_key=None)
    resumed = CliRunner().invoke(cli, ["run", path, "--resume", "r", "--json"])
    assert resumed.exit_code == 0, resumed.output
    with MetadataStore(setting) as store:
        done = [each.node_id for each in store.run_executions("r") if each.state.value != "cached"]
    assert sorted(done) == ["join", "left", "right", "right", "start"]


def test_take_over_resumes_at_once_but_not_a_living_process(tmp_path: Path) -> None:
    """If it fails, --take-over does not take over, or ends what this machine still runs."""
    pipeline = diamond(tmp_path / "root")
    run_nodes(pipeline, "start")
    path, setting = str(tmp_path / "root.json"), str(tmp_path / "root" / "metadata.sqlite")
    taken = CliRunner().invoke(cli, ["run", path, "--resume", "r", "--take-over", "-q"])
    assert taken.exit_code == 0, taken.output
    assert state(pipeline)[0] is RunState.COMPLETE
    with MetadataStore(setting) as store:
        store.begin_run("diamond", "mine")
    refused = CliRunner().invoke(cli, ["run", path, "--resume", "mine", "--take-over"])
    assert refused.exit_code == 2 and f"kill {os.getpid()}" in refused.output


def test_a_node_does_not_start_after_one_that_was_stopped(tmp_path: Path) -> None:
    """If it fails, a node runs though the one before it was cancelled half-way."""
    pipeline = diamond(tmp_path / "root")
    run_nodes(pipeline, "start")
    key = NodeKey("diamond", "r", "left", pipeline.compile().node("left").type_name)
    with MetadataStore(str(tmp_path / "root" / "metadata.sqlite")) as store:
        stopped = store.register_execution(key, {}, {}, {})
        store.fail_execution(stopped, ExecutionState.CANCELED, "stopped")
    run_nodes(pipeline, "right")
    said = call(pipeline, "run", "--node", "join", "--in-process", code=2)
    assert "left has to run first" in said and "it is canceled" in said


def test_where_user_code_failed_is_recorded(tmp_path: Path) -> None:
    """If it fails, the store says that a node failed, but not in which line of whose code."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", 2, 0)
    run_nodes(pipeline, "start")
    call(pipeline, "run", "--node", "fail_until", code=1)
    with MetadataStore(str(tmp_path / "root" / "metadata.sqlite")) as store:
        failed = store.node_execution("r", "fail_until")
    assert failed is not None
    told = json.loads(failed.error)
    assert "pipelines.py:" in told["location"]
    assert told["frames"][-1].endswith(" in fail_until")
