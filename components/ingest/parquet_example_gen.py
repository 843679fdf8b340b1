# SPDX-License-Identifier: Apache-2.0
"""Examples from Parquet files."""

from __future__ import annotations

from .file_example_gen import FileExampleGen


class ParquetExampleGen(FileExampleGen):
    """Reads Parquet files. Arguments are those of `FileExampleGen`.

    Columns keep their types. Files may have their columns in different orders, but must
    agree on names and types. Structs and maps cannot become features.
    """

    executor = "penstock.components.ingest.parquet_executor:ParquetExecutor"
