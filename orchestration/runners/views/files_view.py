# SPDX-License-Identifier: Apache-2.0
"""Any artifact: its properties, its files, and what short ones among them say."""

from __future__ import annotations

import json

from ....components.base.artifact import CONTENT_DIGEST, Artifact
from ....utils import storage
from ....utils.errors import StorageError
from ....utils.readable import counted, size
from .view import Block, Cell, Code, Facts, Fold, Table, View, Wanted, Words

_MOST_FILES = 200
_READABLE = (".json", ".txt", ".md", ".pbtxt", ".yaml", ".csv")
_LONGEST, _MOST_SHOWN = 20_000, 4


def files_view(artifact: Artifact, wanted: Wanted) -> View:
    """What can be said of an artifact of any type."""
    del wanted
    blocks: list[Block] = [facts_of(artifact)]
    if storage.exists(artifact.uri):
        blocks.append(files_table(artifact))
        blocks += _short_files(artifact)
    else:
        blocks.append(Words(f"There is nothing at {artifact.uri}.", "warning"))
    return View(artifact.TYPE_NAME, blocks, artifact.uri)


def facts_of(artifact: Artifact) -> Facts:
    """Id, name and properties of an artifact."""
    pairs: list[tuple[str, Cell]] = [("id", artifact.id), ("name", artifact.name)]
    for name, value in {**artifact.properties, **artifact.custom_properties}.items():
        shown = str(value)[:16] if name == CONTENT_DIGEST else value
        pairs.append((name.replace("_", " "), shown))
    return Facts(pairs)


def files_table(artifact: Artifact) -> Table:
    """The files of an artifact."""
    try:
        found = storage.list_files(artifact.uri)
    except StorageError:
        found = [
            storage.StoredFile(artifact.uri.rpartition("/")[2], storage.file_size(artifact.uri))
        ]
    rows = [(each.path, each.size, size(each.size)) for each in found[:_MOST_FILES]]
    total = size(sum(each.size for each in found))
    note = f"{total} in all" + (
        f", the first {_MOST_FILES} shown" if len(found) > len(rows) else ""
    )
    return Table(("file", "bytes", "size"), rows, counted(len(found), "file"), note)


def _short_files(artifact: Artifact) -> list[Block]:
    blocks: list[Block] = []
    if not storage.is_dir(artifact.uri):
        return blocks
    for each in storage.list_files(artifact.uri):
        if len(blocks) == _MOST_SHOWN:
            break
        if each.path.endswith(_READABLE) and each.size <= _LONGEST:
            text = storage.read_bytes(artifact.path(each.path)).decode("utf-8", "replace")
            blocks.append(Fold(each.path, [Code(_tidy(each.path, text))]))
    return blocks


def _tidy(path: str, text: str) -> str:
    if not path.endswith(".json"):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
