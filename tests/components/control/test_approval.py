# SPDX-License-Identifier: Apache-2.0
"""Runs that park until somebody approves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.pipelines import Text, start, write
from support.user_project import forgetting_imports

from penstock import (
    FAILED_NODES,
    Approval,
    ApprovalRecord,
    Component,
    Filesystem,
    Importer,
    Input,
    LocalRunner,
    MetadataStore,
    Model,
    ModelBlessing,
    OptionalInput,
    Output,
    Pipeline,
    PushDestination,
    Pusher,
    component,
)
from penstock.cli import cli
from penstock.orchestration.launch.approval import decide, pending
from penstock.orchestration.runners.beam.beam_dag_runner import BeamDagRunner
from penstock.utils.errors import ApprovalPending, DataError, GateError


@component
def train(word: str, model: Output[Model]) -> None:
    """Makes a model of a word."""
    Path(model.uri, "model").write_text(word, encoding="utf-8")


@component
def train_to_serve(word: str, model: Output[Model]) -> None:
    """Makes what a Pusher takes for a model."""
    folder = Path(model.uri, "Format-Serving")
    folder.mkdir()
    Path(folder, "saved_model.pb").write_text(word, encoding="utf-8")


@component
def bless(model: Input[Model], verdict: int, blessing: Output[ModelBlessing]) -> None:
    """Gives a verdict."""
    blessing.custom_properties["blessed"] = verdict


@component
def push(model: Input[Model], approval: OptionalInput[ApprovalRecord], text: Output[Text]) -> None:
    """Hands a model over."""
    by = approval.custom_properties["by"] if approval else "nobody"
    write(text, f"{Path(model.uri, 'model').read_text()} by {by}")


@component
def at_end(failed: str, text: Output[Text]) -> None:
    """Writes at the very end."""
    write(text, f"failed: {failed or 'none'}")


def guarded(root: Path, word: str = "good", **options: object) -> Pipeline:
    """A model that somebody has to approve, an exit handler, and a node beside them."""
    trained = train(word=word)
    asked = Approval(model=trained.outputs["model"], **options)  # type: ignore[arg-type]
    pushed = push(model=trained.outputs["model"], approval=asked.outputs["approval"])
    aside = start(word="aside")
    return Pipeline(
        "guarded", str(root), [trained, asked, pushed, aside], on_exit=at_end(failed=FAILED_NODES)
    )


def states(result: object) -> dict[str, str]:
    """How each node ended."""
    return {name: found.state.value for name, found in result.outcomes.items()}  # type: ignore[attr-defined]


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


def answer(store: MetadataStore, run_id: str, *, approve: bool, by: str = "ada") -> None:
    """Decides the one question of a run."""
    (question,) = pending(store, run_id)
    decide(store, question, approve=approve, by=by, note="looked", now="2026-01-02T03:04:05+00:00")


PARKED = {
    "train": "complete",
    "Approval": "parked",
    "push": "cancelled",
    "start": "complete",
    "at_end": "cancelled",
}
DONE = {
    "train": "cached",
    "Approval": "complete",
    "push": "complete",
    "start": "cached",
    "at_end": "complete",
}


@pytest.mark.parametrize("runner", ["local", pytest.param("beam", marks=pytest.mark.beam)])
def test_a_run_parks_and_goes_on_once_approved(tmp_path: Path, runner: str) -> None:
    """If it fails, a model is pushed before anybody agreed, or not after somebody did."""
    pipeline = guarded(tmp_path / "root")
    run = {"local": LocalRunner, "beam": BeamDagRunner}[runner]().run
    first = run(pipeline)
    assert states(first) == PARKED
    assert first.outcomes["push"].reason == "Approval is not approved yet"
    with pytest.raises(ApprovalPending, match="waits for somebody to approve"):
        first.raise_for_failure()
    with MetadataStore(first.metadata, create=False) as store:
        assert store.get_run(first.run.id).state.value == "parked"
        answer(store, first.run.id, approve=True)
    second = run(pipeline, resume=first.run.id).raise_for_failure()
    assert states(second) == DONE
    (pushed,) = second.outcomes["push"].outputs["text"]
    assert Path(pushed.uri, "text").read_text() == "good by ada"
    (record,) = second.outcomes["Approval"].outputs["approval"]
    told = {"by": "ada", "note": "looked", "decided_at": "2026-01-02T03:04:05+00:00"}
    assert json.loads(Path(record.uri, "approval.json").read_text()) == told
    assert {name: record.custom_properties[name] for name in told} == told


def test_an_approval_holds_for_the_content_that_was_shown(tmp_path: Path) -> None:
    """If it fails, people are asked again for nothing, or not for what they have not seen."""
    first = LocalRunner().run(guarded(tmp_path / "root"))
    with MetadataStore(first.metadata, create=False) as store:
        answer(store, first.run.id, approve=True)
    again = LocalRunner().run(guarded(tmp_path / "root"))
    assert states(again)["Approval"] == "complete"  # the parked run never went on itself
    third = LocalRunner().run(guarded(tmp_path / "root"))
    assert states(third)["Approval"] == "cached"
    other = LocalRunner().run(guarded(tmp_path / "root", word="other"))
    assert states(other)["Approval"] == "parked"


def test_what_was_rejected_is_refused_until_somebody_approves_it(tmp_path: Path) -> None:
    """If it fails, a rejected model goes out, or a decision cannot be taken back."""
    pipeline = guarded(tmp_path / "root")
    first = LocalRunner().run(pipeline)
    with MetadataStore(first.metadata, create=False) as store:
        answer(store, first.run.id, approve=False)
    refused = LocalRunner().run(pipeline, resume=first.run.id)
    assert states(refused)["Approval"] == "failed"
    with pytest.raises(GateError, match=r"ada rejected it on 2026-01-02T03:04:05\+00:00: looked"):
        refused.raise_for_failure()
    with MetadataStore(first.metadata, create=False) as store:
        answer(store, first.run.id, approve=True, by="eve")
    assert states(LocalRunner().run(pipeline, resume=first.run.id))["push"] == "complete"


def test_only_those_named_may_decide(tmp_path: Path) -> None:
    """If it fails, anybody's word counts where a pipeline names who decides."""
    first = LocalRunner().run(guarded(tmp_path / "root", approvers=["ada", "eve"]))
    assert "ada, eve" in str(first.outcomes["Approval"].error)
    with MetadataStore(first.metadata, create=False) as store:
        with pytest.raises(DataError, match="bob may not decide this"):
            answer(store, first.run.id, approve=True, by="bob")
        answer(store, first.run.id, approve=True, by="eve")


