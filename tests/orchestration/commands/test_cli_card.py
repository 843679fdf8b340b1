# SPDX-License-Identifier: Apache-2.0
"""`penstock card`: of a model with a ModelCard node, and of one without."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.model_project import write_model_project
from support.user_project import forgetting_imports

from penstock.cli import cli


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


COMMIT = "c0ffee" * 6 + "cafe"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which a pipeline pushed a model, and one more with a card."""
    folder = tmp_path_factory.mktemp("cards")
    previous = os.getcwd()
    os.chdir(folder)
    try:
        path = write_model_project(folder)
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text(f"{COMMIT}\n")
        assert penstock("run", "-q").exit_code == 0
        text = write_model_project(folder, body="epochs * 5").read_text()
        text = text.replace("CsvExampleGen, ", "CsvExampleGen, ModelCard, ").replace(
            "    return Pipeline(",
            "    card = ModelCard(model=trained.outputs['model'], card={'overview': 'Made here.'},"
            " evaluation=evaluated.outputs['evaluation'])\n    return Pipeline(",
        )
        path.write_text(text.replace("evaluated, pusher])", "evaluated, pusher, card])"))
        done = penstock("run", "-q")
        assert done.exit_code == 0, done.output
        yield folder
    finally:
        os.chdir(previous)


def test_a_model_without_a_card_gets_one(pushed: Path) -> None:
    """Models that were pushed before anybody thought of cards have none."""
    done = penstock("card", "toy", "1.0.0", "--json")
    assert done.exit_code == 0, done.output
    card = json.loads(done.stdout)
    assert card["name"] == "toy"
    assert card["evaluation"]["slices"][0]["metrics"]["example_count"] == 6
    assert [each["name"] for each in card["features"]] == ["a", "b"]
    assert card["text"]["overview"] == ""
    nodes = {row[0]: row for row in card["lineage"]["nodes"]}
    assert set(nodes) == {"CsvExampleGen", "write_schema", "train"}
    assert "function" in nodes["train"][3]
    assert "epochs=3" in nodes["train"][4]
    assert ["because", "the first push"] in card["lineage"]["facts"]


def test_a_card_and_a_run_tell_the_commit(pushed: Path) -> None:
    """If it fails, nobody can look up the code of a model in its repository."""
    card = json.loads(penstock("card", "toy", "1.0.0", "--json").stdout)
    assert ["commit", COMMIT] in card["lineage"]["facts"]
    assert f"commit    {COMMIT}" in penstock("runs", "show").stdout
    assert json.loads(penstock("runs", "show", "--json").stdout)["commit"] == COMMIT


def test_the_schema_by_which_a_model_is_judged_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was trained without a schema would have a card without features."""
    monkeypatch.chdir(tmp_path)
    path = write_model_project(tmp_path)
    text = path.read_text().replace("schema: Input[Schema], model: Output", "model: Output")
    text = text.replace(
        "evaluate(model: Input[Model],", "evaluate(model: Input[Model], schema: Input[Schema],"
    )
    text = text.replace(', schema=schema.outputs["schema"])', ")")
    text = text.replace("evaluate(model=", 'evaluate(schema=schema.outputs["schema"], model=')
    path.write_text(text)
    done = penstock("run", "-q")
    assert done.exit_code == 0, done.output
    card = json.loads(penstock("card", "toy", "--json").stdout)
    assert [each["name"] for each in card["features"]] == ["a", "b"]


def test_the_node_s_card_gets_the_lineage(pushed: Path) -> None:
    """Who made a model, and what people said of it, stand in different places."""
    done = penstock("card", "toy", "--html", "card.html", "--markdown", "card.md")
    assert done.exit_code == 0, done.output
    for name in ("card.html", "card.md"):
        text = (pushed / name).read_text()
        assert "Made here." in text
        assert "(production)" in text
        assert "CsvExampleGen" in text
    printed = penstock("card", "toy")
    assert printed.stdout == (pushed / "card.md").read_text()


def test_mistakes_are_explained(pushed: Path) -> None:
    """A newcomer would get a traceback."""
    done = penstock("card", "toi")
    assert done.exit_code == 2
    assert "did you mean: toy" in done.output
    assert penstock("card", "toy", "7.0.0").exit_code == 2
