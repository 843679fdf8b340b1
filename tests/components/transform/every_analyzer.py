# SPDX-License-Identifier: Apache-2.0
"""A `preprocessing_fn` with TensorFlow Transform's analyzers, for `test_local_analysis`."""

from __future__ import annotations

from typing import Any

from taxi_features import dense


def _numbers(inputs: Any) -> dict[str, Any]:
    import tensorflow as tf
    import tensorflow_transform as tft

    fare = inputs["fare"]
    miles = dense(inputs["miles"], 0.0)
    both = tf.concat([fare, miles[:, None]], axis=1)

    def everywhere(value: Any) -> Any:
        return tf.zeros_like(miles) + tf.cast(value, tf.float32)

    return {
        "min": everywhere(tft.min(fare)),
        "max": everywhere(tft.max(miles)),
        "sum": everywhere(tft.sum(fare)),
        "size": everywhere(tft.size(fare)),
        "mean": everywhere(tft.mean(fare)),
        "var": everywhere(tft.var(both, reduce_instance_dims=False)[1]),
        "z": tft.scale_to_z_score(both, elementwise=True),
        "unit": tft.scale_to_0_1(fare),
        "sparse_z": tft.scale_to_z_score(inputs["miles"]),
        "gaussian": tft.scale_to_gaussian(miles),
        "quantile": everywhere(tft.quantiles(fare, 5, epsilon=0.01)[0, 2]),
        "bucket": tft.bucketize(miles, 4),
        "weighted_bucket": tft.bucketize(miles, 4, weights=fare[:, 0]),
        "buckets_of_two": tft.bucketize(both, 3, elementwise=True),
        "covariance": everywhere(tft.covariance(both, tf.float32)[0, 1]),
        "pca": tf.matmul(both, tft.pca(both, 1, tf.float32)),
        "histogram": everywhere(tft.histogram(fare, categorical=False)[0][0]),
    }


def _per_key(inputs: Any) -> dict[str, Any]:
    import tensorflow as tf
    import tensorflow_transform as tft

    payment = dense(inputs["payment type"], "none")
    miles = dense(inputs["miles"], 0.0)
    keys, counts = tft.count_per_key(payment)
    number = tf.argmax(tf.cast(tf.equal(payment[:, None], keys[None, :]), tf.int64), axis=1)
    return {
        "count": tf.gather(counts, number),
        "z_per_key": tft.scale_to_z_score_per_key(miles, payment),
        "z_per_key_in_file": tft.scale_to_z_score_per_key(
            miles, payment, key_vocabulary_filename="moments"
        ),
        "unit_per_key": tft.scale_to_0_1_per_key(miles, payment),
        "min_max_per_key": tft.scale_by_min_max_per_key(
            miles, payment, -1.0, 1.0, key_vocabulary_filename="ranges"
        ),
        "bucket_per_key": tft.bucketize_per_key(miles, payment, 3),
    }


def _vocabularies(inputs: Any) -> dict[str, Any]:
    import tensorflow as tf
    import tensorflow_transform as tft

    payment = dense(inputs["payment type"], "none")
    tip = dense(inputs["tip"], 0)
    weights = inputs["fare"][:, 0]
    tft.vocabulary(payment, vocab_filename="frequencies", store_frequency=True)
    tft.vocabulary(payment, vocab_filename="weighted", weights=weights, store_frequency=True)
    tft.vocabulary(payment, vocab_filename="shuffled", fingerprint_shuffle=True)
    tft.vocabulary(payment, vocab_filename="informative", labels=tip, store_frequency=True)
    tft.vocabulary(
        payment,
        vocab_filename="adjusted",
        labels=tip,
        weights=weights,
        use_adjusted_mutual_info=True,
        store_frequency=True,
    )
    hours = tft.compute_and_apply_vocabulary(inputs["hour"], top_k=5, vocab_filename="hours")
    rare = tft.compute_and_apply_vocabulary(
        tf.strings.as_string(inputs["hour"]),
        frequency_threshold=18,
        num_oov_buckets=2,
        vocab_filename="rare",
    )
    zipped = tft.compute_and_apply_vocabulary(
        payment, vocab_filename="zipped", file_format="tfrecord_gzip"
    )
    tags = tft.compute_and_apply_vocabulary(
        inputs["tags"], vocab_filename="tags", reserved_tokens=["zz"]
    )
    places, frequencies = tft.tfidf(
        tft.compute_and_apply_vocabulary(inputs["tags"], vocab_filename="terms"), 4
    )
    return {
        "hours": hours,
        "rare": rare,
        "zipped": zipped,
        "tags": tags,
        "tfidf_place": places,
        "tfidf": frequencies,
        "none": tft.compute_and_apply_vocabulary(
            payment, frequency_threshold=10_000, vocab_filename="nothing"
        ),
    }


def chained(inputs: Any) -> dict[str, Any]:
    """Analyzers of which each needs the result of the one before."""
    import tensorflow as tf
    import tensorflow_transform as tft

    one = tft.scale_to_0_1(inputs["fare"])
    two = tft.scale_to_z_score(tf.math.log1p(one))
    three = tft.bucketize(two, 8)
    four = tft.compute_and_apply_vocabulary(
        tf.strings.as_string(three[:, 0]), vocab_filename="chained"
    )
    return {"chain": tf.cast(four, tf.float32) - tft.mean(tf.cast(four, tf.float32))}


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Analyzers of all kinds."""
    return {**_numbers(inputs), **_per_key(inputs), **_vocabularies(inputs)}
