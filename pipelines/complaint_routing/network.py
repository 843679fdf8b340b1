# SPDX-License-Identifier: Apache-2.0
"""A small Keras network over weighted terms."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

from .columns import LABEL_ID, TEXT
from .features import TERMS


def run_fn(fn_args: Any) -> None:
    """Trains the network and saves it with the transformation inside; called by Trainer."""
    settings = fn_args.custom_config
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = _dataset(fn_args, fn_args.train_files, transform, settings)
    held_out = _dataset(fn_args, fn_args.eval_files, transform, settings, shuffle=False)
    model = build_model(len(settings["products"]), settings)
    model.fit(
        train,
        epochs=settings["epochs"],
        validation_data=held_out,
        class_weight=class_weights(train, len(settings["products"])),
        verbose=2,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)],
    )
    save(model, transform, settings["products"], fn_args.serving_model_dir)


def build_model(products: int, settings: dict[str, Any]) -> keras.Model:
    """One hidden layer over the bag of terms.

    Args:
        products: How many products there are.
        settings: See `config.yaml`.
    """
    bag = keras.Input((TERMS,), name="bag")
    hidden = keras.layers.Dropout(settings["dropout"])(bag)
    hidden = keras.layers.Dense(settings["hidden_units"], activation="relu")(hidden)
    hidden = keras.layers.Dropout(settings["dropout"])(hidden)
    model = keras.Model(bag, keras.layers.Dense(products, activation="softmax")(hidden))
    model.compile(
        optimizer=keras.optimizers.Adam(settings["learning_rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def class_weights(data: tf.data.Dataset, products: int) -> dict[int, float]:
    """A weight for each product, so that all of them together weigh the same.

    Without it the smallest product is never answered.
    """
    counts = np.zeros(products)
    for _, labels in data:
        counts += np.bincount(labels.numpy().ravel(), minlength=products)
    return {each: counts.sum() / (products * max(counts[each], 1.0)) for each in range(products)}


def bag_of_terms(terms: tf.SparseTensor, weights: tf.SparseTensor) -> tf.Tensor:
    """The weight of every term, shape [batch, TERMS], with rows of length 1.

    What all rare terms share is left out: it says how long a complaint is.
    """
    places = tf.stack([terms.indices[:, 0], terms.values], axis=1)
    shape = tf.stack([terms.dense_shape[0], TERMS + 1])
    bag = tf.scatter_nd(places, weights.values, shape)[:, :TERMS]
    return tf.ensure_shape(tf.math.l2_normalize(bag, axis=1), [None, TERMS])


def save(
    model: keras.Model, transform: tft.TFTransformOutput, products: list[str], folder: str
) -> None:
    """Saves a SavedModel that takes raw narratives: it transforms them as training did."""
    served = tf.Module()
    served.model = model
    served.transform = transform.transform_features_layer()
    # What a client knows: neither the product nor its id.
    raw = {TEXT: transform.raw_feature_spec()[TEXT]}
    names = tf.constant(products)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = served.transform(tf.io.parse_example(examples, raw))
        scores = served.model(bag_of_terms(features["terms"], features["weights"]))
        return {"prediction": tf.gather(names, tf.argmax(scores, 1)), "probabilities": scores}

    tf.saved_model.save(served, folder, signatures={"serving_default": serve})


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
        label_key=LABEL_ID,
    )
    data = fn_args.data_accessor.tf_dataset_factory(
        files, options, transform.transformed_metadata.schema
    )
    # The bags are the same in every epoch; what changes is the order.
    bags = data.map(lambda row, label: (bag_of_terms(row["terms"], row["weights"]), label))
    return bags.cache()
