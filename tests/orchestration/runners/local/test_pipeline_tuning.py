# SPDX-License-Identifier: Apache-2.0
"""Searches over a whole pipeline: what they execute, record, repeat and refuse."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.processes import Family
from support.tunable import create_pipeline
from support.user_project import forgetting_imports

import penstock
from penstock import (
    Choice,
    FloatRange,
    IntRange,
    LocalRunner,
    MetadataStore,
    PenstockError,
    TuneResult,
    resume_tuning,
    tune,
)
from penstock.cli import cli
from penstock.components.train.tuning.trial_records import read_trials
from penstock.orchestration.metadata.records import ExecutionState, RunState

pytest.importorskip("optuna")

RATE = FloatRange(1e-4, 1e-1, log=True)


def search(root: Path, **settings: Any) -> TuneResult:
    """A search for the least loss."""
    wanted: dict[str, Any] = {"objective": "train.loss", "direction": "minimize", **settings}
    return tune(create_pipeline(root), **wanted)


def counts(root: Path) -> Counter[tuple[str, str]]:
    """How many executions of each node ended how, in all runs."""
    found: Counter[tuple[str, str]] = Counter()
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        for run in store.list_runs(limit=1000):
            found.update((e.node_id, e.state.value) for e in store.run_executions(run.id))
    return found


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TuneResult]:
    """Twenty trials over what the pipeline itself declares."""
    root = tmp_path_factory.mktemp("twenty")
    return root, search(root, trials=20, seed=3, study="twenty")


def test_twenty_trials_execute_what_they_share_once(twenty: tuple[Path, TuneResult]) -> None:
    """If it fails, a search recomputes what its trials did not change, or pushes models."""
    root, result = twenty
    found = counts(root)
    for shared in ("ingest", "validate", "transform"):
        assert found.pop((shared, "complete")) == 1, shared
        assert found.pop((shared, "cached")) == 19, shared
    assert found == {("train", "complete"): 20}
    assert [each.number for each in result.trials] == list(range(20))


def test_each_trial_is_a_recorded_run(twenty: tuple[Path, TuneResult]) -> None:
    """If it fails, a trial cannot be looked up, or its record does not say what was tried."""
    root, result = twenty
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        for trial in result.trials:
            run = store.get_run(trial.run_id)
            assert run.state is RunState.COMPLETE
            assert run.properties["study"] == "twenty"
            assert run.properties["trial"] == trial.number
            assert json.loads(str(run.properties["tried"])) == trial.parameters
            train = store.node_execution(run.id, "train")
            assert train is not None
            assert train.parameters["rate"] == trial.parameters["train.rate"]
            assert train.parameters["units"] == 4
            assert store.outputs_of(train.id)["loss"][0].read() == trial.value  # type: ignore[attr-defined]


def test_result_says_what_is_best_and_how_to_run_with_it(twenty: tuple[Path, TuneResult]) -> None:
    """If it fails, the outcome of a search is of no use."""
    root, result = twenty
    best = result.best
    assert best is not None
    assert best.value == min(each.value for each in result.trials if each.value is not None)
    assert abs(math.log10(best.parameters["train.rate"]) + 2) < 0.3, "it did not search well"
    assert result.options == ["--set", f"train.rate={best.parameters['train.rate']}"]
    pipeline = create_pipeline(root).override(result.best_parameters)
    run = LocalRunner().run(pipeline, selection=penstock.Selection(to_nodes=("train",)))
    assert {each.state.value for each in run.outcomes.values()} == {"cached"}
    assert result.importance == {"train.rate": 1.0}
    names = {os.path.basename(path) for path in result.files}
    assert {"optimization_history.png", "parameter_importance.png", "report.html"} == names
    assert all(os.path.getsize(path) > 1000 for path in result.files)
    assert read_trials(result.folder)["best"] == best.number
    rows = Path(result.folder, "trials.csv").read_text().splitlines()
    assert len(rows) == 21 and rows[0].startswith("trial,state,value,train.rate,seed")


def test_any_parameter_of_any_node_is_searched(tmp_path: Path) -> None:
    """If it fails, only a Trainer can be tuned, or trials get in each other's way."""
    space = {
        "train.rate": None,
        "train.units": IntRange(2, 16, step=2),
        "transform.settings.buckets": "int(2, 6)",
        "rows": Choice([12, 24]),
    }
    results = [
        search(tmp_path / str(parallel), space=space, trials=9, sampler="random",
               parallel=parallel, seed=1)
        for parallel in (1, 3)
    ]  # fmt: skip
    for result in results:
        assert all(each.state == "complete" for each in result.trials)
        assert {len(each.parameters) for each in result.trials} == {4}
    assert [(t.parameters, t.value, t.seed) for t in results[0].trials] == [
        (t.parameters, t.value, t.seed) for t in results[1].trials
    ], "a search side by side finds something else"
    tried = [each.parameters for each in results[0].trials]
    serial = counts(tmp_path / "1")
    assert serial["ingest", "complete"] == len({each["rows"] for each in tried}) == 2
    buckets = {(each["rows"], each["transform.settings.buckets"]) for each in tried}
    assert serial["transform", "complete"] == len(buckets) < 9
    with MetadataStore(str(tmp_path / "1" / "metadata.sqlite")) as store:
        execution = store.node_execution(results[0].trials[0].run_id, "transform")
        assert execution is not None
        buckets_first = tried[0]["transform.settings.buckets"]
        assert execution.parameters["settings"] == {"buckets": buckets_first, "note": "as it was"}
    assert "--param" in results[0].options and "--set" in results[0].options


