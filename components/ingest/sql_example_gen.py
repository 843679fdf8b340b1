# SPDX-License-Identifier: Apache-2.0
"""Examples from a query to a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.annotations import ComponentSpec, Output, Parameter, output
from ..base.artifact_types import Examples
from ..base.component import Component
from .csv_example_gen import ColumnType
from .output_config import OutputConfig
from .payload import PayloadFormat
from .sql_connection import check_address


class SqlExampleGen(Component):
    """Reads the answer to one query, and distributes its records over splits.

    Works with every database for which SQLAlchemy and a driver are installed. The query is
    asked once; its answer is streamed. Write `ORDER BY` into it, or records may come in
    another order each time, which makes other files of equal data. Decimals become `float`,
    unless `column_types` says `string`; JSON becomes text.

    An answer is only used again if the database is known to be unchanged: an SQLite file by
    its content, others by `version_query`.

    Args:
        connection: Address as SQLAlchemy takes it, with `${NAME}` for the values of
            environment variables. A password must be such a reference.
        query: The query; `:span` in it stands for `span`.
        version_query: A cheap query whose answer changes when the data does, such as
            `SELECT max(updated_at), count(*) FROM sales`. Without it the node runs every
            time, and nodes after it only if its records changed.
        output_config: Output splits; by default `train` with two thirds of the records and
            `eval` with one third.
        payload_format: `parquet`, `tfrecord` or `tfrecord_gzip`.
        column_types: Types of columns that are not to be inferred, by column name.
        span: Recorded as the span of the examples.
    """

    executor = "penstock.components.ingest.sql_executor:SqlExecutor"
    external_inputs = "penstock.components.ingest.sql_connection:external_inputs"

    connection: Parameter[str]
    query: Parameter[str]
    version_query: Parameter[str | None] = None
    output_config: Parameter[OutputConfig | None] = None
    payload_format: Parameter[PayloadFormat] = PayloadFormat.PARQUET
    column_types: Parameter[dict[str, ColumnType]] = {}
    span: Parameter[int] = 0
    examples: Output[Examples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; refuses secrets."""
        super().bind(spec, args, kwargs)
        address = self.parameters.get("connection")
        if isinstance(address, str):
            check_address(address, self.location)
