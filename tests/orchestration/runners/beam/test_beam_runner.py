# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
import signal
import time
from pathlib import Path

import pytest
from support.pipelines import conditional, diamond, guarded, start, unreliable
from support.processes import Family

from penstock import BeamDagRunner, MetadataStore, Pipeline, RunResult
from penstock.orchestration.ir import load_ir
from penstock.orchestration.launch.outcome import NodeOutcome, RunObserver
from penstock.orchestration.launch.run import describe_run
from penstock.orchestration.metadata.records import ArtifactState, ExecutionState, RunState
from penstock.orchestration.runners.beam.node_signal import launch_after
from penstock.utils.errors import ExecutionError, ParameterError, UserCodeError

beam = pytest.mark.beam
heavy = pytest.mark.heavy


def _states(result: RunResult) -> dict[str, str]:
    return {node_id: found.state.value for node_id, found in result.outcomes.items()}


def test_compiling_writes_what_every_runner_runs(tmp_path: Path) -> None:
    """Without it, the Beam runner would have a form of pipelines of its own."""
    pipeline = diamond(tmp_path / "root")
    BeamDagRunner().compile(pipeline, str(tmp_path / "pipeline.json"))
    assert load_ir(str(tmp_path / "pipeline.json")) == pipeline.compile()


def test_a_store_in_memory_is_refused(tmp_path: Path) -> None:
    """Without it, each worker would record in a store of its own, and nobody would see it."""
    with pytest.raises(ParameterError, match="in this process's memory"):
        BeamDagRunner(metadata=":memory:").run(diamond(tmp_path))


@beam
@heavy
def test_a_failure_comes_back_as_it_was(tmp_path: Path) -> None:
    """Without it, a run on Beam would tell less of a failure than one on this machine."""
    pytest.importorskip("apache_beam")
    told: list[str] = []

    class Ear(RunObserver):
        def node_ended(self, outcome: NodeOutcome) -> None:
            told.append(outcome.node_id)

    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", attempts=9, retries=1)
    result = BeamDagRunner(observer=Ear()).run(pipeline)
    assert _states(result) == {
        "start": "complete",
        "fail_until": "failed",
        "join": "cancelled",
        "aside": "complete",
    }
    failed = result.outcomes["fail_until"]
    assert isinstance(failed.error, UserCodeError)
    assert "ValueError: attempt 2 fails" in str(failed.error)
    assert "pipelines.py" in (failed.error.location or "")
    assert failed.attempts == 2
    assert "Traceback" in Path(failed.log_path).read_text(encoding="utf-8")
    assert result.outcomes["join"].reason == "fail_until did not succeed"
    assert sorted(told) == ["aside", "fail_until", "join", "start"]
    with MetadataStore(result.metadata) as store:
        assert store.get_run(result.run.id).state is RunState.FAILED


@beam
@heavy
def test_a_resumed_run_tells_what_it_did_itself(tmp_path: Path) -> None:
    """Without it, a resumed run's result would show failures that are mended."""
    pytest.importorskip("apache_beam")
    pipeline = guarded(tmp_path / "root", tmp_path / "marker", attempts=2)
    failed = BeamDagRunner().run(pipeline)
    resumed = BeamDagRunner().run(pipeline, resume=failed.run.id).raise_for_failure()
    assert _states(resumed) == {
        "start": "cached",
        "fail_until": "complete",
        "join": "complete",
        "tell_end": "complete",
    }
    with MetadataStore(resumed.metadata) as store:
        assert store.get_run(failed.run.id).state is RunState.COMPLETE


@beam
@heavy
def test_runners_flags_replace_the_pipelines(tmp_path: Path) -> None:
    """Without it, nodes could not run on another Beam runner than their data work does."""
    pytest.importorskip("apache_beam")
    pipeline = diamond(tmp_path)
    pipeline.beam_pipeline_args = ["--runner=NoSuchRunner"]
    with pytest.raises(ExecutionError, match=r"the Beam pipeline .* failed") as caught:
        BeamDagRunner().run(pipeline, run_id="r1")
    assert "NoSuchRunner" in str(caught.value)
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        assert store.get_run("r1").state is RunState.FAILED
    runner = BeamDagRunner(beam_pipeline_args=["--runner=DirectRunner"])
    runner.run(pipeline).raise_for_failure()


