# SPDX-License-Identifier: Apache-2.0
"""Which of two models is pushed: the better one on complaints that neither has seen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypedDict

from penstock import Input, Model, ModelBlessing, ModelEvaluation, Output, component

#: F1 of one class against the rest, as the evaluation names it.
_CLASS_F1 = re.compile(r"f1_score@.*classId:(\d+)")


class Choice(TypedDict):
    """Name of the model that was handed on, and what both were measured at."""

    chosen: str
    network_accuracy: float
    network_macro_f1: float
    baseline_accuracy: float
    baseline_macro_f1: float


@component
def choose(
    network: Input[Model],
    network_evaluation: Input[ModelEvaluation],
    network_blessing: Input[ModelBlessing],
    baseline: Input[Model],
    baseline_evaluation: Input[ModelEvaluation],
    baseline_blessing: Input[ModelBlessing],
    products: int,
    choose_by: str,
    min_macro_f1: float,
    model: Output[Model],
    blessing: Output[ModelBlessing],
) -> Choice:
    """Hands on the better of two models, by what their evaluations recorded.

    Both were measured on the same complaints. A model that its Evaluator did not bless, or
    whose macro-F1 is too low, is not blessed here either: then the better of the rest is
    handed on, or, if there is no rest, the better of all, which is not pushed.
    """
    # Loaded where the node runs.
    from penstock.components.analyze.evaluation_summary import metrics_by_slice
    from penstock.utils import storage

    models = {"network": network, "baseline": baseline}
    blessings = {"network": network_blessing, "baseline": baseline_blessing}
    evaluations = {"network": network_evaluation, "baseline": baseline_evaluation}
    found = {
        name: figures(metrics_by_slice(evaluation)[0]["metrics"], products)
        for name, evaluation in evaluations.items()
    }
    good = [
        name
        for name in models
        if blessings[name].blessed and found[name]["macro_f1"] >= min_macro_f1
    ]
    chosen = better(found, good or list(models), choose_by)
    storage.copy_tree(models[chosen].uri, model.uri)
    model.custom_properties.update(
        {
            name: value
            for name, value in models[chosen].custom_properties.items()
            if name in ("flavor", "trusted_types")
        }
    )
    model.content_digest = models[chosen].content_digest
    passed = chosen in good
    storage.write_bytes_atomic(blessing.path("BLESSED" if passed else "NOT_BLESSED"), b"")
    blessing.custom_properties["blessed"] = int(passed)
    blessing.custom_properties["chosen"] = chosen
    if not passed:
        blessing.custom_properties["reason"] = refusal(found, min_macro_f1)
    return {
        "chosen": chosen,
        "network_accuracy": found["network"]["accuracy"],
        "network_macro_f1": found["network"]["macro_f1"],
        "baseline_accuracy": found["baseline"]["accuracy"],
        "baseline_macro_f1": found["baseline"]["macro_f1"],
    }


def figures(metrics: Mapping[str, float | None], products: int) -> dict[str, float]:
    """Accuracy and macro-F1, from what an evaluation recorded over all rows.

    The macro-F1 is the mean of the products' F1 scores, each answer being the product with
    the highest probability.

    Raises:
        ValueError: A product's score is missing.
    """
    scores = {}
    for name, value in metrics.items():
        of_class = _CLASS_F1.search(name)
        if of_class:
            scores[int(of_class[1])] = value or 0.0
    if sorted(scores) != list(range(products)):
        raise ValueError(f"F1 scores are recorded of {sorted(scores)}, not of {products} products")
    accuracy = metrics.get("sparse_categorical_accuracy")
    return {"accuracy": accuracy or 0.0, "macro_f1": sum(scores.values()) / products}


def refusal(found: Mapping[str, Mapping[str, float]], min_macro_f1: float) -> str:
    """Why neither model is pushed."""
    had = ", ".join(f"{name} has {one['macro_f1']:.3f}" for name, one in found.items())
    return f"neither model was blessed with a macro-F1 of at least {min_macro_f1}: {had}"


def better(found: Mapping[str, Mapping[str, float]], names: Sequence[str], by: str) -> str:
    """The name of the better model; of two that are equal, the simpler baseline."""
    return max(names, key=lambda name: (found[name][by], name == "baseline"))
