# SPDX-License-Identifier: Apache-2.0
"""Descriptions of what a search may try: three ways to write them, and mistakes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from penstock import Choice, FloatRange, IntRange, StatisticsGen
from penstock.components.base.artifact_types import Examples
from penstock.components.base.channel import Channel
from penstock.components.base.search_space import describe, read_domain
from penstock.utils.errors import ParameterError


@pytest.mark.parametrize(
    ("domain", "data", "text"),
    [
        (
            FloatRange(1e-4, 0.1, log=True),
            {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
            "float(1e-4, 1e-1, log)",
        ),
        (FloatRange(0, 1), {"low": 0.0, "high": 1}, "float(0, 1)"),
        (FloatRange(0, 1, step=0.25),
         {"low": 0.0, "high": 1, "step": 0.25}, "float(0, 1, step=.25)"),
        (IntRange(8, 64, step=8), {"low": 8, "high": 64, "step": 8}, "int(8, 64, step=8)"),
        (IntRange(1, 100, log=True), {"type": "int", "low": 1, "high": 100, "log": True},
         "int(1, 100, log)"),
        (Choice(["relu", "tanh"]), ["relu", "tanh"], "choice(relu, tanh)"),
        (Choice([True, None, [8, 8]]), {"type": "categorical", "choices": [True, None, [8, 8]]},
         "choice(true, null, [8, 8])"),
        (Choice([1, 2]), {"choices": [1, 2]}, "[1, 2]"),
    ],
)  # fmt: skip
def test_three_ways_to_write_one_space(domain: Any, data: Any, text: str) -> None:
    """If it fails, the command line, YAML and Python do not mean the same."""
    assert read_domain(data, name="x") == domain
    assert read_domain(text, name="x") == domain
    assert read_domain(domain, name="x") is domain
    assert read_domain(domain.to_dict(), name="x") == domain
    assert read_domain(describe(domain), name="x") == domain
    assert type(read_domain(describe(domain), name="x")) is type(domain)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("float(1, 0)", "low is above high"),
        ("float(0, 1, log)", "low must be above 0"),
        ("flaot(0, 1)", "its type is unknown"),
        ("float(0)", "high missing"),
        ("float(0, 1, 2)", "too many parts"),
        ("int(1, 8, log, step=2)", "exclude each other"),
        ("int(1.5, 8)", "is not whole"),
        ("float(low, 1)", "low is not a number"),
        ("0.5", "describes nothing"),
        ("", "describes nothing"),
        ("choice()", "nothing to choose from"),
        ([1, 1], "occurs twice"),
        ([math.nan], "cannot be written as JSON"),
        ({"low": 0, "high": 1, "lgo": True}, "no setting 'lgo'"),
        ({"low": 0, "high": 1, "log": "yes"}, "log is true or false"),
        ({"low": 0, "high": math.inf}, "not finite"),
        ({"low": 0, "high": 1, "step": 0}, "step must be above 0"),
        (7, "describes nothing"),
    ],
)
def test_bad_descriptions_say_what_is_wrong(raw: Any, said: str) -> None:
    """If it fails, a mistake in a search space is searched, or is not explained."""
    with pytest.raises(ParameterError, match=said) as caught:
        read_domain(raw, name="Trainer.rate")
    assert "Trainer.rate" in str(caught.value) and caught.value.expected


def test_misspelt_word_names_the_nearest() -> None:
    """If it fails, `lgo` is called a part too many."""
    with pytest.raises(ParameterError, match="what is 'lgo'") as caught:
        read_domain("float(1e-5, 1e-1, lgo)", name="rate")
    assert caught.value.suggestion == "log"


def test_node_declares_the_space_of_its_own_parameters() -> None:
    """If it fails, a declared space is lost, or one for a parameter that is not there is kept."""
    node = StatisticsGen(Channel(Examples, None, "examples"))
    node.with_search_space(
        {"stats_options.num_top_values": "int(1, 9)"}, exclude_splits=[[], ["a"]]
    )
    assert node.search_space == {
        "stats_options.num_top_values": IntRange(1, 9),
        "exclude_splits": Choice([[], ["a"]]),
    }
    with pytest.raises(ParameterError, match="no parameter 'exclude_split'") as caught:
        node.with_search_space(exclude_split=[1])
    assert caught.value.suggestion == "exclude_splits"
    assert caught.value.location and "test_search_space" in caught.value.location
    with pytest.raises(ParameterError, match="low is above high") as caught:
        node.with_search_space(exclude_splits="int(2, 1)")
    assert caught.value.node == "StatisticsGen"