@component
def abstain(model: Input[Model], blessing: Output[ModelBlessing]) -> None:
    """Gives no verdict, as an Evaluator without thresholds does."""
    blessing.custom_properties["reason"] = "no threshold"


@pytest.mark.parametrize("judge", [lambda model: bless(model=model, verdict=0), abstain])
def test_nobody_is_asked_about_a_model_that_is_not_blessed(tmp_path: Path, judge: Any) -> None:
    """If it fails, people are bothered with models that could not go out anyway."""
    trained = train(word="bad")
    verdict = judge(model=trained.outputs["model"])
    asked = Approval(model=trained.outputs["model"], model_blessing=verdict.outputs["blessing"])
    result = LocalRunner().run(Pipeline("p", str(tmp_path / "root"), [trained, verdict, asked]))
    with pytest.raises(GateError, match="not blessed"):
        result.raise_for_failure()


def test_it_is_a_component_like_others() -> None:
    """If it fails, an approval cannot be wired, compiled or documented like other nodes."""
    assert issubclass(Approval, Component)
    found = Importer("somewhere", Model)
    pipeline = Pipeline("p", "root", [found, Approval(model=found.outputs["result"])])
    (node,) = [each for each in pipeline.compile().nodes if each.id == "Approval"]
    assert (node.executor.kind, node.outputs) == ("approval", {"approval": "ApprovalRecord"})


