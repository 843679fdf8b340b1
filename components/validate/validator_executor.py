# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ExampleValidator`."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils.errors import GateError, ParameterError, nearest
from ..base.artifact import PropertyValue
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics, Schema
from ..base.executor import Task
from .anomaly_report import AnomalyReport, Chart, Distance
from .anomaly_table import Anomaly, FailOn, headline, list_anomalies, render_table, stopping
from .comparators import Comparators
from .custom_validation import CustomValidationConfig
from .distribution import whole_dataset
from .label_balance import IMBALANCE, check_labels, label_distributions
from .report_charts import charts_of, distances_of
from .report_files import write_report
from .schema_text import read_schema
from .split_selection import remaining_splits
from .statistics_comparison import baseline_split, environment_of, set_comparators
from .statistics_file import read_statistics, write_anomalies
from .validation import validate

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Split:
    """Statistics of a split, and what they are compared with."""

    current: Any
    previous: Any
    serving: Any


class ValidatorExecutor:
    """Reads `ExampleStatistics` and a `Schema`, writes `ExampleAnomalies`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `anomalies`, and stops the run if told to.

        Raises:
            GateError: There are anomalies that `fail_on` names.
            ParameterError: A split, environment, feature or condition is not there or cannot
                be used.
            DataError: Statistics or schema cannot be read.
        """
        statistics = task.input("statistics", ExampleStatistics)
        excluded = task.parameter("exclude_splits", list[str])
        names = remaining_splits(statistics.splits, excluded, task.node_id)
        schema = read_schema(task.input("schema", Schema))
        previous = task.optional_input("previous_statistics", ExampleStatistics)
        serving = task.optional_input("serving_statistics", ExampleStatistics)
        output = task.output("anomalies", ExampleAnomalies)
        output.splits = names
        output.span = statistics.span
        splits = {
            name: _Split(
                read_statistics(statistics, name),
                baseline_split(previous, name, "drift", task.node_id),
                baseline_split(serving, name, "skew", task.node_id),
            )
            for name in names
        }
        messages = {name: _validated(split, schema, task) for name, split in splits.items()}
        _check_label(task, splits, schema, messages)
        for name, message in messages.items():
            write_anomalies(output, name, message)
        found = [each for name in names for each in list_anomalies(name, messages[name])]
        blessed = {name: int(not any(a.split == name for a in found)) for name in names}
        output.custom_properties["blessed"] = json.dumps(blessed)
        report = _report(task, statistics, previous, splits, schema, messages, found)
        write_report(output, report)
        announce(report.anomalies, _fail_on(task), task.node_id)
        return {"anomalies": len(found)}


def announce(found: Sequence[Anomaly], fail_on: FailOn, node: str) -> None:
    """Logs the anomalies as a table, and refuses to go on where the policy says so.

    Raises:
        GateError: There are anomalies that `fail_on` names.
    """
    if not found:
        return
    text = f"the data does not fit: {headline(found)}"
    table = render_table(found)
    _log.warning("%s\n%s", text, table)
    if not stopping(found, fail_on):
        return
    indented = table.replace("\n", "\n    ")
    wanted = "no anomalies at all" if fail_on == "any" else "no anomalies but warnings"
    raise GateError(
        text,
        node=node,
        expected=f"{wanted}, because fail_on is {fail_on!r}",
        got=f"\n    {indented}",
        fix="correct the data; or the schema or thresholds, if the data is right; or set "
        "fail_on='never' to go on regardless. To look at the distributions: "
        "penstock anomalies show last --html report.html",
    )


def _validated(split: _Split, schema: schema_pb2.Schema, task: Task) -> Any:
    fitted = schema_pb2.Schema()
    fitted.CopyFrom(schema)
    dataset = whole_dataset(split.current)
    if split.previous is not None:
        comparators = task.parameter("drift_comparators", Comparators | None)
        set_comparators(fitted, comparators, dataset, "drift", task.node_id)
    if split.serving is not None:
        comparators = task.parameter("skew_comparators", Comparators | None)
        set_comparators(fitted, comparators, dataset, "skew", task.node_id)
    return validate(
        split.current,
        fitted,
        environment=environment_of(schema, task.parameter("environment", str | None), task.node_id),
        previous=split.previous,
        serving=split.serving,
        custom=task.parameter("custom_validation_config", CustomValidationConfig | None),
        node=task.node_id,
    )


