# SPDX-License-Identifier: Apache-2.0
"""Values on command lines and in configuration files mean what they look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.utils.errors import ParameterError
from penstock.utils.plain_yaml import read_value, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-5", -5), ("+3", 3), ("0x1f", 31), ("0o17", 15), ("0", 0),
        ("1e-3", 0.001), (".5", 0.5), ("1.", 1.0), ("-1.5e3", -1500.0), ("-.inf", float("-inf")),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("12:30", "12:30"), ("1_000", "1_000"),
        ("2015-06-01", "2015-06-01"), ("02139", "02139"), ("'5'", "5"), ('"5"', "5"),
        ("a, b", "a, b"), ("[1, x]", [1, "x"]), ("{a: 1, b: {c: no}}", {"a": 1, "b": {"c": "no"}}),
        ("s3://bucket/x", "s3://bucket/x"), ("1.2.3", "1.2.3"), ("- 1\n- 2", [1, 2]),
    ],
)  # fmt: skip
def test_values_are_read_as_they_look(text: str, value: Any) -> None:
    """If it fails, YAML's surprises (no, 12:30, 1e-3, dates) reach parameters."""
    found = read_value(text, source="test")
    assert found == value
    assert type(found) is type(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_is_read_exactly(value: Any) -> None:
    """If it fails, a program cannot hand over values by writing JSON."""
    assert read_value(json.dumps(value), source="test") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "the key 'a' occurs twice"),
        ("a: [1\nb: 2", "test:2"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("? [a]\n: 1", "a key must be a plain value"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_place(text: str, said: str) -> None:
    """If it fails, a configuration file can run code, or loses a setting silently."""
    with pytest.raises(ParameterError) as caught:
        read_yaml(text, source="test")
    assert said in str(caught.value)
