# SPDX-License-Identifier: Apache-2.0
"""Integrated gradients, for models that have gradients with respect to their inputs.

Attribution of a feature is (its value - the average record's) times the mean of the gradient
along the straight line between the two. Over all features attributions add up to the
difference of the two predictions, but for the error of the sum over points, which is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa

from ...utils.errors import ParameterError
from ..train.flavors.input_columns import DenseInput, dense
from ..train.flavors.predictor import Predictor
from .influence_scores import Array

#: Records whose gradients are computed at a time.
_ROWS = 512


class Differentiable(Protocol):
    """A predictor through which gradients flow."""

    flavor: str
    backend: str

    def dense_inputs(self) -> list[DenseInput]:
        """The arrays that `call` takes; none where it takes no arrays."""

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name."""


@dataclass(frozen=True)
class Attributions:
    """Integrated gradients of some records.

    Attributes:
        by_feature: Attribution of each record.
        predictions: What the model answers.
        average: Its answer for the average record, with each record's other inputs.
        gap: Largest difference between the sum of attributions and that of predictions.
    """

    by_feature: Mapping[str, Array]
    predictions: Array
    average: Array
    gap: float


def differentiable(model: Predictor) -> Differentiable:
    """The model, if it has gradients.

    Raises:
        ParameterError: It has none; says why.
    """
    why = None
    if not hasattr(model, "dense_inputs"):
        why = (
            f"a {model.flavor} model, or one with a transform beside it"
            if model.flavor in ("keras", "tensorflow")
            else f"a {model.flavor} model"
        )
    else:
        inputs = cast(Differentiable, model).dense_inputs()
        if not inputs:
            why = (
                "a SavedModel whose signature takes serialized tf.Examples, through whose "
                "parsing no gradient leads"
            )
        elif not any(_is_float(each) for each in inputs):
            why = "a model that takes no floats: " + ", ".join(each.name for each in inputs)
    if why is not None:
        raise ParameterError(
            "integrated gradients need gradients with respect to the model's inputs",
            expected="a .keras file, or a SavedModel whose signature takes tensors of floats",
            got=why,
            fix="use method='permutation', which works for every model; or save the model with "
            "model.save(folder + '/model.keras')",
        )
    return cast(Differentiable, model)


def integrated_gradients(
    model: Differentiable,
    rows: pa.RecordBatch,
    output_key: str | None,
    steps: int,
    report: Callable[[int], None],
) -> Attributions:
    """Attributions of the features that are floats.

    Args:
        model: The model.
        rows: The records.
        output_key: The output to explain; None for the only one.
        steps: Points between the average record and each record.
        report: Told of the number of records done.

    Raises:
        InputError: The records are not what the model takes.
        ParameterError: There is no such output.
    """
    inputs = model.dense_inputs()
    arrays = {each.name: dense(rows, each) for each in inputs}
    floats = [each.name for each in inputs if _is_float(each)]
    means = {name: _mean(arrays[name]) for name in floats}
    gradient = _gradients(model, output_key)
    parts = []
    for start in range(0, rows.num_rows, _ROWS):
        some = {name: array[start : start + _ROWS] for name, array in arrays.items()}
        parts.append(_attribute(gradient, some, means, steps))
        report(min(start + _ROWS, rows.num_rows))
    names = list(parts[0][0])
    by_feature = {name: np.concatenate([part[0][name] for part in parts]) for name in names}
    predictions, average = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    total = np.sum(list(by_feature.values()), axis=0)
    gap = float(np.abs(total - (predictions - average)).max(initial=0.0))
    return Attributions(by_feature, predictions, average, gap)


#: (inputs, names of floats) -> (the prediction of each record, gradients by input).
_Gradient = Callable[[Mapping[str, Array], list[str]], tuple[Array, dict[str, Array]]]


