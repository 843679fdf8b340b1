# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from support.pipelines import diamond

import penstock.orchestration.ir as ir_module
from penstock.orchestration.ir import ir_schema, load_ir, read_ir
from penstock.utils.errors import IRError, StorageError


def test_the_round_trip_is_exact(tmp_path: Path) -> None:
    """Without it, a runner that reads the file would run something else."""
    compiled = diamond(tmp_path).compile()
    path = tmp_path / "pipeline.json"
    compiled.save(str(path))
    assert load_ir(str(path)) == compiled
    assert load_ir(str(path)).to_json() == compiled.to_json()


def test_equal_pipelines_compile_to_equal_text(tmp_path: Path) -> None:
    """Without it, compiled files would change without a change."""
    assert diamond(tmp_path).compile().digest == diamond(tmp_path).compile().digest


def test_the_published_schema_is_current_and_fits(tmp_path: Path) -> None:
    """Without it, other readers of the IR would be misled."""
    published = Path(ir_module.__file__).with_name("ir_schema.json").read_text(encoding="utf-8")
    assert published == ir_schema()
    jsonschema.validate(json.loads(diamond(tmp_path).compile().to_json()), json.loads(published))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "another IR version"),
        ('{"ir_version": "0"}', "another IR version"),
        ('{"ir_version": "1"}', "does not fit the IR's schema"),
        ('{"ir_version": "1", "name": "p", "nods": []}', "does not fit the IR's schema"),
    ],
)
def test_what_is_not_an_ir_is_refused(text: str, message: str) -> None:
    """Without it, a damaged file would fail somewhere in the middle of a run."""
    with pytest.raises(IRError, match=message):
        read_ir(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Without it, a misspelt path would show a traceback."""
    with pytest.raises(StorageError, match=r"nowhere\.json"):
        load_ir(str(tmp_path / "nowhere.json"))


def test_an_unknown_node_names_the_nearest(tmp_path: Path) -> None:
    """Without it, a misspelt node id would give no hint."""
    with pytest.raises(IRError, match="no node 'lefft'") as caught:
        diamond(tmp_path).compile().node("lefft")
    assert caught.value.suggestion == "left"
