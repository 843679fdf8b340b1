# SPDX-License-Identifier: Apache-2.0
"""A schema that a person keeps in a file."""

from __future__ import annotations

from ..base.annotations import Output, Parameter, output
from ..base.artifact_types import Schema
from ..base.component import Component


class ImportSchemaGen(Component):
    """Brings a curated schema into the pipeline.

    See https://www.tensorflow.org/tfx/guide/schemagen.

    Args:
        schema_file: The schema as protocol buffer text, as `SchemaGen` writes it.
    """

    type_name = "tfx.components.schema_gen.import_schema_gen.component.ImportSchemaGen"
    executor = "penstock.components.validate.import_schema_executor:ImportSchemaExecutor"
    external_inputs = "penstock.components.validate.schema_file:external_inputs"

    schema_file: Parameter[str]
    schema: Output[Schema] = output()
