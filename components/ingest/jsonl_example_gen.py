# SPDX-License-Identifier: Apache-2.0
"""Examples from files with one JSON object in each line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Output, Parameter, output
from ..base.artifact_types import RejectedExamples
from .csv_example_gen import ColumnType
from .file_example_gen import FileExampleGen
from .row_fault_policy import RowFaults, without_rejects


class JsonlExampleGen(FileExampleGen):
    """Reads JSON Lines files, plain or gzip, UTF-8. Arguments as `FileExampleGen`, and these.

    A column's type is inferred from all its values: `bool`, `int` (64 bits), `float` (also
    where whole numbers below 2**53 are among them), else `string`, in which values that are
    no texts stand as their JSON text; objects and nested lists always do. Where a value is a
    list, all values of the column are lists. A missing key and `null` are missing values.

    Args:
        column_types: Types of columns that are not to be inferred, by column name.
        row_faults: What to do with a line that is not one JSON object, names a key twice, is
            not UTF-8, or has a value that is not of its column's type or too large. `fail`
            ends with an error that names the line; `quarantine` puts it, with the reason,
            into the output `rejected`, and goes on.
        max_field_bytes: Most bytes of text in one value; a larger one is a fault.

    Outputs:
        examples: The records.
        rejected: Records left out; only where `row_faults` is `quarantine`.
    """

    executor = "penstock.components.ingest.jsonl_executor:JsonlExecutor"

    column_types: Parameter[dict[str, ColumnType]] = {}
    row_faults: Parameter[RowFaults] = "fail"
    max_field_bytes: Parameter[int | None] = None
    rejected: Output[RejectedExamples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; without quarantine there is one output less."""
        super().bind(spec, args, kwargs)
        without_rejects(self)
