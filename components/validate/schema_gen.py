# SPDX-License-Identifier: Apache-2.0
"""A schema inferred from statistics."""

from __future__ import annotations

from ..base.annotations import Input, Output, Parameter, output
from ..base.artifact_types import ExampleStatistics, Schema
from ..base.component import Component


class SchemaGen(Component):
    """Infers a schema that the data of all splits fits.

    A starting point: look at it, correct it, and use it from then on by `ImportSchemaGen`.
    See https://www.tensorflow.org/tfx/guide/schemagen.

    Args:
        statistics: Statistics of the data.
        infer_feature_shape: Whether features that always have the same number of values
            get a fixed shape (so that TensorFlow reads them as dense tensors).
        exclude_splits: Names of splits to leave out.
        max_string_domain_size: Most values of a text feature that are taken for categories.
        environments: Schema environments by name, each with the features that its data
            lacks: `{"TRAINING": [], "SERVING": ["label"]}`.
    """

    type_name = "tfx.components.schema_gen.component.SchemaGen"
    executor = "penstock.components.validate.schema_executor:SchemaExecutor"
    preload = ("tensorflow_data_validation",)

    statistics: Input[ExampleStatistics]
    infer_feature_shape: Parameter[bool] = True
    exclude_splits: Parameter[list[str]] = []
    max_string_domain_size: Parameter[int] = 100
    environments: Parameter[dict[str, list[str]]] = {}
    schema: Output[Schema] = output()
