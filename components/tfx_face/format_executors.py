# SPDX-License-Identifier: Apache-2.0
"""The executors that TFX has for single file formats: names for native components."""

from __future__ import annotations

from .executor_bases import BaseBeamExecutor, BaseExecutor, EmptyExecutor


class CsvExecutor(EmptyExecutor, BaseBeamExecutor):
    """Stands for the native `CsvExampleGen`."""

    native_component = "csv"


class ImportExecutor(EmptyExecutor, BaseBeamExecutor):
    """Stands for the native `ImportExampleGen`."""

    native_component = "import"


class AvroExecutor(EmptyExecutor, BaseBeamExecutor):
    """Stands for the native `AvroExampleGen`."""

    native_component = "avro"


class ParquetExecutor(EmptyExecutor, BaseBeamExecutor):
    """Stands for the native `ParquetExampleGen`."""

    native_component = "parquet"


class GenericExecutor(EmptyExecutor, BaseExecutor):
    """How every Trainer works: it calls `run_fn`."""

    is_the_default = True
