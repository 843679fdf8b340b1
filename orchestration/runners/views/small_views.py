# SPDX-License-Identifier: Apache-2.0
"""Artifacts that say one thing: values, blessings, pushed models, rejected records, cards."""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import Any, cast

from ....components.base.artifact import Artifact, SplitArtifact, ValueArtifact
from ....utils import storage
from ....utils.errors import DataError
from .files_view import facts_of, files_table
from .view import Block, Cell, Code, Document, Facts, Fold, Table, Tone, View, Wanted, Words

_REJECTED = "rejected-"
_TITLES = {"ModelCard": "Model card", "FeatureInfluence": "What features matter"}


def value_view(artifact: Artifact, wanted: Wanted) -> View:
    """The value of a value artifact."""
    del wanted
    try:
        value = cast(ValueArtifact, artifact).read()
    except (OSError, ValueError) as error:
        raise DataError(
            "the value cannot be read", got=str(error), location=artifact.uri
        ) from error
    if isinstance(value, (dict, list)):
        blocks: list[Block] = [Code(json.dumps(value, indent=2, ensure_ascii=False))]
    else:
        blocks = [Words(json.dumps(value) if isinstance(value, bool) else str(value))]
    return View(artifact.TYPE_NAME, blocks, artifact.uri)


def blessing_view(artifact: Artifact, wanted: Wanted) -> View:
    """A verdict on a model."""
    del wanted
    blessed = artifact.custom_properties.get("blessed") == 1
    tone: Tone = "fine" if blessed else "error"
    words = Words("Blessed." if blessed else "Not blessed.", tone)
    return View(artifact.TYPE_NAME, [words, facts_of(artifact)], artifact.uri)


def model_view(artifact: Artifact, wanted: Wanted) -> View:
    """A model: what it is, and its files."""
    del wanted
    blocks: list[Block] = [facts_of(artifact)]
    if storage.exists(artifact.uri):
        blocks.append(Fold("Files", [files_table(artifact)], is_open=True))
    return View(artifact.TYPE_NAME, blocks, artifact.uri)


def rejected_view(artifact: Artifact, wanted: Wanted) -> View:
    """The first records that were left out, and why."""
    found: list[dict[str, Any]] = []
    for name in sorted(os.listdir(artifact.uri)):
        if name.startswith(_REJECTED):
            with open(artifact.path(name), encoding="utf-8", errors="replace") as file:
                found += [json.loads(line) for line in islice(file, wanted.limit)]
    keys = ("file", "line", "reason", "detail", "raw")
    rows: list[list[Cell]] = [[_cell(each.get(key)) for key in keys] for each in found]
    reasons = artifact.custom_properties.get("reasons")
    pairs: list[tuple[str, Cell]] = [("records", artifact.custom_properties.get("rows"))]
    if isinstance(reasons, str) and reasons:
        pairs += list(json.loads(reasons).items())
    blocks: list[Block] = [Facts(pairs)]
    if rows:
        rows = rows[: wanted.limit]
        blocks.append(Table(keys, rows, note=f"the first {len(rows)}"))
    return View("Rejected records", blocks, artifact.uri)


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, (int, float, str)):
        return value
    return json.dumps(value, ensure_ascii=False)


def page_view(artifact: Artifact, wanted: Wanted) -> View:
    """A model card and the like: the page that lies in the artifact, as it is."""
    del wanted
    files = storage.list_files(artifact.uri)
    pages = [each.path for each in files if each.path.endswith(".html")]
    texts = [each.path for each in files if each.path.endswith(".md")]
    text = storage.read_text(artifact.path(texts[0])) if texts else ""
    title = _TITLES.get(artifact.TYPE_NAME, artifact.TYPE_NAME)
    blocks: list[Block] = []
    if pages:
        blocks.append(Document(title, storage.read_text(artifact.path(pages[0])), text))
    elif text:
        blocks.append(Code(text))
    blocks.append(Fold("Properties and files", [facts_of(artifact), files_table(artifact)]))
    return View(title, blocks, artifact.uri)


def trials_view(artifact: Artifact, wanted: Wanted) -> View:
    """The trials of a search."""
    from ....components.train.tuning.trial_records import read_trials
    from .view import Curves

    del wanted
    found = read_trials(storage.local_path(artifact.uri))
    trials = found["trials"]
    names = list(dict.fromkeys(name for each in trials for name in each["parameters"]))
    objective = str(found["objective"])
    rows = [
        [each["number"], each["state"], each["value"],
         *(_cell(each["parameters"].get(name)) for name in names), each.get("reason", "")]
        for each in trials
    ]  # fmt: skip
    points = [(each["number"], each["value"]) for each in trials if each["value"] is not None]
    blocks: list[Block] = [
        Facts(
            [
                ("objective", f"{found['direction']} {objective}"),
                ("trials", len(trials)),
                ("best trial", found["best"]),
            ]
        ),
        Table(("trial", "state", objective, *names, "reason"), rows, "Trials").without_empty(
            "reason"
        ),
    ]
    if points:
        blocks.append(Curves(f"{objective} by trial", "trial", objective, {objective: points}))
    if found.get("importance"):
        shares = sorted(found["importance"].items(), key=lambda item: -item[1])
        blocks.append(Table(("parameter", "importance"), shares, "What the objective depends on"))
    return View("Trials of a search", blocks, artifact.uri)


def predictions_view(artifact: Artifact, wanted: Wanted) -> View:
    """The first records and predictions of each split."""
    from .examples_view import plain_cell
    from .frames import to_arrow

    blocks: list[Block] = [facts_of(artifact)]
    names = [n.removeprefix("Split-") for n in sorted(os.listdir(artifact.uri)) if "Split-" in n]
    recorded = artifact.splits if isinstance(artifact, SplitArtifact) else []
    names.sort(key=lambda name: recorded.index(name) if name in recorded else len(recorded))
    for split in wanted.splits or names:
        table = to_arrow(artifact, split=split, limit=wanted.limit)
        # What was predicted first: it is what one looks for.
        columns = sorted(table.column_names, key=lambda name: not name.startswith("prediction"))
        columns = [name for name in columns if not wanted.features or name in wanted.features]
        rows = [
            [index + 1, *(plain_cell(row[name]) for name in columns)]
            for index, row in enumerate(table.to_pylist())
        ]
        blocks.append(Table(("record", *columns), rows, f"split {split}"))
    return View("Predictions", blocks, artifact.uri)