def test_trials_that_repeat_parameters_are_reused(tmp_path: Path) -> None:
    """If it fails, a combination is trained again though its result is known."""
    result = search(tmp_path, space={"train.units": [4, 8]}, trials=8, sampler="random", parallel=4)
    tried = [each.parameters["train.units"] for each in result.trials]
    assert set(tried) == {4, 8}
    found = counts(tmp_path)
    assert found["train", "complete"] == 2 and found["train", "cached"] == 6
    assert len({each.run_id for each in result.trials}) == 8
    values = {(each.parameters["train.units"], each.value) for each in result.trials}
    assert len(values) == 2


def test_grid_tries_all_combinations_once(tmp_path: Path) -> None:
    """If it fails, a grid leaves combinations out, or goes on after the last one."""
    space = {"train.units": "int(4, 8, step=2)", "train.rate": [0.1, 0.01]}
    result = search(tmp_path, space=space, trials=50, sampler="grid")
    tried = {(t.parameters["train.units"], t.parameters["train.rate"]) for t in result.trials}
    assert tried == {(u, r) for u in (4, 6, 8) for r in (0.1, 0.01)}
    assert len(result.trials) == 6
    assert result.best_parameters == {"train.units": 8, "train.rate": 0.01}


def test_failed_trials_are_recorded_and_do_not_end_the_search(tmp_path: Path) -> None:
    """If it fails, one bad combination costs the whole search, or counts as a good one."""
    space = {"train.kind": Choice(["plain", "broken", "nan", "killed"])}
    result = search(tmp_path, space=space, trials=4, sampler="grid", max_failures=3)
    by_kind = {each.parameters["train.kind"]: each for each in result.trials}
    assert {kind: each.state for kind, each in by_kind.items()} == {
        "plain": "complete", "broken": "failed", "nan": "failed", "killed": "failed",
    }  # fmt: skip
    assert "it does not converge" in by_kind["broken"].reason
    assert "train.loss is nan" in by_kind["nan"].reason
    assert by_kind["killed"].reason and by_kind["nan"].value is None
    assert result.best_parameters == {"train.kind": "plain"}
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        assert store.get_run(by_kind["broken"].run_id).state is RunState.FAILED
        failed = store.node_execution(by_kind["broken"].run_id, "train")
        assert failed is not None and failed.state is ExecutionState.FAILED
    with pytest.raises(PenstockError, match="trials of study hopeless failed, which") as e:
        search(tmp_path, space={"train.kind": ["broken"]}, trials=30, study="hopeless",
               max_failures=2)  # fmt: skip
    assert "it does not converge" in str(e.value) and "penstock runs show" in str(e.value)
    kept = read_trials(str(tmp_path / ".tuning" / "hopeless"))
    assert [each["state"] for each in kept["trials"]] == ["failed"] * 3