def _check_label(
    task: Task, splits: Mapping[str, _Split], schema: schema_pb2.Schema, messages: Mapping[str, Any]
) -> None:
    label = task.parameter("label", str | None)
    if label is None:
        return
    current = {name: whole_dataset(split.current) for name, split in splits.items()}
    previous = {n: whole_dataset(s.previous) for n, s in splits.items() if s.previous is not None}
    known = [feature.name for feature in schema.feature]
    found = label_distributions(label, current)
    if label not in known and not found:
        raise ParameterError(
            f"the label {label!r} is neither in the schema nor in the data",
            node=task.node_id,
            expected=", ".join(known),
            got=label,
            suggestion=nearest(label, known),
        )
    threshold = task.parameter("label_threshold", float | None)
    check_labels(
        label,
        0.05 if threshold is None else threshold,
        found,
        label_distributions(label, previous),
        messages,
    )


def _report(
    task: Task,
    statistics: ExampleStatistics,
    previous: ExampleStatistics | None,
    splits: Mapping[str, _Split],
    schema: schema_pb2.Schema,
    messages: Mapping[str, Any],
    found: Sequence[Anomaly],
) -> AnomalyReport:
    now = f"span {statistics.span}"
    before = f"span {previous.span}" if previous is not None else "none"
    if now == before == "span 0":
        # No spans are counted here: that 0 was compared with 0 would say nothing.
        now, before = "the data", "earlier data"
    domains = _domains(schema)
    charts: list[Chart] = []
    distances: list[Distance] = []
    for name, split in splits.items():
        sides = {f"previous: {before} ({name})": split.previous, f"serving ({name})": split.serving}
        compared = {side: whole_dataset(each) for side, each in sides.items() if each is not None}
        mine = [each for each in found if each.split == name]
        own = {f"{now} ({name})": whole_dataset(split.current)}
        first = next(iter(splits))
        for each in mine if name != first else ():
            if each.short == IMBALANCE:
                across = {f"{now} ({first})": whole_dataset(splits[first].current)}
                charts += charts_of([each], name, {**compared, **across, **own}, domains)
        drawn = [a for a in mine if not any(_is_of(c, a) for c in charts)]
        charts += charts_of(drawn, name, {**compared, **own}, domains)
        distances += distances_of(name, messages[name])
    against = f" against {before} and the schema" if previous is not None else " against the schema"
    title = f"{task.node_id}: {now}{against}"
    return AnomalyReport(title, explained(found, charts), distances, charts)


def explained(found: Sequence[Anomaly], charts: Sequence[Chart]) -> list[Anomaly]:
    """Anomalies of distance, with the values that changed most."""
    notes = {
        (chart.split, chart.feature): (
            f"Largest changes in shares of all records: {chart.note}"
            if chart.kind == "categories"
            else f"What changed: {chart.note}"
        )
        for chart in charts
        if chart.note
    }
    return [
        replace(
            each,
            long=f"{each.long.rstrip('.')}. {notes[each.split, each.feature]}.",
        )
        if each.short.startswith("High ") and (each.split, each.feature) in notes
        else each
        for each in found
    ]


def _is_of(chart: Chart, anomaly: Anomaly) -> bool:
    return (chart.split, chart.feature) == (anomaly.split, anomaly.feature)


def _domains(schema: schema_pb2.Schema) -> dict[str, Collection[str]]:
    """Values that the schema allows, by feature."""
    shared = {domain.name: set(domain.value) for domain in schema.string_domain}
    found: dict[str, Collection[str]] = {}
    for feature in schema.feature:
        kind = feature.WhichOneof("domain_info")
        if kind == "domain":
            found[feature.name] = shared.get(feature.domain, set())
        elif kind == "string_domain":
            found[feature.name] = set(feature.string_domain.value)
    return found


def _fail_on(task: Task) -> FailOn:
    chosen: FailOn | None = task.parameter("fail_on", FailOn | None)
    if chosen is not None:
        return chosen
    return "errors" if task.parameter("fail_on_anomalies", bool) else "never"
