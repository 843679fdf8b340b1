# SPDX-License-Identifier: Apache-2.0
"""Does the work of `DistributionValidator`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from ...utils.storage_errors import storage_errors
from ..base.artifact import PropertyValue
from ..base.artifact_types import ExampleAnomalies, ExampleStatistics
from ..base.executor import Task
from .anomaly_report import AnomalyReport, Chart, Distance
from .anomaly_table import Anomaly, FailOn, list_anomalies
from .custom_validation import CustomValidationConfig
from .distribution import whole_dataset
from .distribution_config import DistributionValidatorConfig
from .report_charts import charts_of, distances_of
from .report_files import write_report
from .split_pairs import Pair, pair_folder, pair_name, split_pairs
from .statistics_file import ANOMALIES_FILE, read_statistics
from .validation import validate
from .validator_executor import announce, explained

_log = logging.getLogger(__name__)

#: Values of the property `blessed`, as TFX has them.
_NOT_BLESSED, _BLESSED, _NO_BASELINE = 0, 1, 2

_Info = anomalies_pb2.AnomalyInfo
#: What comes of comparing; everything else belongs to `ExampleValidator`.
_OF_COMPARING = frozenset(
    {
        _Info.COMPARATOR_CONTROL_DATA_MISSING,
        _Info.COMPARATOR_TREATMENT_DATA_MISSING,
        _Info.COMPARATOR_L_INFTY_HIGH,
        _Info.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
        _Info.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH,
        _Info.COMPARATOR_LOW_NUM_EXAMPLES,
        _Info.COMPARATOR_HIGH_NUM_EXAMPLES,
        _Info.CUSTOM_VALIDATION,
    }
)


class DistributionExecutor:
    """Reads two `ExampleStatistics`, writes `ExampleAnomalies`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `anomalies`, and stops the run if told to.

        Raises:
            GateError: There are anomalies that `fail_on` names.
            ParameterError: A split is not there, or a condition cannot be evaluated.
            DataError: Statistics cannot be read.
        """
        statistics = task.input("statistics", ExampleStatistics)
        baseline = task.optional_input("baseline_statistics", ExampleStatistics)
        output = task.output("anomalies", ExampleAnomalies)
        output.span = statistics.span
        if baseline is None:
            _log.warning("%s: there is nothing to compare with: everything passes", task.node_id)
            output.splits = []
            blessed = dict.fromkeys(statistics.splits, _NO_BASELINE)
            output.custom_properties["blessed"] = json.dumps(blessed)
            return {"anomalies": 0}
        included = task.parameter("include_split_pairs", list[tuple[str, str]] | None) or []
        pairs = split_pairs(statistics.splits, baseline.splits, included, task.node_id)
        output.splits = [pair_name(pair) for pair in pairs]
        found: list[Anomaly] = []
        charts: list[Chart] = []
        distances: list[Distance] = []
        blessed = {}
        for pair in pairs:
            now, before = _datasets(statistics, baseline, pair)
            message = _compared(now, before, task)
            _write(pair_folder(output, pair), message)
            mine = list_anomalies(pair_name(pair), message)
            blessed[pair_name(pair)] = _NOT_BLESSED if mine else _BLESSED
            sides = {
                f"baseline, span {baseline.span} ({pair[1]})": whole_dataset(before),
                f"span {statistics.span} ({pair[0]})": whole_dataset(now),
            }
            charts += charts_of(mine, pair_name(pair), sides, {})
            distances += distances_of(pair_name(pair), message)
            found += mine
        output.custom_properties["blessed"] = json.dumps(blessed)
        title = f"{task.node_id}: span {statistics.span} against span {baseline.span}"
        report = AnomalyReport(title, explained(found, charts), distances, charts)
        write_report(output, report)
        announce(report.anomalies, task.parameter("fail_on", FailOn), task.node_id)
        return {"anomalies": len(found)}


def _datasets(
    statistics: ExampleStatistics, baseline: ExampleStatistics, pair: Pair
) -> tuple[Any, Any]:
    return read_statistics(statistics, pair[0]), read_statistics(baseline, pair[1])


def _compared(now: Any, before: Any, task: Task) -> anomalies_pb2.Anomalies:
    config = task.parameter("config", DistributionValidatorConfig).default_slice_config
    schema: schema_pb2.Schema = tfdv.infer_schema(before)
    comparators = {".".join(f.path.step): f.distribution_comparator for f in config.feature}
    for feature in schema.feature:
        if feature.name in comparators:
            raw = comparators[feature.name].model_dump(exclude_none=True)
            json_format.ParseDict(raw, feature.drift_comparator)
    if config.num_examples_comparator is not None:
        json_format.ParseDict(
            config.num_examples_comparator.model_dump(exclude_none=True),
            schema.dataset_constraints.num_examples_drift_comparator,
        )
    message = validate(
        now,
        schema,
        previous=before,
        custom=task.parameter("custom_validation_config", CustomValidationConfig | None),
        node=task.node_id,
    )
    _keep_comparisons(message)
    _add_missing(message, config.feature)
    return message


def _keep_comparisons(message: anomalies_pb2.Anomalies) -> None:
    """Leaves out what has to do with the schema, which was only inferred."""
    for key in list(message.anomaly_info):
        if not _keep(message.anomaly_info[key]):
            del message.anomaly_info[key]
    if message.HasField("dataset_anomaly_info") and not _keep(message.dataset_anomaly_info):
        message.ClearField("dataset_anomaly_info")
    message.ClearField("data_missing")


def _keep(info: Any) -> bool:
    kept = [reason for reason in info.reason if reason.type in _OF_COMPARING]
    del info.reason[:]
    info.reason.extend(kept)
    info.description = " ".join(reason.description for reason in kept)
    info.short_description = kept[0].short_description if len(kept) == 1 else "Multiple errors"
    return bool(kept)


def _add_missing(message: anomalies_pb2.Anomalies, wanted: Any) -> None:
    """Adds an anomaly for each feature that was to be compared and was not."""
    compared = {".".join(info.path.step) for info in message.drift_skew_info}
    for feature in wanted:
        name = ".".join(feature.path.step)
        if name in compared:
            continue
        info = message.anomaly_info[name]
        info.path.step[:] = feature.path.step
        info.severity = _Info.ERROR
        info.reason.add(
            type=_Info.STATS_NOT_AVAILABLE,
            short_description="Comparison could not be done",
            description="The feature is missing in the data or in the baseline, or the "
            "comparator does not suit its type.",
        )
        info.short_description = "Comparison could not be done"
        info.description = " ".join(reason.description for reason in info.reason)


def _write(folder: str, message: anomalies_pb2.Anomalies) -> None:
    path = os.path.join(folder, ANOMALIES_FILE)
    with storage_errors(path, "write"), open(path, "wb") as file:
        file.write(message.SerializeToString(deterministic=True))
