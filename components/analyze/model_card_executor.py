# SPDX-License-Identifier: Apache-2.0
"""Executor of ModelCard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...utils.errors import PenstockError
from ..base.artifact import PropertyValue
from ..base.artifact_types import (
    Examples,
    ExampleStatistics,
    FeatureInfluenceArtifact,
    HyperParameters,
    InfraBlessing,
    Model,
    ModelBlessing,
    ModelCardArtifact,
    ModelEvaluation,
    Schema,
    TransformGraph,
)
from ..base.executor import Task
from . import model_card_facts as facts
from .model_card_file import FORMAT, write_card
from .model_card_text import ModelCardText


class ModelCardExecutor:
    """Gathers what is known of a model, and writes its card."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `model_card`.

        Returns:
            `sections`: how many sections with facts the card has.

        Raises:
            DataError: Something that is connected cannot be read.
        """
        try:
            card = gather(task)
        except PenstockError as error:
            error.node = error.node or task.node_id
            raise
        artifact = task.output("model_card", ModelCardArtifact)
        write_card(artifact, card)
        artifact.custom_properties["model_name"] = card["name"]
        return {"sections": sum(bool(card[name]) for name in _SECTIONS)}


_SECTIONS = (
    "data", "features", "distributions", "transform", "hyperparameters", "evaluation", "gates",
    "influence",
)  # fmt: skip


def gather(task: Task) -> dict[str, Any]:
    """Everything that a card shows: see `model_card_file`."""
    text: ModelCardText = task.parameter("card", ModelCardText | None) or ModelCardText()
    card: dict[str, Any] = {
        "format": FORMAT,
        "name": text.name or task.pipeline_name,
        "text": text.model_dump(),
        "pipeline": task.pipeline_name,
        "model": facts.model_facts(task.input("model", Model)),
        "metrics": task.parameters.get("metrics") or [],
        "max_slices": int(task.parameters.get("max_slices") or 20),
        "gates": _gates(task),
    }
    readers: tuple[tuple[str, str, type[Any], Any], ...] = (
        ("data", "examples", Examples, facts.data_facts),
        ("features", "schema", Schema, facts.feature_facts),
        ("transform", "transform_graph", TransformGraph, facts.transform_facts),
        ("evaluation", "evaluation", ModelEvaluation, facts.evaluation_facts),
        ("influence", "influence", FeatureInfluenceArtifact, facts.influence_facts),
    )
    for section, name, kind, read in readers:
        found = task.optional_input(name, kind)
        card[section] = None if found is None else read(found)
    statistics = task.optional_input("statistics", ExampleStatistics)
    most = int(task.parameters.get("max_features", 24))
    card["distributions"] = facts.distribution_charts(statistics, most) if statistics else []
    tuned = task.optional_input("hyperparameters", HyperParameters)
    card["hyperparameters"] = {
        **(facts.best_values(tuned) if tuned else {}),
        **(task.parameters.get("training_parameters") or {}),
    }
    return card


def _gates(task: Task) -> list[dict[str, Any]]:
    found = []
    for name, kind, title in (
        ("model_blessing", ModelBlessing, "Evaluation"),
        ("infra_blessing", InfraBlessing, "Serving"),
    ):
        blessing = task.optional_input(name, kind)
        if blessing is not None:
            found.append(facts.gate_facts(title, blessing))
    return found
