# SPDX-License-Identifier: Apache-2.0
"""`penstock reproduce`: a version made again from what was kept of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.model_project import ROWS, write_model_project
from support.user_project import forgetting_imports

from penstock.cli import cli


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


@pytest.fixture(scope="module")
def pushed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model was pushed, and the code changed since."""
    folder = tmp_path_factory.mktemp("reproduce")
    previous = os.getcwd()
    os.chdir(folder)
    try:
        write_model_project(folder)
        answer = penstock("run", "-q", "--set", "train.epochs=4")
        assert answer.exit_code == 0, answer.output
    finally:
        os.chdir(previous)
    write_model_project(folder, body="epochs * 100")
    return folder


@pytest.fixture
def here(pushed_once: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That folder as the current one; its data is put right afterwards."""
    monkeypatch.chdir(pushed_once)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    yield pushed_once
    shutil.rmtree(pushed_once / "data")
    write_model_project(pushed_once, body="epochs * 100")
    shutil.rmtree(pushed_once / "again", ignore_errors=True)


def again(*words: str) -> tuple[int, Any]:
    """Exit code and result of making the model again."""
    answer = penstock("reproduce", "toy", "--json", "-q", *words)
    return answer.exit_code, json.loads(answer.stdout)


def verdicts(result: Any) -> dict[str, str]:
    """Verdicts by what was compared."""
    return {f"{each['what']} {each['name']}": each["verdict"] for each in result["comparisons"]}


def test_version_is_made_again_from_its_own_code_and_settings(here: Path) -> None:
    """Nobody could show where a model in use came from."""
    pushed_before = sorted(os.listdir(here / "serving"))
    code, result = again("--root", str(here / "again"))
    assert code == 0 and result["reproduced"], result
    assert verdicts(result) == {
        "data CsvExampleGen.examples": "equal", "schema write_schema.schema": "equal",
        "model train": "equal", "metric auc": "equal", "metric example_count": "equal",
    }  # fmt: skip
    assert sorted(os.listdir(here / "serving")) == pushed_before
    assert not (here / "again" / "Pusher").exists()
    text = penstock("reproduce", "toy").stdout
    assert "toy 1.0.0 was reproduced" in text
    place = text.rpartition("everything lies in ")[2].strip()
    shutil.rmtree(place)


def test_changed_and_missing_data_is_named_before_anything_runs(here: Path) -> None:
    """Hours later, digests would differ and nobody would know why."""
    rows = here / "data" / "rows.csv"
    rows.write_text(ROWS + "6,12\n")
    answer = penstock("reproduce", "toy", "--root", str(here / "again"))
    assert answer.exit_code == 2
    assert "is not what it was" in answer.stderr
    assert f"{rows} has changed" in answer.stderr
    assert not (here / "again").exists()
    rows.unlink()
    (here / "data" / "other.csv").write_text(ROWS)
    gone = penstock("reproduce", "toy").stderr
    assert f"{rows} is gone" in gone and "other.csv is new" in gone


def test_changed_data_is_compared_anyway_when_asked(here: Path) -> None:
    """What a change of the data does to the model could not be seen."""
    (here / "data" / "rows.csv").write_text(ROWS.replace("5,10", "5,11"))
    code, result = again("--anyway", "--root", str(here / "again"))
    assert code == 1 and not result["reproduced"]
    assert verdicts(result)["data CsvExampleGen.examples"] == "differs"
    assert result["sources"] == [f"{here / 'data' / 'rows.csv'} has changed"]


def test_metrics_may_be_apart_by_the_tolerance() -> None:
    """Training that is not exactly repeatable would never count as reproduced."""
    from penstock.orchestration.runners.reproduction import Comparison, Reproduction

    def agrees(*found: tuple[str, str]) -> bool:
        listed = [Comparison(what, "x", 1.0, 1.0, verdict) for what, verdict in found]
        return Reproduction(None, "", listed, 0.01, []).agrees  # type: ignore[arg-type]

    assert agrees(("data", "equal"), ("model", "differs"), ("metric", "within tolerance"))
    assert not agrees(("data", "equal"), ("model", "differs"))
    assert not agrees(("data", "equal"), ("metric", "differs"))
    assert not agrees(("transform", "differs"), ("metric", "equal"))
    assert not agrees()


def test_mistakes_are_named(here: Path) -> None:
    """A newcomer would get a traceback."""
    full = penstock("reproduce", "toy", "--root", str(here))
    assert full.exit_code == 2 and "empty folder" in full.stderr
    assert "did you mean: toy" in penstock("reproduce", "toyy").stderr
    assert "no version '9'" in penstock("reproduce", "toy", "--version", "9").stderr
    kept = [here / ".penstock" / "toy" / folder for folder in (".recipes", ".runs")]
    for folder in kept:
        folder.rename(folder.with_suffix(".gone"))
    lost = penstock("reproduce", "toy").stderr
    for folder in kept:
        folder.with_suffix(".gone").rename(folder)
    assert "compiled pipeline of toy 1.0.0 is gone" in lost


def test_a_node_that_fails_is_told_from_a_mistake_in_the_command(here: Path) -> None:
    """A script would take a model that cannot be made again for a mistyped command."""
    (here / "data" / "rows.csv").write_text(ROWS.partition("\n")[0] + "\n")
    answer = penstock("reproduce", "toy", "--anyway", "-q", "--root", str(here / "again"))
    assert answer.exit_code == 1, answer.output
    assert answer.stderr.startswith("error: ") and str(here / "again") in answer.stderr


def test_spans_are_those_of_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest data would be read in place of that which made the model."""
    monkeypatch.chdir(tmp_path)
    path = write_model_project(tmp_path)
    (tmp_path / "data" / "rows.csv").rename(tmp_path / "data" / "rows-1.csv")
    path.write_text(
        path.read_text().replace(
            'input_base=str(HERE / "data")',
            'input_base=str(HERE / "data"), '
            'input_config={"splits": [{"name": "all", "pattern": "rows-{SPAN}.csv"}]}',
        )
    )
    assert penstock("run", "-q").exit_code == 0
    (tmp_path / "data" / "rows-2.csv").write_text(ROWS + "6,12\n")
    code, result = again("--root", str(tmp_path / "again"))
    assert code == 0, result
    assert verdicts(result)["data CsvExampleGen.examples"] == "equal"
