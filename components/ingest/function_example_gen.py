# SPDX-License-Identifier: Apache-2.0
"""Examples from a function of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import Output, Parameter, output
from ..base.artifact_types import Examples
from ..base.component import Component
from .output_config import OutputConfig
from .payload import PayloadFormat
from .source_files import ExternalInputs, resolve_sources


class FunctionExampleGen(Component):
    """Takes records from a function that yields Arrow record batches (or tables).

    For sources that no other example generator knows::

        def read_records(path):
            for chunk in my_library.open(path):
                yield pyarrow.RecordBatch.from_pylist(chunk)

        FunctionExampleGen(read_records=read_records, arguments={"path": "/data/x"},
                           depends_on=["/data/x"])

    All batches must have the same columns, of the same types. The result is used again while
    the function, its arguments, and the files in `depends_on` are the same.

    Args:
        module_file: Python file that defines `read_records`.
        read_records: The function itself, or its dotted name, in place of `module_file`.
        arguments: Keyword arguments of the function; anything JSON-compatible.
        depends_on: Files, folders or patterns (paths or URLs) whose content decides on
            whether a result can be used again.
        output_config: Output splits; by default `train` with two thirds of the records and
            `eval` with one third.
        payload_format: `parquet`, `tfrecord` or `tfrecord_gzip`.
        span: Recorded as the span of the examples.
    """

    executor = "penstock.components.ingest.function_executor:FunctionExecutor"
    external_inputs = "penstock.components.ingest.function_example_gen:external_inputs"
    entry_points = ("read_records",)

    module_file: Parameter[str | None] = None
    read_records: Parameter[Any] = None
    arguments: Parameter[dict[str, Any]] = {}
    depends_on: Parameter[list[str]] = []
    output_config: Parameter[OutputConfig | None] = None
    payload_format: Parameter[PayloadFormat] = PayloadFormat.PARQUET
    span: Parameter[int] = 0
    examples: Output[Examples] = output()


def external_inputs(parameters: Mapping[str, Any]) -> ExternalInputs:
    """The files that the function reads, as far as they are named.

    Raises:
        DataError: One of them is not there.
    """
    named = parameters.get("depends_on") or []
    return ExternalInputs([path for place in named for path in resolve_sources(place).files])
