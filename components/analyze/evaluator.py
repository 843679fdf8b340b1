# SPDX-License-Identifier: Apache-2.0
"""The Evaluator: measures a model on data it has not seen, and judges it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Input, OptionalInput, Output, Parameter, output
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

    A model may have any flavor that `components.train.flavors` knows; candidate and baseline
    need not have the same. A classifier that is no SavedModel is measured by the
    probabilities of its classes, of the second one where there are two; `prediction_key` in
    `model_specs` chooses another output. Labels may then be the classes' names.

    Metrics of your own are classes in `module_file`, named in `eval_config` by `class_name`
    alone: subclasses of `tfma.metrics.Metric` or of a metric of tf-keras, importing nothing of
    Penstock
    (https://www.tensorflow.org/tfx/model_analysis/metrics#custom_tfma_metrics)::

        class Underestimated(tfma.metrics.Metric):
            def __init__(self, name="underestimated"):
                super().__init__(make_computations, name=name)

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
        module_file: Python file that defines metrics of your own, and may define
            `custom_extractors(eval_shared_model, eval_config, tensor_adapter_config)` as TFX's
            Evaluator takes it: it returns the extractors to use in place of TFMA's, on Beam;
            and `custom_eval_shared_model(eval_saved_model_path, model_name, eval_config,
            **kwargs)`, which returns the `tfma.types.EvalSharedModel` of a model in any format.
        custom_extractors: The function itself, or its dotted name, in place of `module_file`.

    Outputs:
        evaluation: Metrics, plots and validations, and their summary in `summary.json`.
        blessing: A file `BLESSED` or `NOT_BLESSED`, and the custom properties `blessed`,
            `current_model`, `current_model_id`, `baseline_model`, `baseline_model_id`.
    """

    type_name = "tfx.components.evaluator.component.Evaluator"
    executor = "penstock.components.analyze.evaluator_executor:EvaluatorExecutor"
    preload = ("tensorflow_model_analysis",)
    entry_points = ("custom_extractors?", "custom_eval_shared_model?")

    examples: Input[Examples]
    model: Input[Model]
    eval_config: Parameter[EvalConfig]
    baseline_model: OptionalInput[Model] = None
    schema: OptionalInput[Schema] = None
    fairness_indicator_thresholds: Parameter[list[float] | None] = None
    example_splits: Parameter[list[str] | None] = None
    module_file: Parameter[str | None] = None
    custom_extractors: Parameter[Any] = None
    evaluation: Output[ModelEvaluation] = output()
    blessing: Output[ModelBlessing] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; metrics that the module file defines go along by name."""
        super().bind(spec, args, kwargs)
        config = self.parameters.get("eval_config")
        if self.parameters.get("module_file") is None or not isinstance(config, dict):
            return
        named = {
            metric["class_name"]
            for each in config.get("metrics_specs", ())
            for metric in each.get("metrics", ())
        }
        # On the instance: which names are entry points depends on the configuration.
        vars(self)["entry_points"] = (
            *type(self).entry_points,
            *(f"{name}?" for name in sorted(named)),
        )