def _attribute(
    gradient: _Gradient, some: Mapping[str, Array], means: Mapping[str, Array], steps: int
) -> tuple[dict[str, Array], Array, Array]:
    names = list(means)
    total = {name: np.zeros(some[name].shape) for name in names}
    # Midpoints: twice as exact as either end.
    for step in range(steps):
        share = (step + 0.5) / steps
        _, found = gradient(_between(some, means, share), names)
        for name in names:
            total[name] += found[name]
    rows = len(next(iter(some.values())))
    adds = {
        name: ((some[name] - means[name]) * total[name] / steps).reshape(rows, -1).sum(axis=1)
        for name in names
    }
    ends = [gradient(_between(some, means, share), names)[0] for share in (1.0, 0.0)]
    return adds, ends[0], ends[1]


def _between(
    some: Mapping[str, Array], means: Mapping[str, Array], share: float
) -> dict[str, Array]:
    return {
        name: (means[name] + share * (array - means[name])).astype(array.dtype)
        if name in means
        else array
        for name, array in some.items()
    }


def _mean(array: Array) -> Array:
    return np.asarray(np.nanmean(array, axis=0), dtype=np.float64)


def _is_float(each: DenseInput) -> bool:
    return each.dtype.startswith("float")


def _gradients(model: Differentiable, output_key: str | None) -> _Gradient:
    by_backend = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return by_backend[model.backend](model, output_key)


def _chosen(outputs: Mapping[str, Any], key: str | None) -> Any:
    if key is None and len(outputs) == 1:
        return next(iter(outputs.values()))
    if key is None or key not in outputs:
        raise ParameterError(
            "output_key must name one of the model's outputs",
            expected=", ".join(outputs),
            got=repr(key),
        )
    return outputs[key]


def _tensorflow(model: Differentiable, key: str | None) -> _Gradient:
    import tensorflow as tf

    def gradient(some: Mapping[str, Array], names: list[str]) -> tuple[Array, dict[str, Array]]:
        tensors = {name: tf.constant(array) for name, array in some.items()}
        with tf.GradientTape() as tape:
            tape.watch([tensors[name] for name in names])
            found = _chosen(model.call(tensors), key)
            each = _per_record(found)
        slopes = tape.gradient(
            each, {name: tensors[name] for name in names}, unconnected_gradients="zero"
        )
        return each.numpy(), {name: np.asarray(slope) for name, slope in slopes.items()}

    def _per_record(found: Any) -> Any:
        flat = tf.reshape(found, [tf.shape(found)[0], -1])
        return flat[:, 1] if flat.shape[1] == 2 else tf.reduce_mean(flat, axis=1)

    return gradient


def _jax(model: Differentiable, key: str | None) -> _Gradient:
    import jax
    import jax.numpy as jnp

    def total(floats: Any, others: Any) -> Any:
        found = _chosen(model.call({**floats, **others}), key)
        flat = found.reshape(found.shape[0], -1)
        each = flat[:, 1] if flat.shape[1] == 2 else flat.mean(axis=1)
        return each.sum(), each

    slope_of = jax.grad(total, has_aux=True)

    def gradient(some: Mapping[str, Array], names: list[str]) -> tuple[Array, dict[str, Array]]:
        floats = {name: jnp.asarray(some[name]) for name in names}
        others = {name: jnp.asarray(a) for name, a in some.items() if name not in floats}
        slopes, each = slope_of(floats, others)
        return np.asarray(each), {name: np.asarray(slope) for name, slope in slopes.items()}

    return gradient


def _torch(model: Differentiable, key: str | None) -> _Gradient:
    import torch

    def gradient(some: Mapping[str, Array], names: list[str]) -> tuple[Array, dict[str, Array]]:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in some.items()}
        for name in names:
            tensors[name].requires_grad_(True)
        found = _chosen(model.call(tensors), key)
        flat = found.reshape(found.shape[0], -1)
        each = flat[:, 1] if flat.shape[1] == 2 else flat.mean(dim=1)
        slopes = torch.autograd.grad(each.sum(), [tensors[n] for n in names], allow_unused=True)
        return each.detach().cpu().numpy(), {
            name: np.zeros(some[name].shape) if slope is None else slope.cpu().numpy()
            for name, slope in zip(names, slopes, strict=True)
        }

    return gradient
