# SPDX-License-Identifier: Apache-2.0
"""What to evaluate and what to demand of it: the parameter that `Evaluator` takes.

The models mirror TensorFlow Model Analysis' `EvalConfig` protocol buffer field by field
(https://www.tensorflow.org/tfx/model_analysis/setup), so that a configuration can be
written in Python, YAML or JSON, and is checked, without loading TensorFlow. A
`tfma.EvalConfig` is accepted wherever one of these is. Names may also be spelt the way
protocol buffers write them in JSON (`modelSpecs`), and wrapped numbers the way they
stand in text format (`lower_bound: {value: 0.7}`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from ...utils.errors import nearest


def _unwrap(value: Any) -> Any:
    """The number inside `{value: 0.7}`, which is how text format writes wrapped numbers."""
    return value["value"] if isinstance(value, dict) and set(value) == {"value"} else value


def _as_json_text(value: Any) -> Any:
    """A metric's settings as the JSON text that the protocol buffer holds."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


Number = Annotated[float | None, BeforeValidator(_unwrap)]
WholeNumber = Annotated[int | None, BeforeValidator(_unwrap)]
Flag = Annotated[bool | None, BeforeValidator(_unwrap)]


class Message(BaseModel):
    """Base of the mirrored messages: fields that were not set are not written out."""

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        # TFMA has fields such as model_specs; they clash with nothing here.
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = list(cls.model_fields)
        for name in data:
            if name not in known and name not in map(to_camel, known):
                close = nearest(str(name), known)
                hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
                raise ValueError(f"there is no field {name!r}; {hint}")
        return data

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        set_here = self.model_fields_set
        return {
            name: value for name, value in written.items() if name in set_here and value is not None
        }


class PaddingOptions(Message):
    """Values that fill labels and predictions of unequal length."""

    label_int_padding: int | None = None
    label_float_padding: float | None = None
    prediction_int_padding: int | None = None
    prediction_float_padding: float | None = None


class ModelSpec(Message):
    """How to use one model.

    Attributes:
        name: Name of the model; needed only where there are several.
        model_type: `tf_generic`, `tf_keras`, …; found out where not given.
        signature_name: Signature that predicts; the serving signature where not given.
        preprocessing_function_names: Signatures whose outputs may serve as labels,
            weights and slice features: `transform_features` for labels that the
            transformation makes.
        label_key: Column, or output of a preprocessing function, that holds the label.
        prediction_key: Output that holds the prediction, where there are several.
        example_weight_key: Column that holds the weight of a row.
        is_baseline: Whether the model is the one that others are compared with.
    """

    name: str = ""
    model_type: str = ""
    signature_name: str = ""
    preprocessing_function_names: list[str] = []
    label_key: str = ""
    label_keys: dict[str, str] = {}
    prediction_key: str = ""
    prediction_keys: dict[str, str] = {}
    example_weight_key: str = ""
    example_weight_keys: dict[str, str] = {}
    is_baseline: bool = False
    padding_options: PaddingOptions | None = None
    inference_batch_size: int = 0


class SlicingSpec(Message):
    """Which rows to look at separately; empty means all rows together.

    Attributes:
        feature_keys: One slice for each value of this feature, or each combination of
            values of these features.
        feature_values: Only rows with these values.
        slice_keys_sql: A query that gives the slice keys of a row.
    """

    feature_keys: list[str] = []
    feature_values: dict[str, str] = {}
    slice_keys_sql: str = ""


class CrossSlicingSpec(Message):
    """Slices to compare with another slice."""

    baseline_spec: SlicingSpec | None = None
    slicing_specs: list[SlicingSpec] = []


class GenericValueThreshold(Message):
    """Bounds of a metric."""

    lower_bound: Number = None
    upper_bound: Number = None


class GenericChangeThreshold(Message):
    """Bounds of a metric's change against the baseline model.

    Attributes:
        absolute: Bound of `candidate - baseline`.
        relative: Bound of `(candidate - baseline) / baseline`.
        direction: Whether the change must be above (`HIGHER_IS_BETTER`) or below the bound.
    """

    absolute: Number = None
    relative: Number = None
    direction: Literal["UNKNOWN", "LOWER_IS_BETTER", "HIGHER_IS_BETTER"] = "UNKNOWN"

    @model_validator(mode="after")
    def _has_direction(self) -> GenericChangeThreshold:
        bounded = self.absolute is not None or self.relative is not None
        if bounded and self.direction == "UNKNOWN":
            # TFMA would take it, and then refuse every model.
            raise ValueError(
                "a change threshold needs `direction`: HIGHER_IS_BETTER or LOWER_IS_BETTER"
            )
        return self


class MetricThreshold(Message):
    """What a metric must meet; both parts must hold."""

    value_threshold: GenericValueThreshold | None = None
    change_threshold: GenericChangeThreshold | None = None


