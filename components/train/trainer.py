# SPDX-License-Identifier: Apache-2.0
"""The Trainer: runs the user's training code."""

from __future__ import annotations

from typing import Any

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import (
    Examples,
    HyperParameters,
    Model,
    ModelRun,
    Schema,
    TransformGraph,
)
from ..base.component import Component
from .train_args import EvalArgs, TrainArgs


class Trainer(Component):
    """Trains a model by calling the user's `run_fn(fn_args)`.

    `fn_args` is an `FnArgs`, with the fields that TFX gives it
    (https://www.tensorflow.org/tfx/guide/trainer). `run_fn` must end by saving a SavedModel
    with a signature `serving_default` in `fn_args.serving_model_dir`. A signature that takes
    raw, serialized `tf.Example`s and applies the transform graph before the model, for
    Keras 3 and for tf-keras alike::

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

    Outputs:
        model: `Format-Serving/`, and `Format-TFMA/` if `run_fn` wrote to
            `fn_args.eval_model_dir`.
        model_run: What `run_fn` wrote to `fn_args.model_run_dir`.
    """

    type_name = "tfx.components.trainer.component.Trainer"
    executor = "penstock.components.train.trainer_executor:TrainerExecutor"
    preload = ("penstock.components.train.trainer_executor",)
    entry_points = ("run_fn",)

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
    model: Output[Model] = output()
    model_run: Output[ModelRun] = output()
