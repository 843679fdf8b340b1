# SPDX-License-Identifier: Apache-2.0
"""Transform: computes features, the same way for training and for serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Input, Output, Parameter, output
from ..base.artifact_types import Examples, Schema, TransformGraph
from ..base.component import Component
from .splits_config import SplitsConfig


class Transform(Component):
    """Runs a `preprocessing_fn` of TensorFlow Transform over examples.

    The function is given the raw features as batches of tensors and returns the transformed
    ones. Analyzers in it (`tft.scale_to_z_score`, `tft.compute_and_apply_vocabulary`, …) are
    computed over the splits to analyze; what they found becomes part of a graph that is
    saved, so that a model can apply it when it serves::

        def preprocessing_fn(inputs):
            return {"fare_z": tft.scale_to_z_score(inputs["fare"]), "tip": inputs["tip"]}

    It may take a second argument, `custom_config`. See
    https://www.tensorflow.org/tfx/guide/transform.

    Args:
        examples: The data, raw as it was ingested. Several artifacts (spans, say) are
            analyzed together.
        schema: Types and shapes of the raw features.
        module_file: Python file that defines `preprocessing_fn`.
        preprocessing_fn: The function itself, or its dotted name, in place of `module_file`.
        splits_config: Splits to analyze and to transform: `SplitsConfig`, by default
            `train` and all.
        custom_config: Anything JSON-compatible that `preprocessing_fn` wants.
        materialize: Whether to write transformed examples. Without it the output
            `transformed_examples` does not exist: training applies the graph itself.
        force_tf_compat_v1: Trace `preprocessing_fn` as a TensorFlow 1 graph.

    Outputs:
        transform_graph: The graph with raw and transformed metadata; read it with
            `tft.TFTransformOutput(uri)`. Equal graphs have equal content digests, though
            TensorFlow's files differ in the names it makes up.
        transformed_examples: The transformed splits, in the payload format and the row order
            of `examples`.
    """

    type_name = "tfx.components.transform.component.Transform"
    executor = "penstock.components.transform.transform_executor:TransformExecutor"
    preload = ("penstock.components.transform.transform_executor",)
    entry_points = ("preprocessing_fn",)

    examples: Input[list[Examples] | Examples]
    schema: Input[Schema]
    module_file: Parameter[str | None] = None
    preprocessing_fn: Parameter[Any] = None
    splits_config: Parameter[SplitsConfig | None] = None
    custom_config: Parameter[dict[str, Any] | None] = None
    materialize: Parameter[bool] = True
    force_tf_compat_v1: Parameter[bool] = False
    transform_graph: Output[TransformGraph] = output()
    transformed_examples: Output[Examples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; without materialization there is one output less."""
        super().bind(spec, args, kwargs)
        if self.parameters.get("materialize") is False:
            del self.outputs["transformed_examples"]
