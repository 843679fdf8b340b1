# SPDX-License-Identifier: Apache-2.0
"""Components that make, judge and use models, with TFX's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...utils.errors import CodeError, PenstockError
from ...utils.source_location import caller_location
from ...utils.user_code import collect, defined_names
from ..analyze.bulk_inferrer import BulkInferrer as NativeBulkInferrer
from ..analyze.evaluator import Evaluator as NativeEvaluator
from ..base.annotations import OptionalInput, Output, Parameter, output
from ..base.artifact_types import InfraBlessing, Model, ModelBlessing, PushedModel
from ..base.channel import Channel
from ..push.pusher import Pusher as NativePusher
from ..serve.infra_validator import InfraValidator as NativeInfraValidator
from ..train.trainer import Trainer as NativeTrainer
from ..train.tuner import Tuner as NativeTuner
from .class_component import replace_executor
from .messages import plain
from .tfx_component import TfxComponent
from .translation import exactly_one, given, known_code, message_or_none, own_executor, refuse

_KERAS = "penstock.components.tfx_face.keras_executors"


class Trainer(TfxComponent, NativeTrainer):
    """Runs the user's `run_fn`.

    Args:
        examples: The data.
        transformed_examples: Older name of `examples`.
        transform_graph: The Transform's graph.
        schema: The schema.
        base_model: A model to start from.
        hyperparameters: What a Tuner found best.
        module_file: File that defines `run_fn`.
        run_fn: The function's dotted name, or the function, instead of that.
        train_args: Splits and steps to train: `TrainArgs`.
        eval_args: Splits and steps to evaluate: `EvalArgs`.
        custom_config: What `run_fn` wants besides.
        custom_executor_spec: An executor of one's own.
    """

    type_name = NativeTrainer.type_name
    executor = f"{_KERAS}:TrainerExecutor"

    def __init__(
        self,
        examples: Channel | None = None,
        transformed_examples: Channel | None = None,
        transform_graph: Channel | None = None,
        schema: Channel | None = None,
        base_model: Channel | None = None,
        hyperparameters: Channel | None = None,
        module_file: Any = None,
        run_fn: Any = None,
        train_args: Any = None,
        eval_args: Any = None,
        custom_config: Mapping[str, Any] | None = None,
        custom_executor_spec: Any = None,
    ) -> None:
        own = own_executor(custom_executor_spec)
        module_file = known_code("Trainer", "module_file", module_file)
        run_fn = known_code("Trainer", "run_fn", run_fn)
        exactly_one("Trainer", examples=examples, transformed_examples=transformed_examples)
        if own is None:
            exactly_one("Trainer", module_file=module_file, run_fn=run_fn)
            _refuse_estimators(module_file)
        super().__init__(
            **given(
                examples=examples if examples is not None else transformed_examples,
                transform_graph=transform_graph,
                schema=schema,
                base_model=base_model,
                hyperparameters=hyperparameters,
                module_file=module_file,
                run_fn=run_fn,
                train_args=message_or_none(train_args),
                eval_args=message_or_none(eval_args),
                custom_config=custom_config,
            )
        )
        if own is not None:
            vars(self)["entry_points"] = ()
            replace_executor(self, own)


def _refuse_estimators(module_file: Any) -> None:
    """Says what to do with a module file of the time of Estimators.

    Raises:
        CodeError: It defines `trainer_fn` and no `run_fn`.
    """
    if not isinstance(module_file, str):
        return
    try:
        bundle, module, _ = collect(module_file)
        defined = defined_names(bundle, module)
    except PenstockError:
        return  # the compiler says what is wrong with the file
    if "trainer_fn" in defined and "run_fn" not in defined:
        raise CodeError(
            "the module file trains an Estimator by trainer_fn, which TensorFlow has dropped",
            expected="run_fn(fn_args), which trains and saves a model",
            got=f"{module_file} defines trainer_fn",
            location=caller_location(),
            fix="write run_fn with a Keras model; fn_args has train_files, eval_files, "
            "transform_output and serving_model_dir: https://www.tensorflow.org/tfx/guide/trainer",
        )


class Tuner(TfxComponent, NativeTuner):
    """Searches for hyperparameters by the user's `tuner_fn`.

    Args:
        examples: The data.
        schema: The schema.
        transform_graph: The Transform's graph.
        base_model: A model to start from.
        module_file: File that defines `tuner_fn`.
        tuner_fn: The function's dotted name, or the function, instead of that.
        train_args: Splits and steps to train: `TrainArgs`.
        eval_args: Splits and steps to evaluate: `EvalArgs`.
        tune_args: How many trials at a time: `TuneArgs`.
        custom_config: What `tuner_fn` wants besides.
    """

    type_name = NativeTuner.type_name
    executor = f"{_KERAS}:TunerExecutor"

    def __init__(
        self,
        examples: Channel,
        schema: Channel | None = None,
        transform_graph: Channel | None = None,
        base_model: Channel | None = None,
        module_file: Any = None,
        tuner_fn: Any = None,
        train_args: Any = None,
        eval_args: Any = None,
        tune_args: Any = None,
        custom_config: Mapping[str, Any] | None = None,
    ) -> None:
        module_file = known_code("Tuner", "module_file", module_file)
        tuner_fn = known_code("Tuner", "tuner_fn", tuner_fn)
        exactly_one("Tuner", module_file=module_file, tuner_fn=tuner_fn)
        super().__init__(
            **given(
                examples=examples,
                schema=schema,
                transform_graph=transform_graph,
                base_model=base_model,
                module_file=module_file,
                tuner_fn=tuner_fn,
                train_args=message_or_none(train_args),
                eval_args=message_or_none(eval_args),
                tune_args=message_or_none(tune_args),
                custom_config=custom_config,
            )
        )


class Evaluator(TfxComponent, NativeEvaluator):
    """Measures a model, and judges it.

    Args:
        examples: The data, raw.
        model: The candidate.
        baseline_model: The model it is compared with.
        feature_slicing_spec: Of the time of Estimators: refused.
        fairness_indicator_thresholds: Decision thresholds for comparing groups.
        example_splits: Splits to evaluate on.
        eval_config: A `tfma.EvalConfig`, or the native one.
        schema: The schema.
        module_file: File with metrics or `custom_extractors` of one's own.
        module_path: Its dotted name, instead of that.
    """

    type_name = NativeEvaluator.type_name

    def __init__(
        self,
        examples: Channel,
        model: Channel | None = None,
        baseline_model: Channel | None = None,
        feature_slicing_spec: Any = None,
        fairness_indicator_thresholds: Any = None,
        example_splits: Sequence[str] | None = None,
        eval_config: Any = None,
        schema: Channel | None = None,
        module_file: str | None = None,
        module_path: str | None = None,
    ) -> None:
        refuse("Evaluator", "feature_slicing_spec", feature_slicing_spec,
               "name slices in eval_config.slicing_specs")  # fmt: skip
        module_file = known_code("Evaluator", "module_file", module_file)
        if module_file is not None and module_path is not None:
            exactly_one("Evaluator", module_file=module_file, module_path=module_path)
        super().__init__(
            **given(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                fairness_indicator_thresholds=fairness_indicator_thresholds,
                example_splits=list(example_splits) if example_splits else None,
                eval_config=eval_config,
                schema=schema,
                module_file=module_file or module_path,
            )
        )


class InfraValidator(TfxComponent, NativeInfraValidator):
    """Serves a model, asks it, and blesses it where that works.

    Where the pipeline asks for TensorFlow Serving in Docker and this machine has no Docker,
    KServe's server is started in its place, and the log says so.

    Args:
        model: The candidate.
        serving_spec: Which server: a `ServingSpec`.
        examples: Records to ask about.
        request_spec: Which requests: a `RequestSpec`.
        validation_spec: Limits: a `ValidationSpec`.
    """

    type_name = NativeInfraValidator.type_name
    executor = "penstock.components.tfx_face.serving_executor:TfxInfraValidatorExecutor"

    def __init__(
        self,
        model: Channel,
        serving_spec: Any,
        examples: Channel | None = None,
        request_spec: Any = None,
        validation_spec: Any = None,
    ) -> None:
        super().__init__(
            **given(
                model=model,
                serving_spec=_native_serving(plain(serving_spec)),
                examples=examples,
                request_spec=message_or_none(request_spec),
                validation_spec=message_or_none(validation_spec),
                on_refusal="not_blessed",
            )
        )


def _native_serving(spec: Any) -> Any:
    """A `ServingSpec` without what has no meaning natively.

    `host_ip_address` tells TFX where Docker's ports are, which Docker is asked here; of
    resources only requests and limits exist, and the cluster's defaults hold for them.
    """
    if not isinstance(spec, dict):
        return spec
    found = dict(spec)
    if "local_docker" in found:
        docker = dict(found["local_docker"])
        docker.pop("host_ip_address", None)
        found["local_docker"] = docker
    if "kubernetes" in found:
        cluster = dict(found["kubernetes"])
        overrides = dict(cluster.get("serving_pod_overrides") or {})
        overrides.pop("resources", None)
        if overrides:
            cluster["serving_pod_overrides"] = overrides
        found["kubernetes"] = cluster
    return found


class OwnPusher(TfxComponent):
    """A pusher whose executor is the user's: what it is given is for that alone."""

    type_name = NativePusher.type_name
    executor = "penstock.components.tfx_face.executor_bases:BaseExecutor"

    model: OptionalInput[Model] = None
    model_blessing: OptionalInput[ModelBlessing] = None
    infra_blessing: OptionalInput[InfraBlessing] = None
    push_destination: Parameter[Any] = None
    custom_config: Parameter[Any] = None
    pushed_model: Output[PushedModel] = output()


