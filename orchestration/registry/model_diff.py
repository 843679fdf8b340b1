# SPDX-License-Identifier: Apache-2.0
"""What differs between two versions of a registered model."""

from __future__ import annotations

import functools
import json
from typing import Any

from ..metadata.store import MetadataStore
from .model_metrics import metrics_of
from .model_version import ModelVersion
from .recipe import Recipe
from .registration import executions_by_id
from .version_rule import bump_for, changes_between


def diff_versions(
    store: MetadataStore, before: ModelVersion, after: ModelVersion
) -> dict[str, Any]:
    """Changes, data and metrics of two versions, as JSON-compatible data.

    `same` says whether both are one and the same model; `bump` what the change means by the
    rule, whatever version was chosen; `data` lists what entered the pipeline, with digests,
    spans and numbers of rows; `metrics` has null where one version has no such metric.
    """
    old, new = (Recipe.from_dict(each.facts.get("recipe", {})) for each in (before, after))
    changes = changes_between(old, new, functools.partial(executions_by_id, store))
    same = before.digest == after.digest
    bump, reason = bump_for(changes)
    return {
        "model": before.model,
        "from": before.version,
        "to": after.version,
        "same": same,
        "bump": None if same else bump,
        "reason": "the same model" if same else reason,
        "changes": [each.to_dict() for each in changes],
        "data": _data(old, new),
        "schema": _digests(old.schemas, new.schemas),
        "transform": _pairs(old.transforms, new.transforms),
        "metrics": _metrics(store, before, after),
    }


def _data(old: Recipe, new: Recipe) -> list[dict[str, Any]]:
    found = []
    for key in sorted({*old.data, *new.data}):
        sides = [recipe.data.get(key) for recipe in (old, new)]
        found.append(
            {"name": key, **dict(zip(("from", "to"), map(_described, sides), strict=True))}
        )
    return found


def _described(data: dict[str, Any] | None) -> dict[str, Any] | None:
    if data is None:
        return None
    counts = json.loads(str(data.get("row_counts", "{}")))
    return {
        "digest": data["digest"],
        "span": data.get("span"),
        "spans": data.get("spans"),
        "rows": sum(counts.values()) if counts else None,
        "rows_by_split": counts,
    }


def _digests(
    old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    return _pairs(
        {key: each["digest"] for key, each in old.items()},
        {key: each["digest"] for key, each in new.items()},
    )


def _pairs(old: dict[str, str], new: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": key, "from": old.get(key), "to": new.get(key)} for key in sorted({*old, *new})]


def _metrics(
    store: MetadataStore, before: ModelVersion, after: ModelVersion
) -> list[dict[str, Any]]:
    old, new = (version_metrics(store, each) for each in (before, after))
    return [
        {
            "name": name,
            "from": old.get(name),
            "to": new.get(name),
            "change": new[name] - old[name] if name in old and name in new else None,
        }
        for name in sorted({*old, *new})
    ]


def version_metrics(store: MetadataStore, version: ModelVersion) -> dict[str, float]:
    """Metrics of a version: those recorded with it, or else what the store tells now."""
    kept = version.facts.get("metrics")
    return dict(kept) if kept else metrics_of(store, version.model_artifact_id, version.run_id)
