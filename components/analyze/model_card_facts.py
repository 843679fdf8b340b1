# SPDX-License-Identifier: Apache-2.0
"""What artifacts tell about a model, as the plain data that a card is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils import storage
from ...utils.errors import DataError, StorageError
from ..base.artifact import Artifact
from ..base.artifact_types import (
    Examples,
    ExampleStatistics,
    FeatureInfluenceArtifact,
    HyperParameters,
    Model,
    ModelEvaluation,
    Schema,
    TransformGraph,
)
from ..ingest.payload import BYTE_COUNTS, PAYLOAD_FORMAT, ROW_COUNTS, SOURCE_FILES, SPANS
from ..train.flavors.predictor import ModelError
from ..train.flavors.registry import detect, serving_folder
from ..validate.distribution import distribution_of, features_by_name, whole_dataset
from ..validate.report_charts import chart_of
from ..validate.schema_file import SCHEMA_FILE
from ..validate.statistics_file import read_statistics
from .evaluation_summary import OVERALL, read_summary
from .model_card_thresholds import thresholds_of

#: Files that other nodes write.
_BEST_FILE, _INFLUENCE_FILE = "best_hyperparameters.txt", "influence.json"
_TRANSFORMED_SCHEMA = ("transformed_metadata", "schema.pbtxt")
#: What an InfraValidator measures, with a word for it.
_FIGURES = (
    "server",
    "size_on_disk_bytes",
    "load_seconds",
    "model_load_seconds",
    "memory_bytes",
    "latency_p50_ms",
    "latency_p99_ms",
    "latency_requests",
    "max_difference",
    "compared_records",
)
#: Types of features, for people.
_TYPES = {schema_pb2.BYTES: "text", schema_pb2.INT: "whole number", schema_pb2.FLOAT: "number"}
#: A feature with more different values than this share of records tells nothing in a chart.
_UNIQUE = 0.5


def model_facts(model: Model) -> dict[str, Any]:
    """Flavor, size and digest of a model."""
    found: dict[str, Any] = {"digest": model.content_digest}
    try:
        folder = serving_folder(model.uri)
        files = storage.list_files(folder)
        found.update(files=len(files), size_bytes=sum(file.size for file in files))
        found["flavor"] = detect(folder)
    except ModelError as error:
        # A card of a model that cannot be loaded says so; to refuse it is a gate's business.
        found["flavor"] = f"unknown: {error.what}"
    return found


def data_facts(examples: Examples) -> dict[str, Any]:
    """Spans, rows, digest and sources of a data set."""
    custom = examples.custom_properties
    rows, sizes = _json(custom.get(ROW_COUNTS)) or {}, _json(custom.get(BYTE_COUNTS)) or {}
    spans = _json(custom.get(SPANS)) or ([[examples.span, examples.version]])
    return {
        "spans": spans if "span" in examples.properties or SPANS in custom else [],
        "digest": examples.content_digest,
        "payload_format": custom.get(PAYLOAD_FORMAT, ""),
        "splits": [
            {"name": split, "rows": rows.get(split), "bytes": sizes.get(split)}
            for split in examples.splits
        ],
        "sources": _json(custom.get(SOURCE_FILES)),
    }


def feature_facts(schema: Schema) -> list[dict[str, Any]]:
    """Features of a schema with types, presence and domains.

    Raises:
        DataError: It cannot be read.
    """
    message = _read_schema(schema.path(SCHEMA_FILE))
    domains = {each.name: list(each.value) for each in message.string_domain}
    return [
        {
            "name": feature.name,
            "type": _TYPES.get(feature.type, ""),
            "required": feature.presence.min_fraction == 1 or feature.presence.min_count > 0,
            "domain": _domain(feature, domains),
        }
        for feature in message.feature
    ]


def distribution_charts(statistics: ExampleStatistics, most: int) -> list[dict[str, Any]]:
    """Charts of the features' distributions, splits side by side.

    Raises:
        DataError: The statistics cannot be read.
    """
    by_split = {
        split: features_by_name(whole_dataset(read_statistics(statistics, split)))
        for split in reversed(statistics.splits)
    }
    names = dict.fromkeys(name for features in by_split.values() for name in features)
    found: list[dict[str, Any]] = []
    for name in sorted(names):
        sides = {
            split: distribution_of(features[name]) if name in features else None
            for split, features in by_split.items()
        }
        present = [side for side in sides.values() if side is not None and side.records]
        unique = any(
            side.is_categories and side.distinct > max(2, _UNIQUE * side.records)
            for side in present
        )
        if present and not unique and len(found) < most:
            found.append(asdict(chart_of("", name, sides)))
    return found


def evaluation_facts(evaluation: ModelEvaluation) -> dict[str, Any]:
    """Metrics of every slice, the verdict, and what was demanded.

    Raises:
        DataError: The evaluation has no summary.
    """
    summary = _completed(read_summary(evaluation))
    return {
        "rows": summary["rows"],
        "has_baseline": "baseline" in summary["models"],
        "slices": summary["slices"],
        "verdict": summary["verdict"],
        "thresholds": thresholds_of(evaluation, summary),
    }


def _completed(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary with all its parts: one that was not written by the Evaluator may lack some."""
    parts: dict[str, Any] = {"slice": {}, "metrics": {}, "baseline": {}, "change": {},
                             "intervals": {}}  # fmt: skip
    slices = [{**parts, "name": _slice_name(each), **each} for each in summary["slices"]]
    counted = [each["metrics"].get("example_count") for each in slices if not each["slice"]]
    verdict = {"judged": False, "blessed": False, "rubber_stamped": False, "misses": []}
    return {
        "rows": next((int(count) for count in counted if count), 0),
        "models": {},
        **summary,
        "slices": slices,
        "verdict": {**verdict, **summary.get("verdict", {})},
    }


