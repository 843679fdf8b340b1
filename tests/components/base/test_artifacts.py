# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock import Artifact, Examples, Float, PropertyType
from penstock.components.base.artifact import ValueArtifact, artifact_from_dict
from penstock.components.base.artifact_types import Boolean, Bytes, Integer, JsonValue, String
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


@pytest.mark.parametrize(
    ("kind", "value", "payload"),
    [
        (Integer, 3, b"3"),
        (Float, 2, b"2.0"),
        (Float, float("-inf"), b"-Infinity"),
        (String, '"grüß dich"', '"grüß dich"'.encode()),
        (Boolean, True, b"1"),
        (Boolean, False, b"0"),
        (Bytes, b"\x00\xff", b"\x00\xff"),
        (JsonValue, {"a": [1, None]}, b'{"a": [1, null]}'),
        (String, None, b""),
    ],
)
def test_values_are_kept_as_tfx_keeps_them(
    tmp_path: Path, kind: type[ValueArtifact], value: Any, payload: bytes
) -> None:
    """If it fails, TFX reads another value, or one cannot be read back."""
    artifact = kind(str(tmp_path))
    artifact.value = value
    assert (tmp_path / "value").read_bytes() == payload
    again = artifact_from_dict(artifact.to_dict())
    assert isinstance(again, ValueArtifact) and again.value == value


def test_values_of_other_stores_are_read(tmp_path: Path) -> None:
    """If it fails, values that TFX wrote, or Penstock's first stores hold, are misread."""
    for name, written in (("text", b'"so"'), ("truth", b"true"), ("bytes", b'"AP8="')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "value").write_bytes(written)
    assert String(f"{tmp_path}/text").value == "so"
    assert Boolean(f"{tmp_path}/truth").value is True
    assert Bytes(f"{tmp_path}/bytes").value == b"\x00\xff"
    tfx = String(f"{tmp_path}/text/value", custom_properties={"__is_null__": 0})
    assert tfx.value == '"so"'


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    """If it fails, a number lies in an artifact of type String, and readers trip over it."""
    for kind, value in ((String, 3), (Integer, 0.5), (Integer, True), (Float, "1")):
        with pytest.raises(DataError, match=kind.TYPE_NAME):
            kind(str(tmp_path)).value = value


def test_the_plain_form_is_exact() -> None:
    """Without it, artifacts would change on their way to a worker and back."""

    class Report(Artifact):
        PROPERTIES = {"pages": PropertyType.INT}

    report = Report("/r", id=4, name="n", properties={"pages": 2}, custom_properties={"k": "v"})
    assert artifact_from_dict(report.to_dict()) == report
