# SPDX-License-Identifier: Apache-2.0
"""Asks the pushed model about one raw complaint, as a client of a model server would."""

from __future__ import annotations

from typing import TypedDict

from penstock import Input, PushedModel, component


class Answer(TypedDict):
    """The product, and how probable the model thinks each is."""

    product: str
    probabilities: dict[str, float]


@component(preload=("sklearn.compose", "skops.io"))
def canary(pushed_model: Input[PushedModel], narrative: str, products: list[str]) -> Answer:
    """Predicts from one raw narrative with the pushed model alone, whichever it is.

    The transformation that training used is inside the model, so the text needs no
    preparation.
    """
    import pyarrow as pa

    from penstock.components.train.flavors.registry import load_predictor

    from .columns import TEXT

    model = load_predictor(str(pushed_model.custom_properties["pushed_destination"]))
    row = pa.RecordBatch.from_arrays([pa.array([narrative])], names=[TEXT])
    answer = model.predict(row).to_pydict()
    product = answer["prediction"][0]
    if isinstance(product, bytes):
        product = product.decode()
    probabilities = dict(zip(products, map(float, answer["probabilities"][0]), strict=True))
    return {"product": product, "probabilities": probabilities}
