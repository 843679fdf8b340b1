# SPDX-License-Identifier: Apache-2.0
"""ZIP codes as numbers that mean something."""

from __future__ import annotations

import tensorflow as tf

#: Stands for a code that is missing or cannot be read.
UNKNOWN = -1


def sectional_center(codes: tf.Tensor) -> tf.Tensor:
    """The first three of a code's five digits, as a number: the region it is delivered from.

    The publication keeps ZIP codes as numbers, so those of New England and New Jersey have
    lost their leading zero (`2127` is 02127 in Boston); some are cut to three digits and
    `XX`.

    Args:
        codes: Texts, shape [batch].

    Returns:
        Whole numbers 0 to 999, or `UNKNOWN`; shape [batch].
    """
    digits = tf.strings.regex_replace(codes, r"[^0-9]", "")
    masked = tf.strings.regex_full_match(codes, r"[0-9]{3}[xX]{2}")
    padded = tf.where(masked, digits, tf.strings.substr(tf.strings.join(["00000", digits]), -5, 5))
    region = tf.strings.to_number(tf.strings.substr(padded, 0, 3), tf.int64)
    readable = tf.strings.length(digits) > 0
    return tf.where(readable, region, tf.constant(UNKNOWN, tf.int64))
