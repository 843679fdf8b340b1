# SPDX-License-Identifier: Apache-2.0
"""The training code that the tests run, written as the Trainer's documentation says."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions


def run_fn(fn_args: Any) -> None:
    """Trains a small model and saves it with the transform graph."""
    keras = tf.keras
    transform = tft.TFTransformOutput(fn_args.transform_output)

    def batches(files: list[str], epochs: int) -> tf.data.Dataset:
        options = TensorFlowDatasetOptions(batch_size=32, num_epochs=epochs, label_key="label")
        schema = transform.transformed_metadata.schema
        return fn_args.data_accessor.tf_dataset_factory(files, options, schema)

    amount = keras.Input((1,), name="amount_z")
    product = keras.Input((1,), name="product_id", dtype="int64")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(8, 3)(product))
    joined = keras.layers.Concatenate()([amount, embedded])
    hidden = keras.layers.Dropout(0.1)(keras.layers.Dense(16, activation="relu")(joined))
    outputs = keras.layers.Dense(1, activation="sigmoid")(hidden)
    model = keras.Model({"amount_z": amount, "product_id": product}, outputs)
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        batches(fn_args.train_files, 2),
        validation_data=batches(fn_args.eval_files, 1),
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir)],
        verbose=0,
    )

    served = tf.Module()
    served.model = model
    served.transform = transform.transform_features_layer()
    raw = transform.raw_feature_spec()
    raw.pop("label")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        features = served.transform(tf.io.parse_example(examples, raw))
        return {"outputs": served.model(features)}

    tf.saved_model.save(served, fn_args.serving_model_dir, signatures={"serving_default": serve})
