# SPDX-License-Identifier: Apache-2.0
"""What an evaluation consists of, settled before any data is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import config_util, model_util
from tensorflow_model_analysis.utils.keras_lib import tf_keras

from ...utils import storage
from ...utils.errors import ParameterError, nearest
from ..base.artifact_types import Model
from ..train.flavors.registry import ModelError, detect
from .eval_config import EvalConfig

#: Folder of a Model artifact that holds what servers load, and what is evaluated.
SERVING_FOLDER = "Format-Serving"

#: The flavor that TFMA itself loads.
TENSORFLOW = "tensorflow"

#: TFMA's metrics by the names that fairness indicators give them
#: (https://www.tensorflow.org/responsible_ai/fairness_indicators/guide).
_FAIRNESS_RATES = {
    "false_positive_rate": "FPR",
    "false_negative_rate": "FNR",
    "true_positive_rate": "TPR",
    "true_negative_rate": "TNR",
    "positive_rate": "PredictedPositiveRate",
    "false_discovery_rate": "FalseDiscoveryRate",
    "false_omission_rate": "FalseOmissionRate",
}


@dataclass(frozen=True)
class EvalPlan:
    """A configuration made concrete for the models at hand.

    Attributes:
        config: The configuration with TFMA's defaults filled in; without a baseline model
            also without change thresholds.
        models: The models as TFMA knows them, in the order of the configuration.
        artifacts: The models, in the same order.
        flavors: Their flavors; TFMA itself loads those that are `tensorflow`.
        schema: Schema of the examples, if one was given.
        judged: Whether there is any threshold to meet.
        rubber_stamped: Whether change thresholds are ignored for want of a baseline.
    """

    config: Any
    models: list[Any]
    artifacts: list[Model]
    flavors: list[str]
    schema: Any
    judged: bool
    rubber_stamped: bool

    @property
    def all_tensorflow(self) -> bool:
        """Whether TFMA itself can load every model."""
        return set(self.flavors) == {TENSORFLOW}

    @property
    def candidate(self) -> str:
        """Name of the candidate in TFMA's results."""
        return str(next(spec.name for spec in self.config.model_specs if not spec.is_baseline))

    @property
    def baseline(self) -> str | None:
        """Name of the baseline in TFMA's results, or None where there is none."""
        return next((s.name for s in self.config.model_specs if s.is_baseline), None)


def make_plan(
    eval_config: EvalConfig,
    candidate: Model,
    baseline: Model | None,
    *,
    schema: schema_pb2.Schema | None = None,
    fairness_thresholds: Sequence[float] = (),
    custom_metrics: Mapping[str, type] | None = None,
    shared_model: Callable[..., Any] | None = None,
    node: str | None = None,
) -> EvalPlan:
    """Settles which models are evaluated how.

    Args:
        eval_config: The configuration.
        candidate: The model to judge.
        baseline: The model that it is compared with, if any.
        schema: Schema of the examples, if there is one.
        fairness_thresholds: Decision thresholds to add rates at.
        custom_metrics: The user's own metrics, by the name of their class.
        shared_model: The user's function that gives TFMA the models, whatever their format:
            `custom_eval_shared_model` of TFX.
        node: Id of the node, for messages.

    Raises:
        ParameterError: TFMA does not accept the configuration; a metric is unknown.
        ModelError: A model's folder holds no model of a known format.
    """
    raw = json_format.ParseDict(eval_config.model_dump(mode="json"), config_pb2.EvalConfig())
    _add_fairness_rates(raw, fairness_thresholds)
    _place_custom_metrics(raw, custom_metrics or {}, node)
    _check_metric_names(raw, node)
    rubber_stamped = baseline is None and config_util.has_change_threshold(raw)
    config, thresholds = _completed(raw, baseline is not None, node)
    models, flavors = [], []
    artifacts = [
        baseline if spec.is_baseline and baseline is not None else candidate
        for spec in config.model_specs
    ]
    for spec, artifact in zip(config.model_specs, artifacts, strict=True):
        if shared_model is not None:
            flavors.append(TENSORFLOW)  # TFMA and the user's code deal with it
            models.append(
                shared_model(
                    eval_saved_model_path=artifact.path(SERVING_FOLDER),
                    model_name=spec.name,
                    eval_config=config,
                    rubber_stamp=rubber_stamped,
                )
            )
            continue
        flavors.append(_flavor(artifact, node))
        if flavors[-1] == TENSORFLOW:
            models.append(_shared_model(config, spec, artifact, rubber_stamped))
        else:
            models.append(_flavor_model(spec, artifact, flavors[-1], rubber_stamped, node))
    return EvalPlan(
        config=config,
        models=model_util.verify_and_update_eval_shared_models(models),
        artifacts=artifacts,
        flavors=flavors,
        schema=schema,
        judged=bool(thresholds) or rubber_stamped,
        rubber_stamped=rubber_stamped,
    )


