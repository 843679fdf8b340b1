# SPDX-License-Identifier: Apache-2.0
"""Commands that look into a store: runs, artifacts, lineage, garbage."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.user_project import forgetting_imports, write_project

from penstock.cli import cli


def penstock(*words: str, **options: Any) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock", **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a pipeline ran once well, once not at all, and failed once."""
    folder = tmp_path_factory.mktemp("store")
    write_project(folder, "toy")
    previous = os.getcwd()
    os.chdir(folder)
    try:
        for run_id, words in [
            ("one", []),
            ("two", []),
            ("three", ["--param", "title=raise", "--set", "train.epochs=4"]),
        ]:
            answer = penstock("run", "toy.py", "--run-id", run_id, *words)
            assert answer.exit_code == (run_id == "three"), answer.output
    finally:
        os.chdir(previous)
    return folder


@pytest.fixture
def here(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same folder, as the current one."""
    monkeypatch.chdir(finished)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    yield finished


def shown(*words: str) -> Any:
    """What a command prints as JSON."""
    answer = penstock(*words, "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def test_runs_are_listed_newest_first(here: Path) -> None:
    """If it fails, one cannot find out what ran."""
    runs = shown("runs", "list")
    assert [(run["run"], run["state"]) for run in runs] == [
        ("three", "failed"), ("two", "complete"), ("one", "complete"),
    ]  # fmt: skip
    assert [run["run"] for run in shown("runs", "list", "--state", "complete", "-n", "1")] == [
        "two"
    ]
    table = penstock("runs", "list").stdout.splitlines()
    assert table[0].split()[:3] == ["RUN", "PIPELINE", "STATE"]
    assert len(table) == 4


def test_run_is_shown_with_the_reason_of_each_node(here: Path) -> None:
    """If it fails, one cannot find out why a node ran, was reused or failed."""
    nodes = shown("runs", "show", "two")["nodes"]
    assert {node["state"] for node in nodes} == {"cached"}
    assert {node["reason"] for node in nodes} == {"nothing changed since run one"}
    text = penstock("runs", "show").stdout
    assert "parameter epochs changed" in text
    assert "KeyError: 0.25" in text
    assert "runs logs three NODE" in text


def test_run_is_found_by_a_part_of_its_id(here: Path) -> None:
    """If it fails, one has to type whole ids, or gets another run than meant."""
    assert shown("runs", "show", "thr")["run"] == "three"
    several = penstock("runs", "show", "o")
    assert several.exit_code == 2
    assert "2 runs have 'o' in their ids" in several.stderr
    none = penstock("runs", "show", "tow")
    assert none.exit_code == 2
    assert "two" in none.stderr


def test_logs_hold_what_a_node_printed(here: Path) -> None:
    """If it fails, what user code printed cannot be read."""
    assert "reading 10 rows" in penstock("runs", "logs", "one", "ingest").stdout
    everything = penstock("runs", "logs", "one").stdout
    assert "==> ingest <==" in everything and "==> train <==" in everything
    assert "KeyError" in penstock("runs", "logs", "last", "report", "--follow").stdout
    reused = penstock("runs", "logs", "two", "ingest")
    assert reused.exit_code == 2 and "no log" not in reused.stdout
    assert "did you mean: ingest" in penstock("runs", "logs", "one", "ingets").stderr


def test_artifacts_are_found_by_id_uri_and_type(here: Path) -> None:
    """If it fails, an artifact cannot be looked at by the name at hand."""
    models = shown("artifacts", "list", "--type", "Model")
    assert [model["node"] for model in models] == ["train", "train"]
    newest = models[0]
    for name in (str(newest["id"]), newest["uri"], os.path.relpath(newest["uri"]), "Model"):
        assert shown("artifacts", "show", name)["id"] == newest["id"]
    told = shown("artifacts", "show", "Model")
    assert told["made_by"]["run"] == "three"
    assert [user["node"] for user in told["used_by"]] == ["report"]
    assert shown("artifacts", "list", "--node", "ingest", "--live")[0]["type"] == "Examples"
    missing = penstock("artifacts", "show", "Modle")
    assert missing.exit_code == 2
    assert "did you mean: Model" in missing.stderr


def test_lineage_goes_both_ways_and_in_every_form(here: Path) -> None:
    """If it fails, one cannot find out what a model came from or what it was used for."""
    tree = penstock("lineage", "Model").stdout
    assert tree.index("upstream:") < tree.index("ingest") < tree.index("downstream:")
    assert "report" in tree.partition("downstream:")[2]
    assert "downstream:" not in penstock("lineage", "Model", "--up").stdout
    assert penstock("lineage", "Model", "--format", "dot").stdout.startswith("digraph")
    assert penstock("lineage", "Model", "--format", "mermaid").stdout.startswith("flowchart")
    graph = shown("lineage", "Model")
    assert {each["node"] for each in graph["executions"].values()} == {"ingest", "train", "report"}
    assert all(set(edge) == {"source", "target", "name"} for edge in graph["edges"])


def test_store_has_to_be_named_where_there_are_several(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, a command answers from a store that was not meant."""
    monkeypatch.chdir(tmp_path)
    none = penstock("runs", "list")
    assert none.exit_code == 2 and "no metadata store in this folder" in none.stderr
    for name in ("a", "b"):
        (tmp_path / ".penstock" / name).mkdir(parents=True)
        (tmp_path / ".penstock" / name / "metadata.sqlite").touch()
    several = penstock("runs", "list")
    assert several.exit_code == 2
    assert os.path.join(".penstock", "b", "metadata.sqlite") in several.stderr
    store = str(here / ".penstock" / "toy" / "metadata.sqlite")
    assert "three" in penstock("runs", "list", "--metadata", store).stdout
    assert "three" in penstock("runs", "list", env={"PENSTOCK_METADATA": store}).stdout
    absent = penstock("runs", "list", "--metadata", str(tmp_path / "no.sqlite"))
    assert absent.exit_code == 2
    assert not (tmp_path / "no.sqlite").exists()


def test_garbage_is_shown_and_deleted(here: Path) -> None:
    """If it fails, a clean-up says something else than it does."""
    leftover = here / ".penstock" / "toy" / "report" / "text"
    failed = shown("runs", "show", "three")["nodes"][-1]["execution"]
    (leftover / str(failed)).mkdir(parents=True)
    (leftover / str(failed) / "half").write_text("written")
    dry = shown("gc", "--dry-run")
    assert (dry["deleted"], dry["bytes"]) == (False, 7)
    assert [item["kind"] for item in dry["items"]] == ["output"]
    done = penstock("gc")
    assert "deleted 1 item, 7 B" in done.stdout
    assert not (leftover / str(failed)).exists()
    assert "There is no garbage." in penstock("gc").stderr


def test_completion_knows_nodes_and_runs(here: Path) -> None:
    """If it fails, Tab does not complete node and run ids."""
    for words, wanted in [
        ("penstock run toy.py --from-node tr", "train"),
        ("penstock runs show th", "three"),
    ]:
        count = str(len(words.split()) - 1)
        answer = penstock(
            env={"_PENSTOCK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
        )
        assert wanted in answer.stdout


def test_init_copies_a_project_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, the first thing a newcomer tries does not work, or destroys something."""
    monkeypatch.chdir(tmp_path)
    answer = penstock("init", "my_project")
    assert answer.exit_code == 0, answer.output
    assert "penstock run my_project" in answer.stdout
    assert "penstock run my_project" in (tmp_path / "my_project" / "pipeline.py").read_text()
    assert list((tmp_path / "my_project" / "data").iterdir())
    assert not list((tmp_path / "my_project").rglob("__pycache__"))
    again = penstock("init", "my_project")
    assert again.exit_code == 2 and "holds something already" in again.stderr
    named = penstock("init", "my-project")
    assert named.exit_code == 2 and "did you mean: my_project" in named.stderr


def test_copied_project_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, the project that `init` writes cannot be run where it was written."""
    monkeypatch.chdir(tmp_path)
    penstock("init", "complaints_copy")
    answer = penstock("compile", "complaints_copy")
    assert answer.exit_code == 0, answer.output
    assert len(json.loads(answer.stdout)["nodes"]) > 5