class PerSliceMetricThreshold(Message):
    """What a metric must meet on some slices."""

    slicing_specs: list[SlicingSpec]
    threshold: MetricThreshold


class CrossSliceMetricThreshold(Message):
    """What the difference of a metric between slices must meet."""

    cross_slicing_specs: list[CrossSlicingSpec]
    threshold: MetricThreshold


class PerSliceMetricThresholds(Message):
    """Several thresholds of one metric."""

    thresholds: list[PerSliceMetricThreshold] = []


class CrossSliceMetricThresholds(Message):
    """Several thresholds of one metric's differences."""

    thresholds: list[CrossSliceMetricThreshold] = []


class MetricConfig(Message):
    """One metric.

    Attributes:
        class_name: A metric of TFMA or Keras, such as `AUC`.
        module: Where the class is, for metrics of one's own.
        config: The metric's settings, as a dict or as JSON text.
        threshold: What the metric must meet on every slice that is computed, that of all
            rows included.
        per_slice_thresholds: What it must meet on some slices only; an empty slicing spec
            means all rows together.
    """

    class_name: str
    module: str = ""
    config: Annotated[str, BeforeValidator(_as_json_text)] = ""
    threshold: MetricThreshold | None = None
    per_slice_thresholds: list[PerSliceMetricThreshold] = []
    cross_slice_thresholds: list[CrossSliceMetricThreshold] = []


class RepeatedInt32Value(Message):
    """A list of whole numbers."""

    values: list[int] = []


class RepeatedStringValue(Message):
    """A list of texts."""

    values: list[str] = []


class BinarizationOptions(Message):
    """How to turn a metric of many classes into metrics of one class against the rest."""

    class_ids: RepeatedInt32Value | None = None
    k_list: RepeatedInt32Value | None = None
    top_k_list: RepeatedInt32Value | None = None


class AggregationOptions(Message):
    """How to average over classes."""

    micro_average: bool | None = None
    macro_average: bool | None = None
    weighted_macro_average: bool | None = None
    class_weights: dict[int, float] = {}
    top_k_list: RepeatedInt32Value | None = None


class ExampleWeightOptions(Message):
    """Whether to compute metrics with weights, without, or both."""

    weighted: bool = False
    unweighted: bool = False


class MetricsSpec(Message):
    """Metrics that share models, outputs and ways of averaging."""

    metrics: list[MetricConfig] = []
    model_names: list[str] = []
    output_names: list[str] = []
    output_weights: dict[str, float] = {}
    binarize: BinarizationOptions | None = None
    aggregate: AggregationOptions | None = None
    example_weights: ExampleWeightOptions | None = None
    query_key: str = ""
    thresholds: dict[str, MetricThreshold] = {}
    per_slice_thresholds: dict[str, PerSliceMetricThresholds] = {}
    cross_slice_thresholds: dict[str, CrossSliceMetricThresholds] = {}


class ConfidenceIntervalOptions(Message):
    """How confidence intervals are computed."""

    method: Literal["UNKNOWN_CONFIDENCE_INTERVAL_METHOD", "POISSON_BOOTSTRAP", "JACKKNIFE"] = (
        "UNKNOWN_CONFIDENCE_INTERVAL_METHOD"
    )


class Options(Message):
    """Settings of the evaluation as a whole.

    Attributes:
        include_default_metrics: Whether metrics saved with a Keras model are computed too.
        compute_confidence_intervals: Whether every metric gets an interval.
        min_slice_size: Smaller slices are left out.
    """

    include_default_metrics: Flag = None
    compute_confidence_intervals: Flag = None
    confidence_intervals: ConfidenceIntervalOptions | None = None
    min_slice_size: WholeNumber = None
    disabled_outputs: RepeatedStringValue | None = None


class EvalConfig(Message):
    """What to evaluate: models, slices, metrics with thresholds, and options."""

    model_specs: list[ModelSpec] = []
    slicing_specs: list[SlicingSpec] = []
    cross_slicing_specs: list[CrossSlicingSpec] = []
    metrics_specs: list[MetricsSpec] = []
    options: Options | None = None

    @model_validator(mode="after")
    def _models_fit_together(self) -> EvalConfig:
        names = [spec.name for spec in self.model_specs]
        if len(names) > 1 and "" in names:
            raise ValueError("each of several model_specs needs a name")
        if len(set(names)) < len(names):
            raise ValueError(f"model_specs have the same name twice: {', '.join(names)}")
        if sum(spec.is_baseline for spec in self.model_specs) > 1:
            raise ValueError("only one of model_specs can be the baseline")
        for spec in self.metrics_specs:
            for name in spec.model_names:
                if len(names) > 1 and name not in names:
                    raise ValueError(
                        f"metrics_specs name a model {name!r}; model_specs have {names}"
                    )
        return self