def _completed(
    raw: config_pb2.EvalConfig, has_baseline: bool, node: str | None
) -> tuple[config_pb2.EvalConfig, Any]:
    """The configuration with TFMA's defaults, and its thresholds."""
    with acceptable(node):
        config = config_util.update_eval_config_with_defaults(
            raw, has_baseline=has_baseline, rubber_stamp=True
        )
        config_util.verify_eval_config(config, baseline_required=has_baseline)
        thresholds = metric_specs.metric_thresholds_from_metrics_specs(
            config.metrics_specs, eval_config=config
        )
    return config, thresholds


@contextmanager
def acceptable(node: str | None = None) -> Iterator[None]:
    """Raises what TFMA has against a configuration as an error that users can act on.

    Raises:
        ParameterError: It has something against it.
    """
    try:
        yield
    except (ValueError, TypeError, RuntimeError) as error:
        raise ParameterError(
            "eval_config is not acceptable to TensorFlow Model Analysis",
            node=node,
            got=_first_line(error),
        ) from error


def _flavor(artifact: Model, node: str | None) -> str:
    folder = artifact.path(SERVING_FOLDER)
    # Those, TFMA reads from anywhere; the others have to lie on this machine.
    if storage.exists(storage.join(folder, "saved_model.pb")):
        return TENSORFLOW
    try:
        return detect(folder)
    except ModelError as error:
        error.node = node
        raise


def _flavor_model(
    spec: Any, artifact: Model, flavor: str, rubber_stamped: bool, node: str | None
) -> Any:
    """A model that TFMA only needs to know the name of."""
    for what, named in (
        ("signature_name", spec.signature_name),
        ("preprocessing_function_names", ", ".join(spec.preprocessing_function_names)),
    ):
        if named:
            raise ParameterError(
                f"model_specs name a signature of a model that has none: it is {flavor}",
                node=node,
                expected="a SavedModel",
                got=f"{what} {named!r}",
                fix=f"leave {what} out of eval_config",
            )
    return tfma.types.EvalSharedModel(
        model_path=artifact.path(SERVING_FOLDER),
        model_name=spec.name,
        model_type=flavor,
        rubber_stamp=rubber_stamped,
        is_baseline=spec.is_baseline,
    )


def _shared_model(config: Any, spec: Any, artifact: Model, rubber_stamped: bool) -> Any:
    folder = artifact.path(SERVING_FOLDER)
    typed = config_pb2.EvalConfig()
    typed.CopyFrom(config)
    if not spec.model_type and not storage.exists(storage.join(folder, "keras_metadata.pb")):
        # Else TFMA would load the whole model as a Keras model only to see whether it is one.
        for each in typed.model_specs:
            each.model_type = each.model_type or tfma.TF_GENERIC
    return tfma.default_eval_shared_model(
        eval_saved_model_path=folder,
        model_name=spec.name,
        eval_config=typed,
        rubber_stamp=rubber_stamped,
    )


def _add_fairness_rates(config: Any, thresholds: Sequence[float]) -> None:
    """Adds the rates that fairness indicators are made of, at each decision threshold."""
    if not thresholds:
        return
    spec = config.metrics_specs.add()
    for threshold in thresholds:
        for name, class_name in _FAIRNESS_RATES.items():
            full_name = f"fairness_indicators_metrics/{name}@{threshold:g}"
            settings = json.dumps({"thresholds": threshold, "name": full_name})
            spec.metrics.add(class_name=class_name, config=settings)


def _place_custom_metrics(config: Any, found: Mapping[str, type], node: str | None) -> None:
    """Tells TFMA in which modules the user's own metrics are."""
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            own = found.get(metric.class_name)
            if own is None:
                continue
            if not issubclass(own, (tfma.metrics.Metric, tf_keras.metrics.Metric)):
                raise ParameterError(
                    f"{metric.class_name} in the module file is no metric",
                    node=node,
                    expected="a subclass of tfma.metrics.Metric or tf_keras.metrics.Metric",
                    got=", ".join(f"{base.__module__}.{base.__name__}" for base in own.__bases__),
                )
            metric.module = own.__module__


def _check_metric_names(config: Any, node: str | None) -> None:
    known = {*metric_types.registered_metrics(), *dir(tf_keras.metrics)}
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            if metric.module or metric.class_name in known:
                continue
            raise ParameterError(
                f"there is no metric {metric.class_name!r}",
                node=node,
                expected="the class of a TFMA or Keras metric, or `module` for one of your own",
                got=metric.class_name,
                suggestion=nearest(
                    metric.class_name, (name for name in known if name[:1].isupper())
                ),
            )


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
