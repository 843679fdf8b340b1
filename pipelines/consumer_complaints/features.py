# SPDX-License-Identifier: Apache-2.0
"""The features: one definition for training and for serving."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_transform as tft

from .columns import CATEGORIES, CROSSES, LABEL, NARRATIVE, ZIP_CODE, feature_name
from .zip_codes import sectional_center

#: Quantiles into which ZIP regions are divided.
ZIP_BUCKETS = 20
#: Values rarer than this share one bucket with those never seen.
RARE = 20
#: Words of a narrative that are told apart, and how many of one narrative are read.
NARRATIVE_WORDS = 2_000
NARRATIVE_LENGTH = 200

_NOT_GIVEN = "(not given)"


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Turns raw columns into what the model reads; called by Transform.

    Args:
        inputs: Raw columns by name, each a sparse tensor of shape [batch, 0 or 1].

    Returns:
        One whole number per record and feature, shape [batch, 1]; for narratives
        [batch, NARRATIVE_LENGTH], padded with 0.
    """
    texts = {name: _filled(inputs[name]) for name in CATEGORIES}
    outputs: dict[str, tf.Tensor] = {}
    for name, values in texts.items():
        outputs[feature_name(name)] = _vocabulary(values, feature_name(name))
    for first, second in CROSSES:
        crossed = tf.strings.join([texts[first], texts[second]], separator=" / ")
        name = f"{feature_name(first)}_x_{feature_name(second)}"
        outputs[name] = _vocabulary(crossed, name)
    region = tf.cast(sectional_center(_filled(inputs[ZIP_CODE])), tf.float32)
    outputs[feature_name(ZIP_CODE)] = _column(tft.bucketize(region, ZIP_BUCKETS))
    if NARRATIVE in inputs:
        outputs[feature_name(NARRATIVE)] = _words(_filled(inputs[NARRATIVE]))
    if LABEL in inputs:
        outputs[LABEL] = _dense(inputs[LABEL], 0)
    return outputs


def _dense(column: tf.Tensor | tf.SparseTensor, default: object) -> tf.Tensor:
    """A column with its missing values filled, shape [batch, 1]."""
    if isinstance(column, tf.SparseTensor):
        shape = [column.dense_shape[0], 1]
        column = tf.sparse.to_dense(
            tf.SparseTensor(column.indices, column.values, shape), default_value=default
        )
    return tf.reshape(column, [-1, 1])


def _filled(column: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """A text column with its missing values filled, shape [batch]."""
    return tf.squeeze(_dense(column, _NOT_GIVEN), axis=1)


def _column(values: tf.Tensor) -> tf.Tensor:
    return tf.expand_dims(values, 1)


def _vocabulary(values: tf.Tensor, name: str) -> tf.Tensor:
    return _column(
        tft.compute_and_apply_vocabulary(
            values, frequency_threshold=RARE, num_oov_buckets=1, vocab_filename=name
        )
    )


def _words(narratives: tf.Tensor) -> tf.Tensor:
    """Numbers of the words of each narrative: 0 pads, 1 stands for a rare word."""
    plain = tf.strings.regex_replace(tf.strings.lower(narratives), r"[^a-z' ]+", " ")
    words = tf.strings.split(plain)
    numbers = tft.compute_and_apply_vocabulary(
        words.to_sparse(),
        top_k=NARRATIVE_WORDS,
        num_oov_buckets=1,
        vocab_filename=feature_name(NARRATIVE),
    )
    dense = tf.sparse.to_dense(
        tf.SparseTensor(numbers.indices, numbers.values + 1, numbers.dense_shape)
    )[:, :NARRATIVE_LENGTH]
    padded = tf.pad(dense, [[0, 0], [0, NARRATIVE_LENGTH - tf.shape(dense)[1]]])
    return tf.ensure_shape(padded, [None, NARRATIVE_LENGTH])
