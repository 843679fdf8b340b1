# SPDX-License-Identifier: Apache-2.0
"""`penstock data diff`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.components.base.artifact_types import Examples, Model
from penstock.orchestration.commands.data_commands import data_group
from penstock.orchestration.metadata.records import NodeKey
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import DataError

pa = pytest.importorskip("pyarrow")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with two Examples, 1 and 2, and a model, 3."""
    from penstock.components.ingest.examples_writer import write_examples

    made = []
    for name, words in (("before", ["x"] * 8 + ["y"] * 2), ("after", ["x"] * 4)):
        (tmp_path / name).mkdir()
        examples = Examples(str(tmp_path / name))
        batch = pa.RecordBatch.from_pydict({"word": words})
        write_examples(examples, {"train": [batch]}, batch.schema)
        examples.content_digest = name
        made.append(examples)
    path = str(tmp_path / "metadata.sqlite")
    with MetadataStore(path) as opened:
        opened.begin_run("p", "r", properties={"root": str(tmp_path)})
        key = NodeKey("p", "r", "n", "penstock.test.Node")
        number = opened.register_execution(key, {}, {})
        opened.publish_execution(
            key, number, {"examples": made, "model": [Model(str(tmp_path / "model"))]}
        )
    return path


def test_data_diff(store: str) -> None:
    """The command shows something else than what changed."""
    shown = CliRunner().invoke(data_group, ["diff", "1", "2", "--metadata", store])
    assert shown.exit_code == 0, shown.output
    assert "rows: 10 -> 4" in shown.output
    assert "lost: 'y'" in shown.output
    told = CliRunner().invoke(data_group, ["diff", "1", "2", "--metadata", store, "--json"])
    assert json.loads(told.output)["columns"][0]["distance"] == 0.2


def test_other_artifacts_are_refused(store: str) -> None:
    """Comparing with a model ends in a traceback."""
    shown = CliRunner().invoke(data_group, ["diff", "1", "3", "--metadata", store])
    assert isinstance(shown.exception, DataError)
    assert "holds no examples" in str(shown.exception)