PROJECT = """
from pathlib import Path
from penstock import Approval, Input, Model, Output, Pipeline, RuntimeParameter, component

@component
def train(word: str, model: Output[Model]) -> None:
    Path(model.uri, "model").write_text(word)

@component
def push(model: Input[Model], there: Output[Model]) -> None:
    Path(there.uri, "model").write_text(Path(model.uri, "model").read_text())

def create_pipeline():
    trained = train(word=RuntimeParameter("word", str, "a"))
    asked = Approval(model=trained.outputs["model"], instructions="look twice")
    pushed = push(model=trained.outputs["model"]).add_upstream_nodes([asked])
    return Pipeline("asks", ".penstock/asks", [trained, asked, pushed])
"""


def test_the_command_line_asks_records_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, whoever decides at a terminal cannot, or the run stays parked after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    Path("pipeline.py").write_text(PROJECT)
    assert '"somebody has to approve it"' not in penstock("plan", "--json").stdout
    ran = penstock("run", "--param", "word=zebra")
    assert ran.exit_code == 4, ran.output
    assert "to look at:   look twice" in ran.stderr and "penstock approve" in ran.stderr
    assert "somebody has to approve it" in penstock("plan", "--param", "word=zebra").stdout
    assert "look twice" in penstock("approvals").stdout
    assert json.loads(penstock("runs", "list", "--state", "parked", "--json").stdout)
    wrong = penstock("approve", "last", "Aproval")
    assert wrong.exit_code == 2 and "did you mean: Approval" in wrong.stderr
    assert "name its run before it" in penstock("approve", "Approval").stderr
    done = penstock("approve", "last", "Approval", "--by", "ada", "--note", "fine")
    assert done.exit_code == 0, done.output
    assert "is approved by ada" in done.stdout
    (pushed,) = Path(".penstock/asks/push/there").glob("*/model")
    assert pushed.read_text() == "zebra"  # with the parameters of the run that was parked
    assert "Nothing waits." in penstock("approvals").output
    nothing = penstock("reject")
    assert nothing.exit_code == 2 and "is approved already, by ada" in nothing.stderr
    assert penstock("run", "--param", "word=gnu").exit_code == 4
    assert penstock("reject", "last", "--by", "ada").exit_code == 0
    assert penstock("run", "--resume", "last").exit_code == 3
    after_all = penstock("approve", "last", "--by", "ada").stdout
    (again,) = re.findall("to go on with it: penstock (run .* --resume .*)", after_all)
    assert penstock(*again.split()).exit_code == 0


def test_a_single_node_says_that_it_is_parked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, an outside engine cannot tell a parked node from a failed one."""
    monkeypatch.chdir(tmp_path)
    Path("pipeline.py").write_text(PROJECT)
    assert penstock("compile", "-o", "ir.json").exit_code == 0
    base = ("--ir", "ir.json", "--run-id", "r1")
    first = penstock("node", "run", *base, "--node", "train")
    assert first.exit_code == 0, first.output
    assert penstock("node", "run", *base, "--node", "Approval").exit_code == 4
    blocked = penstock("node", "run", *base, "--node", "push")
    assert blocked.exit_code == 2, blocked.output
    assert penstock("approve", "r1", "--by", "ada").exit_code == 0
    assert penstock("node", "run", *base, "--node", "Approval").exit_code == 0
    assert penstock("node", "run", *base, "--node", "push").exit_code == 0


def test_the_pusher_waits_for_an_approval(tmp_path: Path) -> None:
    """If it fails, a model goes out that nobody approved, or an approved one does not."""
    trained = train_to_serve(word="good")
    asked = Approval(model=trained.outputs["model"])
    pusher = Pusher(
        model=trained.outputs["model"],
        approval=asked.outputs["approval"],
        push_destination=PushDestination(
            filesystem=Filesystem(base_directory=str(tmp_path / "serving"))
        ),
    )
    pipeline = Pipeline("pushing", str(tmp_path / "root"), [trained, asked, pusher])
    first = LocalRunner().run(pipeline)
    assert first.parked and not (tmp_path / "serving").exists()
    with MetadataStore(str(tmp_path / "root" / "metadata.sqlite")) as store:
        answer(store, first.run.id, approve=True)
    assert LocalRunner().run(pipeline).succeeded
    assert [each.name for each in (tmp_path / "serving").iterdir() if each.name.isdigit()]