@pytest.mark.parametrize(
    ("settings", "said", "suggestion"),
    [
        ({"space": {"train.rats": RATE}}, "no parameter 'rats'", "rate"),
        ({"space": {"trian.rate": RATE}}, "no node's parameter", "train.rate"),
        ({"space": {"train.units": RATE}}, "'units' has the wrong type|not acceptable", None),
        ({"space": {"train.rate": "flaot(0, 1)"}}, "its type is unknown", "float"),
        ({"space": {"train.units": None}}, "no search space is declared", None),
        ({"space": {"train.rate.low": RATE}}, "reaches into a plain value", None),
        ({"space": {"push.x": RATE}}, "no parameter 'x'", None),
        ({"objective": "trian.loss"}, "names nothing", "train.loss"),
        ({"objective": "loss"}, "names nothing", None),
        ({"objective": "train.los", "trials": 2}, "no number called 'los'", "loss"),
        ({"objective": "transform.rows"}, "train.rate cannot influence transform.rows", None),
        ({"direction": "minimise"}, "no direction", "minimize"),
        ({"sampler": "tep"}, "no sampler", "tpe"),
        ({"trials": 0}, "trials must be at least 1", None),
        ({"study": "../x"}, "cannot be a run id", None),
    ],
)
def test_mistakes_are_named_before_anything_is_searched(
    tmp_path: Path, settings: dict[str, Any], said: str, suggestion: str | None
) -> None:
    """If it fails, a typing error is found late, or is answered by a riddle."""
    with pytest.raises(PenstockError, match=said) as caught:
        search(tmp_path, **settings)
    if suggestion:
        assert caught.value.suggestion == suggestion
    assert (
        counts(tmp_path)["train", "complete"] <= 1
        if tmp_path.joinpath("metadata.sqlite").exists()
        else True
    )


def test_objective_that_is_missing_says_what_there_is(tmp_path: Path) -> None:
    """If it fails, a user has to guess which numbers a node puts out."""
    with pytest.raises(PenstockError, match="no number called 'accuracy'") as caught:
        search(tmp_path, objective="train.accuracy")
    assert "loss" in str(caught.value.expected)
    assert counts(tmp_path)["train", "complete"] == 1, "it went on though no trial can have it"


def test_nothing_to_search_is_an_error_that_helps(tmp_path: Path) -> None:
    """If it fails, a search without a space tries the same thing over and over."""
    pipeline = create_pipeline(tmp_path)
    pipeline.find("train").search_space.clear()
    with pytest.raises(PenstockError, match="nothing to search") as caught:
        tune(pipeline, objective="train.loss", direction="minimize")
    assert "--param" in str(caught.value) and "with_search_space" in str(caught.value)
    with pytest.raises(PenstockError, match="cannot be changed any more"):
        tune(pipeline.compile(), objective="train.loss", direction="minimize",
             space={"train.rate": RATE})  # fmt: skip
    result = tune(pipeline.compile(), objective="train.loss", direction="minimize", trials=2,
                  space={"rows": "int(8, 9)"})  # fmt: skip
    assert result.options[0] == "--param"


def test_resumed_search_adds_trials_and_refuses_another_pipeline(tmp_path: Path) -> None:
    """If it fails, a study mixes trials of different pipelines, or repeats what it did."""
    first = search(tmp_path, trials=3, study="s", sampler="random")
    more = resume_tuning(create_pipeline(tmp_path), trials=5)
    assert more.study == "s" and len(more.trials) == 5
    assert [t.to_dict() for t in more.trials[:3]] == [t.to_dict() for t in first.trials]
    whole = search(tmp_path, trials=5, study="whole", sampler="random")
    assert [t.value for t in whole.trials] == [t.value for t in more.trials]
    changed = create_pipeline(tmp_path).override({"train.units": 5})
    with pytest.raises(PenstockError, match="has changed since study s began"):
        resume_tuning(changed, "s")
    with pytest.raises(PenstockError, match="no study 'whloe'") as caught:
        resume_tuning(create_pipeline(tmp_path), "whloe")
    assert caught.value.suggestion == "whole"
    with pytest.raises(PenstockError, match="a study 's' already"):
        search(tmp_path, study="s")


