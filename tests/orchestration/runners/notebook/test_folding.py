# SPDX-License-Identifier: Apache-2.0
"""Long expressions in exported files: laid out over lines, and still the same expressions."""

from __future__ import annotations

import ast

import pytest

from penstock.orchestration.runners.notebook.folding import folded

LONG = [
    'EvalConfig(specs=[{"label": "disputed"}], slices=[{}, {"keys": ["Product", "State"]}])',
    '[csv_example_gen, label_node, statistics_gen.outputs["statistics"], evaluator]',
    'Resolver(strategy=Latest, model=Channel(Model)).excluding(trainer.outputs["model"])',
    '{"a, [b": (1, 2), "c": "it\'s, (so)", "d": [[1, 2], [3, 4]], "e": some(call("x, y"))}',
]


@pytest.mark.parametrize("text", LONG)
@pytest.mark.parametrize("width", [100, 60, 30, 10])
def test_says_the_same(text: str, width: int) -> None:
    """An exported file would say something else than the notebook, or would not parse."""
    found = folded(text, width)
    assert ast.dump(ast.parse(found, mode="eval")) == ast.dump(ast.parse(text, mode="eval"))
    assert (found == text) is (len(text) < width)


def test_opens_outer_brackets_first() -> None:
    """Exported files would be as untidy as before, or need a formatter to be read."""
    text = 'config=EvalConfig(specs=[{"label": "disputed"}], slices=[{}, {"keys": ["Product"]}])'
    assert folded(text, 60).split("\n") == [
        "config=EvalConfig(",
        '    specs=[{"label": "disputed"}],',
        '    slices=[{}, {"keys": ["Product"]}],',
        ")",
    ]


@pytest.mark.parametrize(
    "text", ["(measured.future().value > some_other_threshold)", 'outputs["a very long name"]']
)
def test_brackets_that_would_become_tuples_stay(text: str) -> None:
    """A comma after a condition or a subscript would make a tuple of it."""
    found = folded(text, 20)
    assert ast.dump(ast.parse(found, mode="eval")) == ast.dump(ast.parse(text, mode="eval"))
