# SPDX-License-Identifier: Apache-2.0
"""The feature code that the tests of Transform run, here and in other processes."""

from __future__ import annotations

from typing import Any


def dense(values: Any, default: Any) -> Any:
    """One value for each row of a sparse feature."""
    import tensorflow as tf

    shaped = tf.SparseTensor(values.indices, values.values, [values.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(shaped, default), axis=1)


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Every kind of output: dense, with one or more columns, and sparse."""
    import tensorflow as tf
    import tensorflow_transform as tft

    payment = dense(inputs["payment type"], "")
    return {
        "fare_z": tft.scale_to_z_score(inputs["fare"]),
        "miles_bucket": tft.bucketize(dense(inputs["miles"], 0.0), 4),
        "payment": tft.compute_and_apply_vocabulary(payment, vocab_filename="payments"),
        "payment_text": payment,
        "fare_and_hour": tf.concat(
            [inputs["fare"], tf.cast(inputs["hour"], tf.float32)[:, None]], axis=1
        ),
        "tags": tft.compute_and_apply_vocabulary(inputs["tags"], vocab_filename="tags"),
        "tip": dense(inputs["tip"], 0),
    }
