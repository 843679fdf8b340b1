# SPDX-License-Identifier: Apache-2.0
"""Commands that look into a store, given one that TFX wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tfx_store import PIPELINE, RUNS, write_tfx_store

from penstock.cli import cli


@pytest.fixture(scope="module")
def tfx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TFX's store."""
    return write_tfx_store(tmp_path_factory.mktemp("tfx"))


def ask(tfx: Path, *words: str) -> str:
    """What a command prints about the store."""
    answer = CliRunner().invoke(cli, [*words, "--metadata", str(tfx)], prog_name="penstock")
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_runs_are_listed(tfx: Path) -> None:
    """`runs list` shows no runs of TFX, or not how they went."""
    runs = json.loads(ask(tfx, "runs", "list", "--json"))
    assert [(each["run"], each["state"]) for each in runs] == list(
        zip(RUNS, ["complete", "complete", "failed"], strict=True)
    )
    assert {each["pipeline"] for each in runs} == {PIPELINE}
    assert "BulkInferrer failed" in ask(tfx, "runs", "list", "--state", "failed")


def test_a_run_is_shown_node_by_node(tfx: Path) -> None:
    """`runs show` has no names of nodes, or says "Traceback" as the reason."""
    shown = ask(tfx, "runs", "show", "2026-11-20T13:22")
    assert "Trainer" in shown and "Traceback" not in shown
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert lines["BulkInferrer"].split()[1] == "failed"
    assert "InputResolutionError" in lines["transform_cache_resolver"]


def test_lineage_leads_back_to_the_data(tfx: Path) -> None:
    """`lineage` cannot find what TFX pushed, or loses its trace."""
    told = ask(tfx, "lineage", "PushedModel")
    for node in ("Pusher", "Trainer", "Transform", "SchemaGen", "CsvExampleGen", "Evaluator"):
        assert f": {node} (execution" in told
    assert f"run {RUNS[0]}" in told


def test_the_store_is_only_read(tfx: Path) -> None:
    """Looking into TFX's store changes it."""
    before = tfx.read_bytes()
    for words in (["artifacts", "list"], ["artifacts", "show", "Schema"], ["runs", "show"]):
        ask(tfx, *words)
    assert tfx.read_bytes() == before
