# SPDX-License-Identifier: Apache-2.0
"""ModelCard: a page about a model, for those who use it or answer for it."""

from __future__ import annotations

from typing import Any

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
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
from ..base.component import Component
from .model_card_text import ModelCardText


class ModelCard(Component):
    """Writes a model card from what the pipeline made, and what people have to say.

    A card shows what is connected: metrics by slice with charts, thresholds passed and
    missed, data with spans and row counts, distributions of features, hyperparameters, size,
    latency. What is not connected has no section. It is one page without scripts, fonts or
    network, in HTML and in Markdown; and the same as data.

    The page depends on what artifacts hold, not on where they lie or when they were made, so
    that it is reused like any other result. `penstock card <model>` adds who made what when,
    from which code, out of the metadata store.

    Sections are those of "Model Cards for Model Reporting"
    (https://arxiv.org/abs/1810.03993).

    Args:
        model: The model.
        card: What only people can say: `ModelCardText`.
        examples: The data it was trained and evaluated on.
        statistics: Statistics of that data, for charts of its features.
        schema: Types and domains of its features.
        transform_graph: What was done to features before the model.
        evaluation: Metrics and thresholds.
        model_blessing: The Evaluator's verdict.
        infra_blessing: The InfraValidator's verdict, with size, latency and memory.
        hyperparameters: The best ones that a Tuner found.
        influence: How much features matter.
        training_parameters: Further settings of the training to show.
        metrics: Names of metrics to draw by slice; those with thresholds, and a few more, by
            default.
        max_slices: Most slices in one chart.
        max_features: Most features whose distributions are drawn.

    Outputs:
        model_card: `model_card.html`, `model_card.md` and `card.json`.
    """

    executor = "penstock.components.analyze.model_card_executor:ModelCardExecutor"
    preload = ("penstock.components.analyze.model_card_executor",)

    model: Input[Model]
    card: Parameter[ModelCardText | None] = None
    examples: OptionalInput[Examples] = None
    statistics: OptionalInput[ExampleStatistics] = None
    schema: OptionalInput[Schema] = None
    transform_graph: OptionalInput[TransformGraph] = None
    evaluation: OptionalInput[ModelEvaluation] = None
    model_blessing: OptionalInput[ModelBlessing] = None
    infra_blessing: OptionalInput[InfraBlessing] = None
    hyperparameters: OptionalInput[HyperParameters] = None
    influence: OptionalInput[FeatureInfluenceArtifact] = None
    training_parameters: Parameter[dict[str, Any] | None] = None
    metrics: Parameter[list[str] | None] = None
    max_slices: Parameter[int] = 20
    max_features: Parameter[int] = 24
    model_card: Output[ModelCardArtifact] = output()
