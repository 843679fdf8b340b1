# SPDX-License-Identifier: Apache-2.0
"""What users' own strategies get wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli import cli

_PIPELINE = """
from penstock import Channel, Model, Pipeline, Resolver
from penstock.components.control.strategies import Strategy

class Mine(Strategy):
    def {method}(self, context):
        return {{"model": 1 / 0}}

def create_pipeline():
    return Pipeline("p", "root", [Resolver(strategy=Mine, model=Channel(Model))])
"""


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (
            "resolv",
            ["Mine does not define resolve()", ":10", "rename resolv to resolve"],
        ),
        ("resolve", ["Mine failed: ZeroDivisionError: division by zero", ":7"]),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_faulty_strategy_is_the_authors_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, told: list[str], command: str
) -> None:
    """If it fails, the author reads that Penstock itself failed, and not where."""
    monkeypatch.chdir(tmp_path)
    # A process loads a module of one name once.
    own = f"own_{method}_{command}.py"
    Path(own).write_text(_PIPELINE.format(method=method))
    answer = CliRunner().invoke(cli, [command, own])
    assert answer.exit_code in (1, 2)
    assert all(part in answer.output for part in [*told, own]), answer.output
    assert "Penstock itself" not in answer.output
