# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from support.pipelines import (
    Text,
    chain,
    extend,
    fail_until,
    guarded,
    pass_on,
    read,
    start,
    tell_end,
)

from penstock import FAILED_NODES, Importer, LocalRunner, Pipeline, PipelineInputs, Selection
from penstock.orchestration.launch.run import describe_run
from penstock.orchestration.runners.local.single_node import run_single_node
from penstock.utils.errors import ParameterError, WiringError


def _states(pipeline: Pipeline, **options: object) -> dict[str, str]:
    result = LocalRunner().run(pipeline, **options)  # type: ignore[arg-type]
    return {node_id: found.state.value for node_id, found in result.outcomes.items()}


def test_an_exit_handler_is_told_which_nodes_failed(tmp_path: Path) -> None:
    """Without it, nobody could tell a failed run's people what failed."""
    result = LocalRunner().run(guarded(tmp_path / "root", tmp_path / "marker", attempts=9))
    assert not result.succeeded
    told = read(result.outcomes["tell_end"].outputs["told"][0])
    assert told == "failed: fail_until; g, (nothing)"


def test_an_exit_handler_runs_again_when_a_run_is_resumed(tmp_path: Path) -> None:
    """Without it, people would hear of the failure, but not that it is mended."""
    pipeline = guarded(tmp_path / "root", tmp_path / "marker", attempts=2)
    failed = LocalRunner().run(pipeline)
    resumed = LocalRunner().run(pipeline, resume=failed.run.id).raise_for_failure()
    assert resumed.outcomes["tell_end"].reason == "it runs at the end of every run"
    assert read(resumed.outcomes["tell_end"].outputs["told"][0]) == "failed: none; g, at last"


def test_an_inner_pipelines_exit_handler_ends_only_that(tmp_path: Path) -> None:
    """Without it, a pipeline would lose its exit handler when it is put into another."""
    shaky = fail_until(marker=str(tmp_path / "marker"), attempts=9)
    last = tell_end(failed=FAILED_NODES, shaky=shaky.outputs["text"])
    inner = Pipeline("inner", components=[shaky], on_exit=last)
    after = pass_on(number=1).add_upstream_nodes([inner])
    aside = pass_on(number=2).with_id("aside")
    end = pass_on(number=3).with_id("end")
    outer = Pipeline("outer", str(tmp_path / "root"), [inner, after, aside], on_exit=end)
    assert _states(outer) == {
        "inner.fail_until": "failed",
        "inner.tell_end": "complete",
        "pass_on": "cancelled",
        "aside": "complete",
        "end": "complete",
    }


def test_any_node_can_run_always(tmp_path: Path) -> None:
    """Without it, what has to be cleaned up in the middle of a pipeline would stay."""
    shaky = fail_until(marker=str(tmp_path / "marker"), attempts=9)
    between = extend(text=shaky.outputs["text"], suffix="-")
    clean = pass_on(number=1).with_policy(trigger="always").add_upstream_nodes([between])
    after = pass_on(number=2, after=clean.outputs["out"]).with_id("after")
    pipeline = Pipeline("cleaning", str(tmp_path / "root"), [shaky, between, clean, after])
    assert _states(pipeline) == {
        "fail_until": "failed",
        "extend": "cancelled",
        "pass_on": "complete",
        "after": "complete",
    }


def test_an_exit_handler_that_needs_what_is_not_there_is_skipped(tmp_path: Path) -> None:
    """Without it, a handler with an input that is not optional would fail, and hide the cause."""
    shaky = fail_until(marker=str(tmp_path / "marker"), attempts=9)
    last = extend(text=shaky.outputs["text"], suffix="!")
    pipeline = Pipeline("needing", str(tmp_path / "root"), [shaky], on_exit=last)
    assert _states(pipeline) == {"fail_until": "failed", "extend": "skipped"}


def test_a_long_chain_behind_a_failure_is_left_out(tmp_path: Path) -> None:
    """Without it, a failure at the head of a long pipeline would end in a recursion error."""
    pipeline = chain(tmp_path / "root", 1500)
    broken = Importer(str(tmp_path / "nowhere"), Text)
    pipeline.find("n0").add_upstream_nodes([broken])
    states = _states(Pipeline("long", str(tmp_path / "root"), [broken, *pipeline.components]))
    assert states.pop("Importer") == "failed"
    assert set(states.values()) == {"cancelled"}


def test_part_of_a_pipeline_can_end_with_its_exit_handler(tmp_path: Path) -> None:
    """Without it, `--from-node` would ask for results of nodes that never succeeded."""
    pipeline = guarded(tmp_path / "root", tmp_path / "marker", attempts=9)
    assert _states(pipeline, selection=Selection(only=["tell_end"])) == {"tell_end": "complete"}


def test_an_outside_engine_can_run_an_exit_handler_after_a_failure(tmp_path: Path) -> None:
    """Without it, `penstock node run` would refuse the handler since a node before it failed."""
    ir = guarded(tmp_path / "root", tmp_path / "marker", attempts=9).compile()
    run = describe_run(ir, run_id="r1")
    for node_id in ("start", "fail_until"):
        run_single_node(ir, node_id, run)
    outcome = run_single_node(ir, "tell_end", run)
    assert read(outcome.outputs["told"][0]) == "failed: fail_until; g, (nothing)"


def test_what_cannot_be_an_exit_handler_is_refused(tmp_path: Path) -> None:
    """Without it, a pipeline given by mistake would run before everything else."""
    inner = Pipeline("inner", components=[start(word="x")], inputs=PipelineInputs())
    with pytest.raises(WiringError, match="cannot end with"):
        Pipeline("p", str(tmp_path), [start(word="y")], on_exit=inner)


def test_a_misspelt_trigger_names_the_nearest() -> None:
    """Without it, a misspelt trigger would mean the default."""
    with pytest.raises(ParameterError, match="trigger is unknown") as caught:
        pass_on(number=1).with_policy(trigger="allways")
    assert caught.value.suggestion == "always"
