# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ExampleValidator`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

import tensorflow_data_validation as tfdv

from ...utils.errors import GateError
from ..base.artifact import PropertyValue
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics, Schema
from ..base.executor import Task
from .anomaly_table import Anomaly, list_anomalies, render_table
from .schema_text import read_schema
from .split_selection import remaining_splits
from .statistics_file import read_statistics, write_anomalies

_log = logging.getLogger(__name__)


class ValidatorExecutor:
    """Reads `ExampleStatistics` and a `Schema`, writes `ExampleAnomalies`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `anomalies`, and stops the run if told to.

        Raises:
            GateError: There are anomalies, and `fail_on_anomalies` is set.
            ParameterError: A split to exclude is not there.
            DataError: Statistics or schema cannot be read.
        """
        statistics = task.input("statistics", ExampleStatistics)
        excluded = task.parameter("exclude_splits", list[str])
        splits = remaining_splits(statistics.splits, excluded, task.node_id)
        schema = read_schema(task.input("schema", Schema))
        environment = task.parameter("environment", str | None)
        output = task.output("anomalies", ExampleAnomalies)
        output.splits = splits
        output.span = statistics.span
        found: list[Anomaly] = []
        blessed: dict[str, int] = {}
        for split in splits:
            anomalies = tfdv.validate_statistics(
                read_statistics(statistics, split), schema, environment
            )
            write_anomalies(output, split, anomalies)
            in_split = list_anomalies(split, anomalies)
            blessed[split] = int(not in_split)
            found.extend(in_split)
        output.custom_properties["blessed"] = json.dumps(blessed)
        if found:
            _log.warning("%s\n%s", _headline(found), render_table(found))
        if task.parameter("fail_on_anomalies", bool) and any(a.stops for a in found):
            raise _gate(task.node_id, found)
        return {"anomalies": len(found)}


def _headline(found: Sequence[Anomaly]) -> str:
    by_split = {a.split: sum(other.split == a.split for other in found) for a in found}
    counts = ", ".join(f"{count} in {split}" for split, count in by_split.items())
    noun = "anomaly" if len(found) == 1 else "anomalies"
    return f"the data does not fit the schema: {len(found)} {noun} ({counts})"


def _gate(node: str, found: Sequence[Anomaly]) -> GateError:
    table = render_table(found).replace("\n", "\n    ")
    return GateError(
        _headline(found),
        node=node,
        expected="no anomalies, because fail_on_anomalies is set",
        got=f"\n    {table}",
        fix="correct the data, or the schema if the data is right; "
        "or set fail_on_anomalies=False to go on regardless",
    )
