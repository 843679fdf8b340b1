# SPDX-License-Identifier: Apache-2.0
"""Transform: computes features, the same way for training and for serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...utils.errors import ParameterError
from ...utils.source_location import caller_location
from ..base.annotations import ComponentSpec, Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Schema,
    TransformCache,
    TransformGraph,
)
from ..base.component import Component
from .splits_config import SplitsConfig

#: Outputs with `disable_statistics=False`.
_STATISTICS = (
    "pre_transform_schema",
    "pre_transform_stats",
    "post_transform_schema",
    "post_transform_stats",
    "post_transform_anomalies",
)


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
        analyzer_cache: What an earlier run's analyzers kept of each data set, from a
            `Resolver`: data sets that are in it are not read again. The result is the same.
        disable_analyzer_cache: False to write `updated_analyzer_cache` also where no
            `analyzer_cache` is connected; True to take and write none.
        disable_statistics: False to write schema and statistics before and after. They cost
            about as much as the transform itself.
        statistics: Statistics of the raw data, to use instead of computing them.

    Outputs:
        transform_graph: The graph with raw and transformed metadata; read it with
            `tft.TFTransformOutput(uri)`. Equal graphs have equal content digests, though
            TensorFlow's files differ in the names it makes up.
        transformed_examples: The transformed splits, in the payload format and the row order
            of `examples`.
        updated_analyzer_cache: Where `analyzer_cache` is connected: for the next run.
        pre_transform_schema, pre_transform_stats: Of the raw data, the analyzed splits.
        post_transform_schema, post_transform_stats, post_transform_anomalies: Of the
            transformed splits. These five exist with `disable_statistics=False`.
    """

    type_name = "tfx.components.transform.component.Transform"
    executor = "penstock.components.transform.transform_executor:TransformExecutor"
    preload = ("penstock.components.transform.transform_executor",)
    entry_points = ("preprocessing_fn",)
    version = "2"

    examples: Input[list[Examples] | Examples]
    schema: Input[Schema]
    module_file: Parameter[str | None] = None
    preprocessing_fn: Parameter[Any] = None
    splits_config: Parameter[SplitsConfig | None] = None
    custom_config: Parameter[dict[str, Any] | None] = None
    materialize: Parameter[bool] = True
    force_tf_compat_v1: Parameter[bool] = False
    analyzer_cache: OptionalInput[TransformCache] = None
    disable_analyzer_cache: Parameter[bool | None] = None
    disable_statistics: Parameter[bool] = True
    statistics: OptionalInput[ExampleStatistics] = None
    transform_graph: Output[TransformGraph] = output()
    transformed_examples: Output[Examples] = output()
    updated_analyzer_cache: Output[TransformCache] = output()
    pre_transform_schema: Output[Schema] = output()
    pre_transform_stats: Output[ExampleStatistics] = output()
    post_transform_schema: Output[Schema] = output()
    post_transform_stats: Output[ExampleStatistics] = output()
    post_transform_anomalies: Output[ExampleAnomalies] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; what is not asked for has no output.

        Raises:
            ParameterError: Arguments contradict each other.
        """
        super().bind(spec, args, kwargs)
        materialize = self.parameters.get("materialize") is not False
        described = self.parameters.get("disable_statistics") is False
        if described and not materialize:
            raise ParameterError(
                "statistics of transformed data need transformed data",
                node=self.id,
                expected="materialize=True, or disable_statistics=True",
                got="materialize=False, disable_statistics=False",
                location=caller_location(),
            )
        disabled = self.parameters.get("disable_analyzer_cache")
        if disabled and "analyzer_cache" in self.inputs:
            raise ParameterError(
                "an analyzer cache is given and switched off",
                node=self.id,
                expected="analyzer_cache, or disable_analyzer_cache=True",
                got="both",
                location=caller_location(),
            )
        if not materialize:
            del self.outputs["transformed_examples"]
        if disabled or (disabled is None and "analyzer_cache" not in self.inputs):
            del self.outputs["updated_analyzer_cache"]
        if not described:
            for name in _STATISTICS:
                del self.outputs[name]
