# SPDX-License-Identifier: Apache-2.0
"""Commands about registered models, on a pipeline that was run and changed several times."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.model_project import ROWS, weights_in, write_model_project
from support.user_project import forgetting_imports

from penstock.cli import cli


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


def run(*words: str) -> Result:
    """Runs the pipeline of this folder; it must succeed."""
    answer = penstock("run", "-q", *words)
    assert answer.exit_code == 0, answer.output
    return answer


def shown(*words: str) -> Any:
    """What a command prints as JSON."""
    answer = penstock(*words, "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def said(*words: str) -> str:
    """What a refused command says; it must end with the code of a wrong command line."""
    answer = penstock(*words)
    assert answer.exit_code == 2, answer.output
    assert "Traceback" not in answer.output
    return answer.stderr


@pytest.fixture(scope="module")
def pushed_often(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a pipeline pushed a first model, and one after each kind of change."""
    folder = tmp_path_factory.mktemp("models")
    previous = os.getcwd()
    os.chdir(folder)
    try:
        write_model_project(folder)
        run("--run-id", "first")
        run("--run-id", "unchanged")
        write_model_project(folder, rows=ROWS + "6,12\n")
        run("--run-id", "data")
        write_model_project(folder, rows=ROWS + "6,12\n", body="epochs * 3")
        run("--run-id", "code")
        run("--run-id", "hyperparameter", "--set", "train.epochs=7")
        new_column = "\n".join(f"{line},c" for line in ROWS.splitlines()) + "\n"
        write_model_project(folder, rows=new_column, body="epochs * 3")
        run("--run-id", "schema", "--set", "train.epochs=7")
    finally:
        os.chdir(previous)
    return folder


