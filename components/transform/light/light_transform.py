# SPDX-License-Identifier: Apache-2.0
"""LightTransform: computes features without TensorFlow, the same for training and serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....utils.errors import WiringError
from ...base.annotations import ComponentSpec, Input, Output, Parameter, output
from ...base.artifact_types import Examples, TransformGraph
from ...base.component import Component
from ..splits_config import SplitsConfig


class LightTransform(Component):
    """Fits a transform to one split, applies it to all, and goes along with the model.

    The user's module defines one of two forms. A scikit-learn transformer, fitted to a
    pandas DataFrame of the raw columns::

        def preprocess():
            return ColumnTransformer(
                [("amount", StandardScaler(), ["fare"]), ("kind", OneHotEncoder(), ["payment"])]
            )

    or two functions over Arrow tables, of which the first returns what it learnt as text,
    numbers, NumPy arrays, and lists and dicts of these::

        def fit(table):
            return {"mean": pc.mean(table["fare"]).as_py()}

        def transform(table, state):
            return pa.table({"fare": pc.subtract(table["fare"], state["mean"])})

    `preprocess` and `fit` may take an argument `custom_config`. `transform` must treat each
    row by itself; that is checked, and so is that all rows get the same columns.

    A Trainer that is given the output `transform_graph` copies it beside the model, and
    whatever loads the model (evaluation, batch inference, servers) applies it first: what
    serving does is what training did. No pickle is involved: transformers are kept by skops
    (https://skops.readthedocs.io/en/stable/persistence.html), states as JSON and NumPy
    arrays, and code of the user's own, where it is needed, as text with its digest.

    Args:
        examples: The data, raw as it was ingested. Several artifacts are fitted together.
        module_file: Python file that defines `preprocess`, or `fit` and `transform`.
        preprocess: The function itself, or its dotted name, in place of `module_file`.
        fit: The same, with `transform`.
        transform: The same, with `fit`.
        label_key: Column with the label. Transformers that learn from labels are given it
            when they are fitted; no transform sees it, and it comes out as it is.
        passthrough: More columns that no transform sees and that come out as they are:
            weights, keys, groups.
        splits_config: Splits to fit to and to transform: `SplitsConfig`, by default `train`
            and all. The rows to fit to are held in memory.
        custom_config: Anything JSON-compatible that `preprocess` or `fit` wants.
        materialize: Whether to write transformed examples. Without it the output
            `transformed_examples` does not exist.

    Outputs:
        transform_graph: The fitted transform; `penstock.components.transform.light.saved`
            loads it. Equal transforms have equal bytes.
        transformed_examples: The transformed splits as Parquet, in the row order of
            `examples`.
    """

    executor = "penstock.components.transform.light.light_transform_executor:LightTransformExecutor"
    preload = ("penstock.components.transform.light.light_transform_executor", "sklearn.compose")
    entry_points = ("preprocess?", "fit?", "transform?")

    examples: Input[list[Examples] | Examples]
    module_file: Parameter[str | None] = None
    preprocess: Parameter[Any] = None
    fit: Parameter[Any] = None
    transform: Parameter[Any] = None
    label_key: Parameter[str | None] = None
    passthrough: Parameter[list[str]] = []
    splits_config: Parameter[SplitsConfig | None] = None
    custom_config: Parameter[dict[str, Any] | None] = None
    materialize: Parameter[bool] = True
    transform_graph: Output[TransformGraph] = output()
    transformed_examples: Output[Examples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; without materialization there is one output less.

        Raises:
            WiringError: There is no user code, or functions of both forms.
        """
        super().bind(spec, args, kwargs)
        given = set(self.user_code)
        if not given and self.parameters.get("module_file") is None:
            got = "none of them"
        elif given and given not in ({"preprocess"}, {"fit", "transform"}):
            got = ", ".join(sorted(given))
        else:
            got = None
        if got is not None:
            raise WiringError(
                "LightTransform needs one transform",
                node=self.id,
                expected="module_file, or preprocess, or fit and transform",
                got=got,
                location=self.location,
            )
        if self.parameters.get("materialize") is False:
            del self.outputs["transformed_examples"]
