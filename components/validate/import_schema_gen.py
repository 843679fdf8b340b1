# SPDX-License-Identifier: Apache-2.0
"""A schema that a person keeps in a file."""

from __future__ import annotations

from ..base.annotations import OptionalInput, Output, Parameter, output
from ..base.artifact_types import ExampleStatistics, Schema
from ..base.component import Component


class ImportSchemaGen(Component):
    """Brings a curated schema into the pipeline.

    See https://www.tensorflow.org/tfx/guide/schemagen.

    Args:
        schema_file: The schema as protocol buffer text, as `SchemaGen` writes it.
        statistics: Statistics of the data. A schema is then inferred from them, and the log,
            and the artifact's property `differences`, say in what it differs from the
            curated one, which goes on as it is.
        exclude_splits: Names of splits to leave out of that.
    """

    type_name = "tfx.components.schema_gen.import_schema_gen.component.ImportSchemaGen"
    executor = "penstock.components.validate.import_schema_executor:ImportSchemaExecutor"
    external_inputs = "penstock.components.validate.schema_file:external_inputs"
    version = "2"

    schema_file: Parameter[str]
    statistics: OptionalInput[ExampleStatistics] = None
    exclude_splits: Parameter[list[str]] = []
    schema: Output[Schema] = output()

    @property
    def preload(self) -> tuple[str, ...]:  # type: ignore[override]
        """The library that infers, where there is something to infer from."""
        return ("tensorflow_data_validation",) if "statistics" in self.inputs else ()