@pytest.fixture
def here(pushed_often: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder, as the current one; its destinations are still the first's."""
    folder = tmp_path / "project"
    shutil.copytree(pushed_often, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    yield folder


def newest(folder: Path) -> Path:
    """The version that a server which watches the folder serves."""
    return max((e for e in folder.iterdir() if e.name.isdigit()), key=lambda e: int(e.name))


def test_versions_follow_from_what_changed(here: Path) -> None:
    """If it fails, a version says nothing about what its callers have to expect."""
    versions = shown("models", "show", "toy")[::-1]
    assert [(each["run_id"], each["version"], each["bump"]) for each in versions] == [
        ("first", "1.0.0", "first"),
        ("data", "1.0.1", "patch"),
        ("code", "1.1.0", "minor"),
        ("hyperparameter", "1.2.0", "minor"),
        ("schema", "2.0.0", "major"),
    ]
    reasons = [each["reason"] for each in versions[1:]]
    assert "the data changed (CsvExampleGen.examples)" in reasons[0]
    assert "weight() changed" in reasons[1]
    assert "epochs: 3 → 7" in reasons[2]
    assert "feature c was added" in reasons[3]
    assert [each["stage"] for each in versions] == ["archived"] * 4 + ["production"]
    listed = shown("models", "list")
    assert [(each["model"], each["production"], each["versions"]) for each in listed] == [
        ("toy", "2.0.0", 5)
    ]


def test_tables_name_versions_stages_and_reasons(here: Path) -> None:
    """If it fails, people cannot read what scripts can."""
    table = penstock("models", "show", "toy").stdout.splitlines()
    assert table[0].split() == ["VERSION", "STAGE", "LABELS", "PUSHED", "NUMBER", "BECAUSE"]
    assert table[1].split()[:2] == ["2.0.0", "production"]
    assert penstock("models", "list").stdout.splitlines()[1].split()[:3] == [
        "toy", "2.0.0", "2.0.0",
    ]  # fmt: skip
    one = penstock("models", "show", "toy", "1.1").stdout
    assert "weight() changed" in one and "toy/Pusher, run code" in one and "auc" in one


def test_diff_names_functions_parameters_data_and_metrics(here: Path) -> None:
    """If it fails, nobody can tell why one version is better than another."""
    code = shown("models", "diff", "toy", "1.0.0", "1.1.0")
    assert [(each["kind"], each["what"]) for each in code["changes"]] == [
        ("code", "train: pipeline.py: weight() changed"),
        ("data", "the data changed (CsvExampleGen.examples)"),
    ]
    (data,) = code["data"]
    assert (data["from"]["rows"], data["to"]["rows"]) == (6, 7)
    metrics = {each["name"]: each for each in code["metrics"]}
    assert metrics["example_count"]["change"] == 0.0
    assert shown("models", "diff", "toy", "1.1", "1.1.0")["same"]
    text = penstock("models", "diff", "toy").stdout
    assert text.startswith("toy 1.2.0 → 2.0.0: a major change by the rule")
    assert "feature c was added" in text and "6 rows" in text


def test_rollback_changes_registry_and_folder_and_goes_further_back(here: Path) -> None:
    """If it fails, a bad model stays in use, or a second roll-back brings it back."""
    serving = Path(shown("models", "show", "toy", "1.1.0")["destination"]).parent
    wanted = weights_in(Path(shown("models", "show", "toy", "1.2.0")["destination"]))
    pushed_as = shown("models", "show", "toy", "1.2.0")["number"]
    answer = penstock("models", "rollback", "toy", "--note", "odd scores")
    assert answer.exit_code == 0, answer.output
    assert "production is 1.2.0 (was 2.0.0)" in answer.stdout
    assert weights_in(newest(serving)) == wanted
    told = shown("models", "show", "toy", "production")
    assert (told["version"], told["stage"]) == ("1.2.0", "production")
    assert told["destination"] == str(newest(serving)) and told["number"] == int(
        newest(serving).name
    )
    assert shown("models", "show", "toy", "2.0.0")["stage"] == "archived"
    # The folder that it was put into again leads back to it, and so does the first one.
    assert told["uri"] in penstock("lineage", told["destination"], "--up").stdout
    assert shown("models", "show", "toy", str(pushed_as))["version"] == "1.2.0"
    assert shown("models", "rollback", "toy")["version"] == "1.1.0"
    assert shown("models", "rollback", "toy", "--to", "1.0.0")["before"] == "1.1.0"
    assert "cannot be rolled back" in said("models", "rollback", "toy")


def test_unchanged_pipeline_does_not_undo_a_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, the nightly run brings a bad model back."""
    monkeypatch.chdir(tmp_path)
    write_model_project(tmp_path)
    run()
    run("--set", "train.epochs=9")
    assert shown("models", "rollback", "toy")["version"] == "1.0.0"
    folder = newest(tmp_path / "serving")
    run("--set", "train.epochs=9")
    assert newest(tmp_path / "serving") == folder
    assert shown("models", "show", "toy", "production")["version"] == "1.0.0"
    # Who pushes it again on purpose means it; folder and registry agree.
    run("--set", "train.epochs=9", "--no-cache")
    told = shown("models", "show", "toy", "production")
    assert told["version"] == "1.1.0"
    assert told["destination"] == str(newest(tmp_path / "serving"))
    assert weights_in(newest(tmp_path / "serving")).startswith("18")


def test_rollback_that_was_killed_half_way_is_done_by_doing_it_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, the second attempt rolls back too far, or fills the folder."""
    from penstock.orchestration.registry.registry import ModelRegistry

    serving = Path(shown("models", "show", "toy", "1.1.0")["destination"]).parent

    def killed(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # After the folder was written to, before the store is.
        patch.setattr(ModelRegistry, "promote", killed)
        assert penstock("models", "rollback", "toy").exit_code == 130
    assert shown("models", "show", "toy", "production")["version"] == "2.0.0"
    half_way = newest(serving)
    assert shown("models", "rollback", "toy")["version"] == "1.2.0"
    assert newest(serving) == half_way
    assert shown("models", "show", "toy", "production")["number"] == int(half_way.name)


def test_rollback_without_republishing_leaves_the_folder(here: Path) -> None:
    """If it fails, a folder changes that somebody wanted left alone."""
    serving = Path(shown("models", "show", "toy", "1.1.0")["destination"]).parent
    before = newest(serving)
    answer = penstock("models", "rollback", "toy", "--no-republish")
    assert answer.exit_code == 0 and "highest number" in answer.stdout
    assert newest(serving) == before


def test_archived_version_is_passed_over_by_rollback(here: Path) -> None:
    """If it fails, a roll-back lands on a version that somebody put away."""
    assert shown("models", "archive", "toy", "1.2.0")["stage"] == "archived"
    assert shown("models", "rollback", "toy", "--no-republish")["version"] == "1.1.0"
    assert "is in production" in said("models", "archive", "toy", "1.1.0")


def test_labels_move_and_are_found(here: Path) -> None:
    """If it fails, an A/B test cannot name its versions."""
    assert shown("models", "label", "toy", "1.1.0", "canary") == {"canary": "1.1.0"}
    assert shown("models", "label", "toy", "1.2.0", "canary") == {"canary": "1.2.0"}
    assert shown("models", "show", "toy", "canary")["labels"] == ["canary"]
    assert shown("models", "label", "toy", "--remove", "canary") == {}
    for label in ("production", "1.0", "a/b"):
        assert "cannot be a label" in said("models", "label", "toy", "1.1.0", label)


def test_bump_takes_the_old_versions_place(here: Path) -> None:
    """If it fails, a version that was numbered wrongly stays so."""
    told = shown("models", "bump", "toy", "major", "--note", "new meaning of the score")
    assert (told["version"], told["stage"], told["bump"]) == ("3.0.0", "production", "set")
    assert shown("models", "show", "toy", "2.0.0")["stage"] == "archived"
    assert "would go backwards" in said("models", "bump", "toy", "2.5.0")
    assert "did you mean: major" in said("models", "bump", "toy", "mjor")
    assert "says neither" in said("models", "bump", "toy", "next")
    assert "three numbers" in said("models", "bump", "toy", "4.x")
    assert shown("models", "rollback", "toy", "--no-republish")["version"] == "1.2.0"


def test_unknown_names_and_versions_suggest_the_nearest(here: Path) -> None:
    """If it fails, a typing mistake ends in a search."""
    assert "did you mean: toy" in said("models", "show", "tyo")
    assert "no version '1.9'" in said("models", "show", "toy", "1.9")
    assert "did you mean: 1.1.0" in said("models", "promote", "toy", "1.10")
    assert "penstock models list" in said("models", "diff", "other")


def test_store_without_pushes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, an empty registry looks like a defect."""
    monkeypatch.chdir(tmp_path)
    write_model_project(tmp_path)
    run("--to-node", "train")
    assert shown("models", "list") == []
    assert "nothing was pushed yet" in said("models", "show", "toy")
    assert "nothing was pushed yet" in said("models", "rollback", "toy")


def test_candidate_waits_out_of_sight_until_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, a server loads a model that nobody released."""
    monkeypatch.chdir(tmp_path)
    write_model_project(tmp_path)
    run()
    in_use = newest(tmp_path / "serving")
    changed = ("--set", "train.epochs=5", "--set", "Pusher.stage=candidate")
    run(*changed)
    assert newest(tmp_path / "serving") == in_use
    told = shown("models", "show", "toy", "latest")
    assert (told["version"], told["stage"]) == ("1.1.0", "candidate")
    assert Path(told["destination"], "weights").is_file()
    assert shown("models", "promote", "toy", "latest")["version"] == "1.1.0"
    assert newest(tmp_path / "serving") != in_use
    assert weights_in(newest(tmp_path / "serving")).startswith("10")
    run(*changed)
    assert shown("models", "list")[0]["versions"] == 2
