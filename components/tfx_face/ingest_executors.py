# SPDX-License-Identifier: Apache-2.0
"""Executors of the example generators, for parameters that arrive as JSON text."""

from __future__ import annotations

from collections.abc import Mapping

from ..base.artifact import PropertyValue
from ..base.executor import Task
from ..ingest.csv_executor import CsvExecutor
from ..ingest.import_executor import ImportExecutor
from .json_parameters import decoded_task


class TfxCsvExecutor(CsvExecutor):
    """Reads CSV files."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """See the native one."""
        return super().execute(decoded_task(task))


class TfxImportExecutor(ImportExecutor):
    """Reads TFRecord files."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """See the native one."""
        return super().execute(decoded_task(task))
