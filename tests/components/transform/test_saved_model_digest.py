# SPDX-License-Identifier: Apache-2.0
"""The digest of SavedModels: blind to made-up names, and to nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from penstock.components.transform.saved_model_digest import tree_digest  # noqa: E402

pytestmark = pytest.mark.heavy


def _save(
    folder: Path,
    *,
    factor: float = 2.0,
    weight: float = 1.0,
    words: Mapping[str, str] | None = None,
) -> str:
    """Saves a model with two lookup tables, a constant and a variable; gives its digest."""
    words = words or {"first": "a\nb\n", "second": "x\ny\n"}
    module = tf.Module()
    module.weight = tf.Variable(weight)
    module.tables = {}
    for name, text in sorted(words.items()):
        # Elsewhere each time, as TensorFlow Transform's vocabularies are.
        path = folder.parent / f"words of {folder.name}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        source = tf.lookup.TextFileInitializer(
            str(path),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        module.tables[name] = tf.lookup.StaticHashTable(source, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def serve(words: Any) -> Any:
        found = module.tables["first"].lookup(words) * 10 + module.tables["second"].lookup(words)
        return {"out": tf.cast(found, tf.float32) * factor * module.weight}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    return tree_digest(str(folder))


def test_equal_models_have_equal_digests(tmp_path: Path) -> None:
    """Training again, or transforming again, looks like a change."""
    assert _save(tmp_path / "one") == _save(tmp_path / "two")
    files = [(tmp_path / name / "saved_model.pb").read_bytes() for name in ("one", "two")]
    assert files[0] != files[1]


@pytest.mark.parametrize(
    "change",
    [
        {"factor": 3.0},
        {"weight": 1.5},
        {"words": {"first": "a\nc\n", "second": "x\ny\n"}},
        {"words": {"first": "x\ny\n", "second": "a\nb\n"}},
    ],
    ids=["constant", "variable", "vocabulary", "swapped vocabularies"],
)
def test_every_change_shows(tmp_path: Path, change: dict[str, Any]) -> None:
    """A changed model is taken for the old one, and is neither evaluated nor pushed."""
    assert _save(tmp_path / "one") != _save(tmp_path / "two", **change)


def test_other_files_count_byte_for_byte(tmp_path: Path) -> None:
    """A changed schema beside the graph goes unnoticed."""
    _save(tmp_path / "graph")
    digest = tree_digest(str(tmp_path))
    (tmp_path / "schema.pbtxt").write_text("feature {}")
    assert tree_digest(str(tmp_path)) != digest