@pytest.mark.kill
def test_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    """If it fails, a killed search loses or repeats trials, or ends up with other values."""
    words = ["-m", "support.tunable", str(tmp_path / "root"), "s"]
    for number in (2, 5):
        family = Family([*words, *(["resume"] if number > 2 else [])], tmp_path)
        family.wait_for(f"ended {number}")
        family.process.kill()
        family.wait()
        family.assert_gone()
    assert Family([*words, "resume"], tmp_path).wait() == 0
    found = read_trials(str(tmp_path / "root" / ".tuning" / "s"))
    assert [each["state"] for each in found["trials"]] == ["complete"] * 8
    undisturbed = search(tmp_path / "other", trials=8, seed=5)
    assert [each["parameters"] for each in found["trials"]] == [
        dict(each.parameters) for each in undisturbed.trials
    ]
    assert [each["value"] for each in found["trials"]] == [e.value for e in undisturbed.trials]
    executed = counts(tmp_path / "root")
    assert executed["ingest", "complete"] == 1 and executed["train", "complete"] == 8


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the pipeline's file, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    source = Path(create_pipeline.__code__.co_filename).read_text()
    (tmp_path / "pipeline.py").write_text(source)
    with forgetting_imports():
        yield tmp_path


def penstock_tune(*words: str) -> Result:
    """Runs `penstock tune` in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, ["tune", *words], prog_name="penstock")


WHAT = ("--objective", "train.loss", "--direction", "minimize")


def test_command_line_searches_and_tells(project: Path) -> None:
    """If it fails, `penstock tune` does not say what it found, or how to use it."""
    (project / "space.yaml").write_text("train: {units: {low: 2, high: 8}}\n")
    words = [*WHAT, "--trials", "3", "--param", "train.rate", "--space", "space.yaml",
             "--set", "transform.settings.buckets=3", "--run-param", "rows=9"]  # fmt: skip
    answer = penstock_tune(*words, "--study", "cli")
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "study cli: 3 trials, minimize train.loss, seed 0"
    assert lines[1].startswith("trial   0") and "(4 ran, 0 reused" in lines[1]
    assert "(1 ran, 3 reused" in lines[2]
    assert any(line.startswith("TRIAL") and "TRAIN.UNITS" in line for line in lines)
    (command,) = [line for line in lines if line.startswith("  penstock run")]
    assert "--set transform.settings.buckets=3 --param rows=9 --set train." in command
    more = penstock_tune("--resume", "last", "--trials", "4", "--json",
                         "--set", "transform.settings.buckets=3")  # fmt: skip
    assert more.exit_code == 0, more.output
    told = json.loads(more.stdout)
    assert told["study"] == "cli" and len(told["trials"]) == 4
    assert told["trials"][3]["run_id"] == "cli-trial-003"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--trials", "2"), "--objective is missing"),
        (("--objective", "train.loss"), "--direction is missing"),
        ((*WHAT, "--param", "train.rate=flaot(0,1)"), "did you mean: float"),
        ((*WHAT, "--param", "trian.rate=float(0.1,1)"), "did you mean: train.rate"),
        (("--objective", "train.lss", "--direction", "minimize", "-q"), "did you mean: loss"),
        (("--resume", "none"), "no study 'none'"),
        (("--resume", "last", "--seed", "4"), "--seed cannot be changed"),
    ],
)
def test_command_line_mistakes(project: Path, words: tuple[str, ...], said: str) -> None:
    """If it fails, a mistake on the command line is not explained, or exits as a success."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "penstock", "tune", *words], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split()), done.stderr
