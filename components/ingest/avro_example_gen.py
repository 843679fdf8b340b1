# SPDX-License-Identifier: Apache-2.0
"""Examples from Avro files."""

from __future__ import annotations

from .file_example_gen import FileExampleGen


class AvroExampleGen(FileExampleGen):
    """Reads Avro object container files. Arguments are those of `FileExampleGen`.

    Fields may be numbers, truth values, texts, bytes, enums, dates, times, decimals, arrays
    of these, and unions of one of them with null. Records inside, maps and other unions
    cannot become features. See the specification
    (https://avro.apache.org/docs/1.11.1/specification/).
    """

    executor = "penstock.components.ingest.avro_executor:AvroExecutor"