def test_a_repeated_bundle_publishes_nothing_twice(tmp_path: Path) -> None:
    """Without it, a worker lost after its node had ended would leave two live results."""
    ir = Pipeline("repeated", str(tmp_path), [start(word="x")]).compile()
    run = describe_run(ir, run_id="r1", cache="off")
    metadata = str(tmp_path / "metadata.sqlite")
    with MetadataStore(metadata) as store:
        store.begin_run(run.pipeline, run.id, properties={"root": run.root})
    facts = dataclasses.asdict(run)
    first = json.loads(launch_after(ir.to_json(), "start", facts, metadata, []))
    second = json.loads(launch_after(ir.to_json(), "start", facts, metadata, [json.dumps(first)]))
    assert (first["state"], second["state"]) == ("complete", "cached")
    assert first["outputs"]["text"][0]["id"] == second["outputs"]["text"][0]["id"]
    with MetadataStore(metadata) as store:
        live = [each for each in store.list_artifacts() if each.state is ArtifactState.LIVE]
        assert len(live) == 2  # the text and its length


def test_nodes_of_a_stopped_run_do_not_start(tmp_path: Path) -> None:
    """Without it, workers elsewhere would go on with a run that somebody has stopped."""
    ir = conditional(tmp_path).compile()
    run = describe_run(ir, run_id="r1")
    metadata = str(tmp_path / "metadata.sqlite")
    with MetadataStore(metadata) as store:
        store.begin_run(run.pipeline, run.id, properties={"root": run.root})
        store.end_run(run.id, RunState.CANCELED)
    facts = dataclasses.asdict(run)
    answer = json.loads(launch_after(ir.to_json(), "start", facts, metadata, []))
    assert (answer["state"], answer["reason"]) == ("cancelled", "the run was stopped")


_NODES = '''
from penstock import ExternalArtifact, Output, component

@component
def linger(seconds: float, out: Output[ExternalArtifact]) -> None:
    """Takes its time."""
    import pathlib, time
    pathlib.Path(out.uri, "begun").touch()
    time.sleep(seconds)
'''

_SCRIPT = """
import sys
from lingering import linger
from penstock import BeamDagRunner, Pipeline
nodes = [linger(seconds=120.0 + number).with_id(f"linger_{number}") for number in range(2)]
BeamDagRunner(beam_pipeline_args=sys.argv[2:]).run(
    Pipeline("lingering", sys.argv[1], nodes), run_id="r1"
)
"""


@beam
@heavy
@pytest.mark.slow
@pytest.mark.kill
@pytest.mark.parametrize(
    "flags", [[], ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]]
)
def test_a_stopped_run_ends_its_nodes(tmp_path: Path, flags: list[str]) -> None:
    """Without it, Ctrl-C would leave nodes running, or a run that counts as running for ever."""
    pytest.importorskip("apache_beam")
    (tmp_path / "lingering.py").write_text(_NODES, encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    root = tmp_path / "root"
    family = Family([str(script), str(root), *flags], tmp_path)
    _wait_until_begun(family, root)
    family.process.send_signal(signal.SIGTERM)
    assert family.wait(60) != 0
    family.assert_gone(30)
    assert "run r1 was stopped" in family.err
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        assert store.get_run("r1").state is RunState.CANCELED
        executions = store.run_executions("r1")
    # Which of the two Beam starts first is its business; the other one must not start.
    assert [each.state for each in executions] == [ExecutionState.CANCELED]
    assert not list(root.glob("linger_*/out/*"))


def _wait_until_begun(family: Family, root: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(root.glob("linger_*/out/*/begun")):
        assert family.process.poll() is None, family.err
        assert time.monotonic() < deadline, family.err
        time.sleep(0.1)
