# SPDX-License-Identifier: Apache-2.0
"""A wide-and-deep model (Cheng et al., 2016, https://arxiv.org/abs/1606.07792)."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

from .columns import CATEGORIES, CROSSES, LABEL, NARRATIVE, ZIP_CODE, feature_name
from .features import NARRATIVE_WORDS, ZIP_BUCKETS

TEXT = feature_name(NARRATIVE)


def run_fn(fn_args: Any) -> None:
    """Trains the model and saves it with the transformation inside; called by Trainer."""
    settings = fn_args.custom_config
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = _dataset(fn_args, fn_args.train_files, transform, settings)
    held_out = _dataset(fn_args, fn_args.eval_files, transform, settings, shuffle=False)
    model = build_model(vocabulary_sizes(transform), settings, _share_disputed(train))
    model.fit(
        train,
        epochs=settings["epochs"],
        validation_data=held_out,
        verbose=2,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)],
    )
    save(model, transform, fn_args.serving_model_dir)


def vocabulary_sizes(transform: tft.TFTransformOutput) -> dict[str, int]:
    """How many values each feature can take, with those not seen in training."""
    crosses = [f"{feature_name(a)}_x_{feature_name(b)}" for a, b in CROSSES]
    names = [feature_name(name) for name in CATEGORIES] + crosses
    sizes = {name: transform.vocabulary_size_by_name(name) + 1 for name in names}
    sizes[feature_name(ZIP_CODE)] = ZIP_BUCKETS
    if TEXT in transform.transformed_feature_spec():
        sizes[TEXT] = NARRATIVE_WORDS + 2
    return sizes


def build_model(
    sizes: dict[str, int], settings: dict[str, Any], share_disputed: float
) -> keras.Model:
    """The model: a linear part over all features beside a small network over embeddings.

    Args:
        sizes: Number of values by feature; a feature is an integer input of shape [batch, 1],
            a narrative of shape [batch, words].
        settings: See `config.yaml`.
        share_disputed: Share of disputed complaints in training: what the model says before
            it has learnt anything, so that the rare class needs no reweighting and
            predictions stay probabilities.
    """
    inputs = {
        name: keras.Input((None,) if name == TEXT else (1,), name=name, dtype="int64")
        for name in sizes
    }
    wide, deep = [], []
    for name, column in inputs.items():
        masked = name == TEXT
        weight = keras.layers.Embedding(
            sizes[name], 1, mask_zero=masked, embeddings_initializer="zeros", name=f"wide_{name}"
        )(column)
        vector = keras.layers.Embedding(
            sizes[name], settings["embedding_size"], mask_zero=masked, name=f"deep_{name}"
        )(column)
        wide.append(keras.layers.GlobalAveragePooling1D()(weight))
        deep.append(keras.layers.GlobalAveragePooling1D()(vector))
    hidden = keras.layers.Concatenate()(deep)
    for units in settings["hidden_units"]:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
        hidden = keras.layers.Dropout(settings["dropout"])(hidden)
    prior = math.log(share_disputed / (1 - share_disputed))
    logit = keras.layers.Add()(
        [
            *wide,
            keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(prior))(hidden),
        ]
    )
    model = keras.Model(inputs, keras.layers.Activation("sigmoid", name="disputed")(logit))
    model.compile(
        optimizer=keras.optimizers.Adam(settings["learning_rate"]),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
    )
    return model


def save(model: keras.Model, transform: tft.TFTransformOutput, folder: str) -> None:
    """Saves a SavedModel that takes raw records: it transforms them as training did."""
    served = tf.Module()
    served.model = model
    served.transform = transform.transform_features_layer()
    raw = transform.raw_feature_spec()
    raw.pop(LABEL)

    serialized = tf.TensorSpec([None], tf.string, name="examples")

    @tf.function(input_signature=[serialized])
    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features: dict[str, tf.Tensor] = served.transform(tf.io.parse_example(examples, raw))
        features.pop(LABEL, None)
        return features

    @tf.function(input_signature=[serialized])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probability": served.model(transform_features(examples))}

    signatures = {"serving_default": serve, "transform_features": transform_features}
    tf.saved_model.save(served, folder, signatures=signatures)


def _dataset(
    fn_args: Any,
    files: list[str],
    transform: tft.TFTransformOutput,
    settings: dict[str, Any],
    *,
    shuffle: bool = True,
) -> tf.data.Dataset:
    options = TensorFlowDatasetOptions(
        batch_size=settings["batch_size"],
        num_epochs=1,
        shuffle=shuffle,
        shuffle_seed=fn_args.seed,
        label_key=LABEL,
    )
    return fn_args.data_accessor.tf_dataset_factory(
        files, options, transform.transformed_metadata.schema
    )


def _share_disputed(data: tf.data.Dataset) -> float:
    disputed = total = 0
    for _, labels in data:
        disputed += int(tf.reduce_sum(labels))
        total += int(tf.size(labels))
    return disputed / total