class Pusher(TfxComponent, NativePusher):
    """Pushes a blessed model to where it is served.

    Args:
        model: The model; may be left out where `infra_blessing` holds it.
        model_blessing: The Evaluator's verdict.
        infra_blessing: The InfraValidator's verdict.
        push_destination: Where to: a `PushDestination`.
        custom_config: For executors of one's own.
        custom_executor_spec: An executor of one's own.
    """

    type_name = NativePusher.type_name

    def __new__(
        cls,
        model: Channel | None = None,
        model_blessing: Channel | None = None,
        infra_blessing: Channel | None = None,
        push_destination: Any = None,
        custom_config: Mapping[str, Any] | None = None,
        custom_executor_spec: Any = None,
    ) -> Any:
        """The pusher; another one where its executor is the user's."""
        own = own_executor(custom_executor_spec)
        if own is None:
            return super().__new__(cls)
        made = OwnPusher(
            **given(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                push_destination=push_destination,
                custom_config=custom_config,
            )
        ).with_id(cls.__name__)
        replace_executor(made, own)
        return made

    def __init__(
        self,
        model: Channel | None = None,
        model_blessing: Channel | None = None,
        infra_blessing: Channel | None = None,
        push_destination: Any = None,
        custom_config: Mapping[str, Any] | None = None,
        custom_executor_spec: Any = None,
    ) -> None:
        del custom_config, custom_executor_spec
        if model is None and infra_blessing is not None and infra_blessing.producer is not None:
            # The blessing holds a copy with warm-up requests; this is what it was made from.
            model = infra_blessing.producer.inputs.get("model")
        super().__init__(
            **given(
                model=model,
                push_destination=push_destination,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
            )
        )


class BulkInferrer(TfxComponent, NativeBulkInferrer):
    """Predicts for every record.

    Args:
        examples: The records.
        model: The model.
        model_blessing: The Evaluator's verdict.
        data_spec: Splits to predict for: a `DataSpec`.
        model_spec: Signatures to call: a `ModelSpec`.
        output_example_spec: Columns to add to the examples: an `OutputExampleSpec`.
    """

    type_name = NativeBulkInferrer.type_name

    def __init__(
        self,
        examples: Channel,
        model: Channel | None = None,
        model_blessing: Channel | None = None,
        data_spec: Any = None,
        model_spec: Any = None,
        output_example_spec: Any = None,
    ) -> None:
        super().__init__(
            **given(
                examples=examples,
                model=model,
                model_blessing=model_blessing,
                data_spec=message_or_none(data_spec),
                model_spec=message_or_none(model_spec),
                output_example_spec=message_or_none(output_example_spec),
                inference_format="prediction_log",
            )
        )
