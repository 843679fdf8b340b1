# SPDX-License-Identifier: Apache-2.0
"""What is known of how good a model is: from the evaluations and trainings that are recorded."""

from __future__ import annotations

import json
import math
from typing import Any

from ...utils import storage
from ...utils.errors import PenstockError
from ...utils.logs import get_logger
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore

_log = get_logger(__name__)

_EVALUATION = "ModelEvaluation"
_SUMMARY = "summary.json"

#: Results of executions that say how they went, not how good the model is.
_NO_METRICS = frozenset({"seed", "attempt", "log_path", "pushed", "already_there"})


def metrics_of(store: MetadataStore, model_id: int, run_id: str = "") -> dict[str, float]:
    """Metrics of a model over all rows: the newest evaluation's, and what its training told.

    Args:
        store: Where it is recorded.
        model_id: Id of the Model artifact.
        run_id: A run whose evaluation counts before those of others.
    """
    users = [each for each in store.consumers_of(model_id) if each.succeeded]
    users.sort(key=lambda each: (each.run_id == run_id, each.id), reverse=True)
    found: dict[str, float] = {}
    maker = store.producer_of(model_id)
    if maker is not None:
        found.update(_of_training(maker))
    for user in users:
        evaluated = _of_evaluation(store, user, model_id)
        if evaluated:
            found.update(evaluated)
            break
    return found


def _of_training(maker: ExecutionRecord) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in maker.results.items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and name not in _NO_METRICS
        and math.isfinite(value)
    }


def _of_evaluation(
    store: MetadataStore, evaluation: ExecutionRecord, model_id: int
) -> dict[str, float]:
    whole = store.get_execution(evaluation.id)
    candidates = {each.id for each in whole.inputs.get("model", ())}
    if candidates and model_id not in candidates:
        return {}  # It was the baseline there.
    for artifact in (each for listed in whole.outputs.values() for each in listed):
        if artifact.TYPE_NAME == _EVALUATION:
            return _read(storage.join(artifact.uri, _SUMMARY))
    return {}


def _read(place: str) -> dict[str, float]:
    """The metrics of the slice of all rows, which comes first in the summary."""
    try:
        if not storage.exists(place):
            return {}
        slices: list[dict[str, Any]] = json.loads(storage.read_text(place))["slices"]
        metrics = slices[0]["metrics"]
        return {name: float(value) for name, value in metrics.items() if value is not None}
    except (PenstockError, ValueError, KeyError, IndexError, TypeError) as error:
        _log.info("%s: no metrics: %s", place, error)
        return {}
