# SPDX-License-Identifier: Apache-2.0
"""`penstock show` and `penstock report`: the notebook's pictures, outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.user_project import forgetting_imports

from penstock.cli import cli

PIPELINE = """
import json
from pathlib import Path

from penstock import (
    CsvExampleGen, Examples, Input, ModelEvaluation, Output, Pipeline, RuntimeParameter, component,
)


@component
def judge(examples: Input[Examples], evaluation: Output[ModelEvaluation], fail: bool) -> None:
    print("judging <b>all</b> of it")
    if fail:
        raise ValueError("no <i>judgement</i>")
    metrics = {"auc": 0.75, "example_count": 6.0}
    summary = {"format": 1, "slices": [{"slice": {}, "metrics": metrics}]}
    Path(evaluation.path("summary.json")).write_text(json.dumps(summary))


def create_pipeline():
    read = CsvExampleGen(input_base="rows.csv")
    judged = judge(examples=read.outputs["examples"], fail=RuntimeParameter("fail", bool, False))
    return Pipeline("shown", components=[read, judged])
"""


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock", env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a pipeline ran once well, and failed once."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "pipeline.py").write_text(PIPELINE)
    rows = "".join(f"{i},<script>{i % 2}</script>\n" for i in range(40))
    (folder / "rows.csv").write_text("age,city\n" + rows)
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert penstock("run", ".", "--run-id", "well").exit_code == 0
        assert penstock("run", ".", "--run-id", "badly", "--param", "fail=true").exit_code == 1
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def inside(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Works in that folder."""
    monkeypatch.chdir(finished)
    yield


def test_show_prints_records() -> None:
    """If it fails, records cannot be looked at without a notebook."""
    answer = penstock("show", "Examples", "--split", "train", "--limit", "2")
    assert answer.exit_code == 0, answer.output
    assert "<script>" in answer.output and "split train" in answer.output
    assert "split eval" not in answer.output and "the first 2 records" in answer.output


def test_show_prints_metrics_and_runs() -> None:
    """If it fails, neither metrics nor a run's nodes can be seen in a terminal."""
    assert "0.75" in penstock("show", "ModelEvaluation").output
    answer = penstock("show", "well")
    assert "CsvExampleGen" in answer.output and "complete" in answer.output
    assert "no <i>judgement</i>" in penstock("show", "last").output


def test_show_writes_a_page() -> None:
    """If it fails, the pictures cannot be passed on."""
    assert penstock("show", "Examples", "--html", "page.html").exit_code == 0
    text = Path("page.html").read_text()
    assert "&lt;script&gt;1&lt;/script&gt;" in text and "<script>1" not in text


def test_show_says_what_there_is() -> None:
    """If it fails, a misspelt type is answered by a traceback."""
    answer = penstock("show", "Example")
    assert answer.exit_code == 2 and "did you mean: Examples" in answer.output.replace("  ", " ")
    answer = penstock("show", "Examples", "--feature", "agee")
    assert answer.exit_code == 2 and "age" in answer.output


@pytest.mark.parametrize("run, state", [("well", "complete"), ("badly", "failed")])
def test_report_is_one_page_about_a_run(run: str, state: str) -> None:
    """If it fails, a run cannot be shown to somebody who was not there."""
    answer = penstock("report", run, "-o", f"{run}.html")
    assert answer.exit_code == 0, answer.output
    text = Path(f"{run}.html").read_text()
    assert '<g data-node="judge">' in text and f">{state}" in text
    assert "judging &lt;b&gt;all&lt;/b&gt; of it" in text and "<b>all" not in text
    assert ("Metrics of every slice" in text) == (run == "well")
    assert "src=" not in text and "url(" not in text and "@import" not in text
