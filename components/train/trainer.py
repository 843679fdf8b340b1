# SPDX-License-Identifier: Apache-2.0
"""The Trainer: runs the user's training code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import (
    Examples,
    HyperParameters,
    Model,
    ModelRun,
    Schema,
    TransformGraph,
)
from ..base.component import Component
from .distributed.distribution import Distribution, Strategy
from .needed_libraries import imported_libraries, uses_tensorflow
from .train_args import EvalArgs, OnNan, TrainArgs

_PRELOAD: tuple[str, ...] = (
    "penstock.components.train.trainer_executor",
    # TensorFlow and its data libraries: left out where the code needs neither.
    "penstock.components.train.tensor_dataset",
)


class Trainer(Component):
    """Trains a model by calling the user's `run_fn(fn_args)`.

    `fn_args` is an `FnArgs`, with the fields that TFX gives it
    (https://www.tensorflow.org/tfx/guide/trainer). `run_fn` must end by saving a model in
    `fn_args.serving_model_dir`, in its framework's own format::

        saved_model.pb           TensorFlow, any Keras    with a signature `serving_default`
        model.keras              Keras 3, any backend     model.save(…)
        model.skops              scikit-learn             skops.io.dump(model, …)
        model.json, model.ubj    XGBoost                  model.save_model(…)
        model.pt2                PyTorch                  torch.export.save(…)

    Which it was, the model's custom property `flavor` says. Pickles are refused. A module
    that trains with Keras on JAX sets `os.environ["KERAS_BACKEND"] = "jax"` before it imports
    keras. A scikit-learn model that is made of types of other packages needs them named, as
    `custom_config={"trusted_types": ["package.module.Type"]}`.

    A signature of a SavedModel that takes raw, serialized `tf.Example`s and applies the
    transform graph before the model, for Keras 3 and for tf-keras alike::

        def run_fn(fn_args):
            transform = tft.TFTransformOutput(fn_args.transform_output)
            options = TensorFlowDatasetOptions(batch_size=64, num_epochs=5, label_key="tip")
            train = fn_args.data_accessor.tf_dataset_factory(
                fn_args.train_files, options, transform.transformed_metadata.schema)
            model = build_model()
            model.fit(train)

            served = tf.Module()
            served.model = model
            served.transform = transform.transform_features_layer()
            raw = transform.raw_feature_spec()
            raw.pop("tip")   # a client does not know the label

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
            def serve(examples):
                features = served.transform(tf.io.parse_example(examples, raw))
                return {"outputs": served.model(features)}

            tf.saved_model.save(
                served, fn_args.serving_model_dir, signatures={"serving_default": serve})

    Both the model and the transform layer must be attributes of the saved object, or their
    weights and tables are left behind. (`model.export` of Keras 3 cannot take the layer.)

    Random generators of Python, NumPy and TensorFlow are seeded before the call and layer
    names start afresh, so that a `run_fn` without randomness of its own writes an equal
    model for equal inputs on the same kind of machine; equal models have equal content
    digests.

    Args:
        examples: The data: transformed, or raw. Several artifacts are trained on together.
        transform_graph: The Transform's graph, when the model wants it.
        schema: The schema of the raw data, when the model wants it.
        base_model: A model to start from.
        hyperparameters: What a tuner found best.
        module_file: Python file that defines `run_fn`.
        run_fn: The function itself, or its dotted name, in place of `module_file`.
        train_args: Splits and steps to train: `TrainArgs`.
        eval_args: Splits and steps to evaluate while training: `EvalArgs`.
        custom_config: Anything JSON-compatible that `run_fn` wants.
        seed: What to seed random generators with. None leaves them alone, and lets
            TensorFlow choose faster operations whose results vary from run to run.
        distribution: How training is distributed: `mirrored`, `multi_worker_mirrored`,
            `parameter_server`, `ddp`, `data_parallel`, or a `Distribution`. The number of
            processes, and of GPUs for each, is the node's policy:
            `.with_policy(resources=Resources(workers=2, gpu=1))`.
        on_nan: What happens when a metric, or a weight of the saved model, is NaN or infinite:
            `fail`, `warn` or `ignore`.

    Outputs:
        model: `Format-Serving/` with the model, and `Format-TFMA/` if `run_fn` wrote to
            `fn_args.eval_model_dir`.
        model_run: What `run_fn` wrote to `fn_args.model_run_dir`.

    The execution has `steps` and `metric.<name>` as properties: what `run_fn` reported last
    by `fn_args.report_progress` or `fn_args.keras_callbacks()`, and numbers that it returned.
    """

    type_name = "tfx.components.trainer.component.Trainer"
    executor = "penstock.components.train.trainer_executor:TrainerExecutor"
    preload = _PRELOAD
    entry_points = ("run_fn",)
    takes_workers = True
    keeps_checkpoints = True

    examples: Input[list[Examples] | Examples]
    transform_graph: OptionalInput[TransformGraph] = None
    schema: OptionalInput[Schema] = None
    base_model: OptionalInput[Model] = None
    hyperparameters: OptionalInput[HyperParameters] = None
    module_file: Parameter[str | None] = None
    run_fn: Parameter[Any] = None
    train_args: Parameter[TrainArgs | None] = None
    eval_args: Parameter[EvalArgs | None] = None
    custom_config: Parameter[dict[str, Any] | None] = None
    seed: Parameter[int | None] = 0
    distribution: Parameter[Distribution | Strategy | None] = None
    on_nan: Parameter[OnNan] = "fail"
    model: Output[Model] = output()
    model_run: Output[ModelRun] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments, and looks which libraries the training code needs."""
        super().bind(spec, args, kwargs)
        code = self.user_code.get("run_fn", self.parameters.get("module_file"))
        if not uses_tensorflow(code):
            libraries = imported_libraries(code)
            self.preload = (*_PRELOAD[:1], *libraries)  # type: ignore[misc]  # each instance its own
