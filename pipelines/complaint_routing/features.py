# SPDX-License-Identifier: Apache-2.0
"""The network's features: words and pairs of words, weighted by TF-IDF."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_transform as tft

from .columns import LABEL_ID, TEXT

#: Words and pairs of words that are told apart; all others share one number.
TERMS = 6_000
#: Terms in fewer complaints than this are not told apart.
RARE = 3


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Turns narratives into weighted terms; called by Transform.

    Args:
        inputs: `narrative`, and where it is known `product_id`, of shape [batch, 0 or 1].

    Returns:
        `terms` and `weights`, sparse, of shape [batch, number of different terms]: numbers
        below `TERMS`, or `TERMS` for all rare ones, and their TF-IDF weights.
    """
    terms = tft.compute_and_apply_vocabulary(
        tft.ngrams(tf.strings.split(clean(_texts(inputs[TEXT]))).to_sparse(), (1, 2), " "),
        top_k=TERMS,
        frequency_threshold=RARE,
        default_value=TERMS,
        vocab_filename="terms",
    )
    numbers, weights = tft.tfidf(terms, TERMS + 1)
    outputs = {"terms": numbers, "weights": weights}
    if LABEL_ID in inputs:
        outputs[LABEL_ID] = tf.reshape(_dense(inputs[LABEL_ID], 0), [-1, 1])
    return outputs


def clean(texts: tf.Tensor) -> tf.Tensor:
    """Words in lower case, without what the bureau masked.

    `XXXX` stands for names, dates and numbers. How a date is masked depends on when a
    complaint was published, and so would an answer that heeded it.
    """
    texts = tf.strings.regex_replace(tf.strings.lower(texts), r"x{2,}", " ")
    return tf.strings.regex_replace(texts, r"[^a-z']+", " ")


def _texts(column: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    return tf.reshape(_dense(column, ""), [-1])


def _dense(column: tf.Tensor | tf.SparseTensor, default: object) -> tf.Tensor:
    if isinstance(column, tf.SparseTensor):
        shape = [column.dense_shape[0], 1]
        column = tf.sparse.to_dense(
            tf.SparseTensor(column.indices, column.values, shape), default_value=default
        )
    return column
