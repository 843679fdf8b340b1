# SPDX-License-Identifier: Apache-2.0
"""What docs/yaml.md shows is as it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.user_project import forgetting_imports

from penstock.cli import cli
from penstock.orchestration.pipeline_loader import load_pipeline

PAGE = Path(__file__).parents[3] / "docs" / "yaml.md"


def blocks(kind: str) -> list[str]:
    """The page's code blocks of one kind."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for name, block in found if name == kind]


def test_the_pages_pipelines_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a reader who copies from the page gets an error, or another one than is shown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    first, second = blocks("yaml")
    (steps,) = blocks("python")
    tell = "\n\n@component\ndef tell(failed: str) -> None:\n    print(failed)\n"
    (tmp_path / "steps.py").write_text(steps + tell)
    (tmp_path / "features.py").write_text("def preprocessing_fn(inputs):\n    return inputs\n")
    (tmp_path / "pipeline.yaml").write_text(first)
    (tmp_path / "second.yaml").write_text(second)
    (tmp_path / "wrong.yaml").write_text(first.replace("text: ${start.", "text: ${strat."))
    with forgetting_imports():
        answer = CliRunner().invoke(cli, ["run", "-q", "--param", "times=3"])
        assert answer.exit_code == 0, answer.output
        (text,) = (tmp_path / ".penstock" / "first" / "twice").rglob("text")
        assert text.read_text() == "abcabcabc"
        ids = [node.id for node in load_pipeline("second.yaml").compile().nodes]  # type: ignore[union-attr]
        assert ids[-1] == "tell" and "prepare.transform" in ids
        wrong = CliRunner().invoke(cli, ["plan", "wrong.yaml"])
    (shown,) = (block for block in blocks("") if block.startswith("error:"))
    assert wrong.output.replace("wrong.yaml", "pipeline.yaml") == shown
