# SPDX-License-Identifier: Apache-2.0
"""Where the number that a search optimizes comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import Float, JsonValue, MetadataStore, Model, ModelEvaluation
from penstock.components.analyze.evaluation_summary import SliceMetrics, Verdict, write_summary
from penstock.orchestration.launch.outcome import NodeOutcome, NodeState
from penstock.orchestration.runners.local.tuning.objective import (
    Objective,
    ObjectiveMissing,
    read_objective,
)
from penstock.utils.errors import DataError


@pytest.fixture
def outcome(tmp_path: Path) -> NodeOutcome:
    """What became of a node that puts out numbers of every kind."""
    for name in ("evaluation", "model", "share", "counts"):
        (tmp_path / name).mkdir()
    evaluation = ModelEvaluation(str(tmp_path / "evaluation"))
    slices = [
        SliceMetrics({}, "all rows", {"auc": 0.75, "recall": None}),
        SliceMetrics({"kind": "a"}, "kind: a", {"auc": 0.5}),
    ]
    write_summary(evaluation.uri, 10, {}, slices, Verdict(False, True))
    share, counts = Float(str(tmp_path / "share")), JsonValue(str(tmp_path / "counts"))
    share.write(0.25)
    counts.write({"rows": 12, "name": "x"})
    model = Model(str(tmp_path / "model"), custom_properties={"size": 3, "blessed": True})
    return NodeOutcome(
        "node",
        NodeState.COMPLETE,
        outputs={"evaluation": [evaluation], "share": [share], "counts": [counts],
                 "model": [model]},
        properties={"metric.loss": 0.5, "steps": 7, "note": "n", "auc": 0.1},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", 0.5),
        ("metric.loss", 0.5),
        ("steps", 7.0),
        ("share", 0.25),
        ("counts.rows", 12.0),
        ("auc", 0.1),
        ("evaluation.auc", 0.75),
        ("size", 3.0),
        ("model.size", 3.0),
    ],
)
def test_number_is_found_where_it_is(outcome: NodeOutcome, name: str, value: float) -> None:
    """If it fails, a search cannot optimize a number that a node puts out, or takes another."""
    with MetadataStore(":memory:") as store:
        assert read_objective(Objective("node", name), outcome, store) == value


def test_what_is_no_number_is_none_to_optimize(outcome: NodeOutcome) -> None:
    """If it fails, a search optimizes a text or a truth value, or passes NaN on."""
    with MetadataStore(":memory:") as store:
        for name in ("note", "counts.name", "blessed", "counts", "los"):
            with pytest.raises(ObjectiveMissing, match=f"no number called '{name}'") as caught:
                read_objective(Objective("node", name), outcome, store)
            assert "evaluation.auc" in str(caught.value.expected)
        assert caught.value.suggestion == "loss"
        with pytest.raises(DataError, match=r"node\.recall is nan"):
            read_objective(Objective("node", "recall"), outcome, store)
        skipped = NodeOutcome("node", NodeState.SKIPPED)
        with pytest.raises(DataError, match="node was skipped"):
            read_objective(Objective("node", "loss"), skipped, store)
