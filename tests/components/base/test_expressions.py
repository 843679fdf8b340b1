# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from penstock import Cond, OutputDict, RuntimeParameter, component
from penstock.components.base.expression import PIPELINE_ROOT, RUN_ID
from penstock.utils.errors import ParameterError, WiringError


@component
def measure() -> OutputDict(loss=float):
    """Returns a value."""
    return {"loss": 0.1}


@component
def act(loss: float) -> None:
    """Takes a value."""


def test_comparisons_combine_to_predicates() -> None:
    """Without it, conditions on several values could not be written."""
    loss = measure().outputs["loss"].future().value
    predicate = ((loss < 0.5) & ~(loss == 0.0)) | (loss >= 9)
    encoded = predicate.encode(lambda channel: (channel.producer.id, channel.key))
    assert encoded["operator"] == "or"
    assert encoded["operands"][0]["operands"][1]["operator"] == "not"


def test_an_expression_has_no_truth_value() -> None:
    """Without it, `if node.outputs[...].future().value < 1:` would silently be true."""
    with pytest.raises(ParameterError, match="known only when the pipeline runs"):
        bool(measure().outputs["loss"].future().value < 0.5)


def test_texts_are_joined_with_plus() -> None:
    """Without it, paths could not be made of run facts."""
    encoded = (PIPELINE_ROOT + "/serving/" + RUN_ID).encode(lambda channel: ("", ""))
    assert encoded["kind"] == "concat"


def test_a_value_output_becomes_a_parameter() -> None:
    """Without it, returned values could not be passed on."""
    node = act(loss=measure().outputs["loss"])
    assert [c.key for c in node.parameters["loss"].channels()] == ["loss"]


def test_cond_marks_the_nodes_built_inside_it() -> None:
    """Without it, conditional nodes would always run."""
    measured = measure()
    with Cond(measured.outputs["loss"].future().value < 0.5):
        inside = act(loss=1.0)
        with Cond(measured.outputs["loss"].future().value > 0.0):
            deeper = act(loss=1.0)
    outside = act(loss=1.0)
    assert [len(n.conditions) for n in (inside, deeper, outside)] == [1, 2, 0]


def test_cond_needs_a_predicate() -> None:
    """Without it, `with Cond(True)` would compile to nonsense."""
    with pytest.raises(WiringError, match="Cond needs a comparison"):
        Cond(True)


@pytest.mark.parametrize(("kind", "default"), [(int, "3"), (str, 3), (bool, 1), (list, None)])
def test_runtime_parameters_check_their_default(kind: type, default: object) -> None:
    """Without it, a run would fail on its own default."""
    with pytest.raises(ParameterError, match="runtime parameter 'x'"):
        RuntimeParameter("x", kind, default)
