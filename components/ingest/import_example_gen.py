# SPDX-License-Identifier: Apache-2.0
"""Examples from TFRecord files of `tf.Example`s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Output, Parameter, output
from ..base.artifact_types import RejectedExamples
from .file_example_gen import FileExampleGen
from .row_fault_policy import RowFaults, without_rejects


class ImportExampleGen(FileExampleGen):
    """Reads TFRecord files of `tf.Example`s, plain or gzip. Arguments as `FileExampleGen`.

    A feature becomes a plain column where no record has more than one value of it, or a list
    of none; else a column of lists. Bytes become texts where all of them are UTF-8.

    Args:
        row_faults: What to do with a record that is no `tf.Example`. `fail` ends with an
            error that names its number; `quarantine` puts it, with the reason, into the
            output `rejected`, and goes on.

    Outputs:
        examples: The records.
        rejected: Records left out; only where `row_faults` is `quarantine`.
    """

    type_name = "tfx.components.example_gen.import_example_gen.component.ImportExampleGen"
    executor = "penstock.components.ingest.import_executor:ImportExecutor"

    row_faults: Parameter[RowFaults] = "fail"
    rejected: Output[RejectedExamples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; without quarantine there is one output less."""
        super().bind(spec, args, kwargs)
        without_rejects(self)
