# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from penstock import Artifact, Examples, Float, PropertyType
from penstock.components.base.artifact import artifact_from_dict
from penstock.utils.errors import DataError


def test_declared_properties_are_attributes() -> None:
    """Without it, `examples.span = 3` would not be recorded."""
    examples = Examples("/data")
    examples.span = 3
    examples.splits = ["train", "eval"]
    assert examples.properties == {"span": 3, "split_names": '["train", "eval"]'}
    assert examples.version == 0


def test_undeclared_and_mistyped_properties_are_refused() -> None:
    """Without it, a misspelt property would be lost in the store."""
    examples = Examples("/data")
    with pytest.raises(DataError, match="declares no property 'spam'") as caught:
        examples.spam = 3
    assert caught.value.suggestion == "span"
    with pytest.raises(DataError, match="'span' of artifact type Examples has the wrong type"):
        examples.span = "three"


def test_splits_must_exist() -> None:
    """Without it, a misspelt split would read an empty folder."""
    examples = Examples("/data")
    examples.splits = ["train"]
    assert examples.split_uri("train") == "/data/Split-train"
    with pytest.raises(DataError, match="no split 'trian'") as caught:
        examples.split_uri("trian")
    assert caught.value.suggestion == "train"


def test_values_are_read_back(tmp_path: Path) -> None:
    """Without it, a value passed between nodes would change."""
    artifact = Float(str(tmp_path / "loss"))
    artifact.value = 0.25
    assert Float(artifact.uri).value == 0.25


def test_the_plain_form_is_exact() -> None:
    """Without it, artifacts would change on their way to a worker and back."""

    class Report(Artifact):
        PROPERTIES = {"pages": PropertyType.INT}

    report = Report("/r", id=4, name="n", properties={"pages": 2}, custom_properties={"k": "v"})
    assert artifact_from_dict(report.to_dict()) == report
