# SPDX-License-Identifier: Apache-2.0
"""The Evaluator: measures a model on data it has not seen, and judges it."""

from __future__ import annotations

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import Examples, Model, ModelBlessing, ModelEvaluation, Schema
from ..base.component import Component
from .eval_config import EvalConfig


class Evaluator(Component):
    """Computes metrics of a model, on slices too, and blesses it where thresholds are met.

    Metrics are those of TensorFlow Model Analysis, and the results are read with its
    functions (`tfma.load_eval_result`, `tfma.load_validation_result`). See
    https://www.tensorflow.org/tfx/guide/evaluator.

    A model that misses a threshold is not blessed; that is a result, not an error: the run
    goes on, and the log says which metric on which slice missed by how much. Without a
    baseline model (the first run) change thresholds are ignored and value thresholds still
    count. Without any threshold nothing is judged and nothing is blessed.

    Args:
        examples: The data, raw as it was ingested.
        model: The candidate; its serving signature predicts.
        eval_config: Models, slices, metrics and thresholds: an `EvalConfig`, a dict, or a
            `tfma.EvalConfig`.
        baseline_model: The model it is compared with: usually the latest blessed one.
        schema: How to read columns whose shape the data does not tell.
        fairness_indicator_thresholds: Decision thresholds at which to add the rates of
            false and true positives and negatives, for comparing groups.
        example_splits: Splits to evaluate on; `["eval"]` where not given.

    Outputs:
        evaluation: Metrics, plots and validations, and their summary in `summary.json`.
        blessing: A file `BLESSED` or `NOT_BLESSED`, and the custom properties `blessed`,
            `current_model`, `current_model_id`, `baseline_model`, `baseline_model_id`.
    """

    type_name = "tfx.components.evaluator.component.Evaluator"
    executor = "penstock.components.analyze.evaluator_executor:EvaluatorExecutor"
    preload = ("tensorflow_model_analysis",)

    examples: Input[Examples]
    model: Input[Model]
    eval_config: Parameter[EvalConfig]
    baseline_model: OptionalInput[Model] = None
    schema: OptionalInput[Schema] = None
    fairness_indicator_thresholds: Parameter[list[float] | None] = None
    example_splits: Parameter[list[str] | None] = None
    evaluation: Output[ModelEvaluation] = output()
    blessing: Output[ModelBlessing] = output()
