# SPDX-License-Identifier: Apache-2.0
"""What only people can say of a model: whom it is for, and where it must not be used.

Sections are those of "Model Cards for Model Reporting" (Mitchell et al., 2019,
https://arxiv.org/abs/1810.03993), with the names of the Model Card Toolkit's
(https://www.tensorflow.org/responsible_ai/model_card_toolkit/guide) where it has one.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Risk(BaseModel):
    """An ethical consideration.

    Attributes:
        name: What may go wrong, for whom.
        mitigation_strategy: What is done about it.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    mitigation_strategy: str = ""


class ModelCardText(BaseModel):
    """Texts of a card, in Markdown (paragraphs, lists, emphasis, code, links).

    Attributes:
        name: The model's name; the pipeline's where it is empty.
        overview: What the model does, in a few sentences.
        owners: Who answers for it: names, teams, addresses.
        version: Its version, as people call it.
        license: Its licence.
        references: Where to read on.
        citation: How to cite it.
        use_cases: What it is meant for.
        users: Who is meant to use it.
        out_of_scope: What it must not be used for.
        factors: Groups, instruments and environments that its quality may depend on.
        metrics: Why these metrics, and why these thresholds.
        evaluation_data: What the evaluation data is, and why it was chosen.
        training_data: The same of the training data.
        limitations: What it cannot do.
        tradeoffs: What was given up for what.
        ethical_considerations: Risks, and what is done about them.
        caveats: Anything else to know, and recommendations.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    overview: str = ""
    owners: list[str] = Field(default_factory=list)
    version: str = ""
    license: str = ""
    references: list[str] = Field(default_factory=list)
    citation: str = ""
    use_cases: list[str] = Field(default_factory=list)
    users: list[str] = Field(default_factory=list)
    out_of_scope: list[str] = Field(default_factory=list)
    factors: str = ""
    metrics: str = ""
    evaluation_data: str = ""
    training_data: str = ""
    limitations: list[str] = Field(default_factory=list)
    tradeoffs: list[str] = Field(default_factory=list)
    ethical_considerations: list[Risk] = Field(default_factory=list)
    caveats: str = ""
