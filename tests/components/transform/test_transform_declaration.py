# SPDX-License-Identifier: Apache-2.0
"""Declaring Transform: light, and checked where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.components.base.artifact_types import Examples, Schema, TransformCache, TransformGraph
from penstock.components.base.channel import Channel
from penstock.components.transform.splits_config import SplitsConfig
from penstock.components.transform.transform import Transform
from penstock.utils.errors import ParameterError, WiringError

EXAMPLES, SCHEMA = Channel(Examples), Channel(Schema)


def test_declares_the_execution_type_of_tfx() -> None:
    """A reader of TFX stores would not find our executions."""
    assert Transform.type_name == "tfx.components.transform.component.Transform"
    node = Transform(examples=EXAMPLES, schema=SCHEMA, module_file="features.py")
    assert node.outputs["transform_graph"].type is TransformGraph
    assert node.outputs["transformed_examples"].type is Examples


def test_has_no_examples_where_nothing_is_materialized() -> None:
    """A consumer of examples that are not written would fail only when it runs."""
    node = Transform(examples=EXAMPLES, schema=SCHEMA, module_file="features.py", materialize=False)
    with pytest.raises(WiringError, match="there is no output 'transformed_examples'"):
        node.outputs["transformed_examples"]


def test_splits_are_checked_when_the_node_is_built() -> None:
    """A misspelt field would be ignored, and the wrong splits be analyzed."""
    with pytest.raises(ParameterError, match="splits_config"):
        Transform(
            examples=EXAMPLES,
            schema=SCHEMA,
            module_file="features.py",
            splits_config={"analyse": ["train"]},
        )


def test_splits_default_to_training_data() -> None:
    """Vocabularies would be computed from evaluation data."""
    assert SplitsConfig().analyze == ["train"]
    assert SplitsConfig().transform is None
    with pytest.raises(ValueError, match="at least 1"):
        SplitsConfig(analyze=[])


def test_has_what_is_asked_for_only() -> None:
    """Artifacts that nobody wants are written, or those that somebody wants are missing."""
    plain = Transform(examples=EXAMPLES, schema=SCHEMA, module_file="features.py")
    assert list(plain.outputs) == ["transform_graph", "transformed_examples"]
    cached = Transform(
        examples=EXAMPLES,
        schema=SCHEMA,
        module_file="features.py",
        analyzer_cache=Channel(TransformCache),
    )
    assert "updated_analyzer_cache" in cached.outputs
    first = Transform(
        examples=EXAMPLES, schema=SCHEMA, module_file="features.py", disable_analyzer_cache=False
    )
    assert first.outputs["updated_analyzer_cache"].type is TransformCache
    described = Transform(
        examples=EXAMPLES, schema=SCHEMA, module_file="features.py", disable_statistics=False
    )
    assert {"pre_transform_stats", "post_transform_anomalies"} <= set(described.outputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"disable_statistics": False, "materialize": False}, "need transformed data"),
        (
            {"analyzer_cache": Channel(TransformCache), "disable_analyzer_cache": True},
            "given and switched off",
        ),
    ],
)
def test_contradictions_are_told_when_the_node_is_built(
    arguments: dict[str, Any], message: str
) -> None:
    """A contradiction shows only after the data was read, or never."""
    with pytest.raises(ParameterError, match=message):
        Transform(examples=EXAMPLES, schema=SCHEMA, module_file="features.py", **arguments)