def _slice_name(each: Mapping[str, Any]) -> str:
    values: Mapping[str, Any] = each.get("slice", {})
    return ", ".join(f"{key}: {value}" for key, value in values.items()) or OVERALL


def gate_facts(name: str, blessing: Artifact) -> dict[str, Any]:
    """A verdict, with what was measured for it."""
    custom = blessing.custom_properties
    return {
        "name": name,
        "blessed": custom.get("blessed") == 1,
        "reason": str(custom.get("reason", "")),
        "figures": {key: custom[key] for key in _FIGURES if key in custom},
    }


def best_values(hyperparameters: HyperParameters) -> dict[str, Any]:
    """Values of the hyperparameters that a Tuner found.

    Raises:
        DataError: They cannot be read.
    """
    raw = _read_json(hyperparameters, _BEST_FILE)
    values = raw.get("values", raw)
    return dict(values) if isinstance(values, Mapping) else {"values": values}


def influence_facts(influence: FeatureInfluenceArtifact) -> dict[str, Any]:
    """What a FeatureInfluence node found.

    Raises:
        DataError: It cannot be read.
    """
    return _read_json(influence, _INFLUENCE_FILE)


def transform_facts(graph: TransformGraph) -> dict[str, Any]:
    """Digest of a transform, and the features that it gives where it says."""
    found: dict[str, Any] = {"digest": graph.content_digest, "features": []}
    path = graph.path(*_TRANSFORMED_SCHEMA)
    if storage.exists(path):
        found["features"] = sorted(each.name for each in _read_schema(path).feature)
    return found


def _domain(feature: Any, domains: Mapping[str, Sequence[str]]) -> str:
    values = domains.get(feature.domain) if feature.domain else list(feature.string_domain.value)
    if values:
        shown = ", ".join(values[:6])
        return shown + (f" … ({len(values)} values)" if len(values) > 6 else "")
    for kind in ("int_domain", "float_domain"):
        bounds = getattr(feature, kind)
        told = [
            f"{word} {getattr(bounds, end):g}"
            for end, word in (("min", "from"), ("max", "to"))
            if feature.HasField(kind) and bounds.HasField(end)
        ]
        if told:
            return " ".join(told)
    return ""


def _read_schema(path: str) -> Any:
    try:
        return text_format.Parse(storage.read_text(path), schema_pb2.Schema())
    except text_format.ParseError as error:
        raise DataError("the schema cannot be read", got=str(error), location=path) from error


def _read_json(artifact: Artifact, name: str) -> dict[str, Any]:
    path = artifact.path(name)
    try:
        found = json.loads(storage.read_text(path))
    except (StorageError, ValueError) as error:
        raise DataError(
            f"the {artifact.TYPE_NAME} cannot be read", got=str(error), location=path
        ) from error
    return dict(found) if isinstance(found, Mapping) else {"values": found}


def _json(text: object) -> Any:
    return json.loads(text) if isinstance(text, str) and text else None
