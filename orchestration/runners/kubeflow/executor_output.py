# SPDX-License-Identifier: Apache-2.0
"""Tells Kubeflow what a node has put out: artifacts with their metadata, and metrics.

The form is KFP's `ExecutorOutput` message as JSON (`pipeline_spec.proto`): what a container
leaves in the file that Kubeflow named, its launcher merges into the artifacts it shows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....components.analyze.evaluation_summary import metrics_by_slice
from ....components.base.artifact_types import ModelEvaluation
from ....utils.errors import PenstockError
from ....utils.logs import get_logger
from .kfp_names import KfpArtifact

_log = get_logger(__name__)

#: Kubeflow's launcher fails a task that reports an artifact of one of these kinds which
#: does not lie below the folder of its own run.
_KFP_STORES = ("gs://", "s3://", "minio://", "oci://", "mem://")

#: Most numbers of slices that are shown; the evaluation itself has them all.
_MOST_NUMBERS = 200


def executor_output(
    documents: Mapping[str, Mapping[str, Any]],
    declared: Sequence[KfpArtifact],
    executor_input: Mapping[str, Any],
) -> dict[str, Any]:
    """What Kubeflow is told.

    Args:
        documents: What `penstock node run --json` said, by node.
        declared: The artifacts that the task declares.
        executor_input: What Kubeflow said: where artifacts are expected.
    """
    expected = executor_input.get("outputs", {}).get("artifacts", {})
    artifacts: dict[str, Any] = {}
    for wanted in declared:
        document = documents.get(wanted.node_id)
        if wanted.key not in expected or document is None:
            continue
        allotted = expected[wanted.key]["artifacts"][0]
        found = list(document["outputs"].get(wanted.output, ()))
        if wanted.holds_metrics:
            told = {"uri": allotted.get("uri", ""), "metadata": _metrics(found)}
        else:
            told = _told(wanted, document, found, str(allotted.get("uri", "")))
        entry = {"name": allotted.get("name", wanted.key), **told}
        artifacts[wanted.key] = {"artifacts": [entry]}
    return {"artifacts": artifacts}


def write_executor_output(output: Mapping[str, Any], executor_input: Mapping[str, Any]) -> None:
    """Writes the file where Kubeflow looks for it, if it does."""
    path = executor_input.get("outputs", {}).get("outputFile")
    if path:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(output, file, allow_nan=False)


def _told(
    wanted: KfpArtifact,
    document: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    allotted: str,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"node": wanted.node_id, "state": document["state"]}
    if document.get("reason"):
        metadata["reason"] = document["reason"]
    if not found:
        return {"uri": allotted, "metadata": metadata}
    first = found[0]
    metadata.update(_plain({**first["custom_properties"], **first["properties"]}))
    metadata["type"] = first["type"]
    metadata["uri"] = first["uri"]
    if first.get("id"):
        metadata["artifact_id"] = first["id"]
    if document.get("execution"):
        metadata["execution_id"] = document["execution"]
    if len(found) > 1:
        # An artifact of Kubeflow's is one URI.
        metadata["uris"] = [each["uri"] for each in found]
    shown = allotted if first["uri"].startswith(_KFP_STORES) else first["uri"]
    return {"uri": shown, "metadata": metadata}


def _plain(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


def _metrics(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Numbers of an evaluation: of all rows first, then slice by slice."""
    numbers: dict[str, float] = {}
    for artifact in found:
        try:
            slices = metrics_by_slice(ModelEvaluation(artifact["uri"]))
        except PenstockError as error:
            # The evaluation is published; that Kubeflow cannot show it fails no node.
            _log.warning("Kubeflow shows no metrics: %s", error)
            continue
        for name, value in _named(slices):
            if value is not None and len(numbers) < _MOST_NUMBERS:
                numbers[name] = float(value)
    return numbers


def _named(slices: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, float | None]]:
    for number, each in enumerate(slices):
        where = f" ({each['name']})" if number else ""
        for kind, prefix in (("metrics", ""), ("baseline", "baseline "), ("change", "change ")):
            for name, value in each.get(kind, {}).items():
                yield f"{prefix}{name}{where}", value
