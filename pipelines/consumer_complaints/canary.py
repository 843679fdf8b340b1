# SPDX-License-Identifier: Apache-2.0
"""Asks the pushed model about one raw record, as a client of a model server would."""

from __future__ import annotations

from typing import Any, TypedDict

from penstock import Input, PushedModel, component


class Answer(TypedDict):
    """The probability of a dispute, and the features that it was computed from."""

    probability: float
    features: dict[str, int]


@component(preload=("tensorflow",))
def canary(pushed_model: Input[PushedModel], record: dict[str, Any]) -> Answer:
    """Predicts from one raw record with the pushed model alone.

    The transformation that training used is inside the model, so the record needs no
    preparation: that is what keeps training and serving from drifting apart.
    """
    import tensorflow as tf

    version = pushed_model.custom_properties["pushed_destination"]
    model = tf.saved_model.load(version)
    example = tf.train.Example()
    for name, value in record.items():
        example.features.feature[name].bytes_list.value.append(str(value).encode())
    raw = tf.constant([example.SerializeToString()])
    predicted = model.signatures["serving_default"](examples=raw)["probability"]
    features = model.signatures["transform_features"](examples=raw)
    return {
        "probability": float(predicted[0][0]),
        "features": {name: int(value[0][0]) for name, value in sorted(features.items())},
    }
