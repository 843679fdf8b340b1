# SPDX-License-Identifier: Apache-2.0
"""Names that become paths."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.utils.errors import ParameterError
from penstock.utils.names import (
    check_node_id,
    check_pipeline_name,
    check_run_id,
    check_split_name,
    safe_name,
)

CHECKS = [check_pipeline_name, check_node_id, check_run_id]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "name", ["a", "Trainer", "inner.Trainer-2", "20150601T101112-ab12", "x" * 128]
)
def test_good_names(check: Callable[[str], str], name: str) -> None:
    """Names of TFX's making, and nested ones, must stay possible."""
    assert check(name) == name


@pytest.mark.parametrize("check", [*CHECKS, check_split_name])
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "a/b",
        "a\\b",
        "/a",
        ".a",
        "-a",
        "a b",
        "a\n",
        "é",
        "a..b",
        "a.",
        "x" * 129,
    ],
)
def test_bad_names(check: Callable[[str], str], name: str) -> None:
    """None of these may leave its folder, hide, or be taken for an option."""
    with pytest.raises(ParameterError) as raised:
        check(name)
    assert raised.value.fix is not None
    if raised.value.suggestion is not None:
        assert check(raised.value.suggestion) == raised.value.suggestion


def test_split_names_hold_no_dots() -> None:
    """A split's folder is read by patterns in which a dot has a meaning."""
    assert check_split_name("train_2015-06") == "train_2015-06"
    with pytest.raises(ParameterError, match="split name") as raised:
        check_split_name("train.2015")
    assert raised.value.suggestion == "train_2015"


def test_names_must_be_text() -> None:
    """A number is no name."""
    with pytest.raises(ParameterError, match="must be text"):
        check_node_id(3)  # type: ignore[arg-type]


@given(st.text(max_size=200))
def test_any_text_gives_a_safe_name(text: str) -> None:
    """A suggestion that is refused in turn helps nobody."""
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", name)
    assert not name.endswith(".")
