# SPDX-License-Identifier: Apache-2.0
"""Examples from CSV files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..base.annotations import ComponentSpec, Output, Parameter, output
from ..base.artifact_types import Examples, RejectedExamples
from ..base.component import Component
from .input_config import InputConfig, RangeConfig
from .output_config import OutputConfig
from .payload import PayloadFormat
from .row_fault_policy import Engine, RowFaults, without_rejects

#: What a column may be read as.
ColumnType = Literal["int", "float", "string", "bool"]


class CsvExampleGen(Component):
    """Reads CSV files, plain or gzip, and distributes their records over splits.

    Which split a record goes to depends on the texts of its cells alone: not on its place,
    its file, or other records. See the TFX guide
    (https://www.tensorflow.org/tfx/guide/examplegen).

    A column's type is inferred from all its cells: `int` if each is a whole number of 64
    bits; else `float` if each is a number and no whole number among them would lose a
    digit; else `string`. Numbers with leading zeros (`02127`) or a plus sign are texts, as
    are `NA`, `true` and dates. An empty cell is a missing value in any column.

    Args:
        input_base: Folder of the files; or one file, or a pattern. A path, or a URL such as
            `s3://bucket/folder`, whose files are copied to the scratch folder first.
        input_config: Input splits by pattern; `*` by default.
        output_config: Output splits; by default `train` with two thirds of the records and
            `eval` with one third, or the input's splits if there are several.
        range_config: Which spans to read; the latest by default.
        payload_format: `parquet`, `tfrecord` or `tfrecord_gzip`.
        column_types: Types of columns that are not to be inferred, by column name.
        null_values: Texts of cells that mean a missing value, besides the empty one.
        delimiter: The character between cells.
        encoding: Name of the text encoding.
        column_names: Names of the columns, for files without a header line.
        row_faults: What to do with a record that has too few or too many cells, is not text
            of its encoding, has a cell that is not of its column's type or too large, or
            quotes that do not match. `fail` ends with an error that names its line.
            `quarantine` puts it, with the reason, into the output `rejected`, and goes on.
            Faults of a whole file (its header, say) always end in an error.
        max_field_bytes: Most bytes of text in one cell; a larger one is a fault.
        engine: `local`, or `beam` to spread files over a Beam runner; `auto` uses Beam where
            the pipeline names a runner outside this machine.

    Outputs:
        examples: The records.
        rejected: Records left out; only where `row_faults` is `quarantine`.
    """

    type_name = "tfx.components.example_gen.csv_example_gen.component.CsvExampleGen"
    executor = "penstock.components.ingest.csv_executor:CsvExecutor"
    external_inputs = "penstock.components.ingest.source_files:external_inputs"

    input_base: Parameter[str]
    input_config: Parameter[InputConfig | None] = None
    output_config: Parameter[OutputConfig | None] = None
    range_config: Parameter[RangeConfig | None] = None
    payload_format: Parameter[PayloadFormat] = PayloadFormat.PARQUET
    column_types: Parameter[dict[str, ColumnType]] = {}
    null_values: Parameter[list[str]] = []
    delimiter: Parameter[str] = ","
    encoding: Parameter[str] = "utf-8"
    column_names: Parameter[list[str] | None] = None
    row_faults: Parameter[RowFaults] = "fail"
    max_field_bytes: Parameter[int | None] = None
    engine: Parameter[Engine] = "auto"
    examples: Output[Examples] = output()
    rejected: Output[RejectedExamples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; without quarantine there is one output less."""
        super().bind(spec, args, kwargs)
        without_rejects(self)
