# SPDX-License-Identifier: Apache-2.0
"""Examples from CSV files."""

from __future__ import annotations

from typing import Literal

from ..base.annotations import Output, Parameter, output
from ..base.artifact_types import Examples
from ..base.component import Component
from .input_config import InputConfig, RangeConfig
from .output_config import OutputConfig
from .payload import PayloadFormat

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
        input_base: Folder of the files; or one file, or a pattern, as they are.
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
    examples: Output[Examples] = output()
