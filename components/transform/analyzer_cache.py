# SPDX-License-Identifier: Apache-2.0
"""What analyzers accumulated over each data set, on disk, for later analyses.

    manifest.json                     versions, and the entries of each data set
    <data set>/<entry>                one accumulator (`analyzer_state`)

A data set is one split of one `Examples` artifact, named by its content, so that a span is
found again wherever it lies. An entry's name is TensorFlow Transform's own: a hash over the
analyzer and the path in the graph from the raw features to it. So an analyzer that changed,
or whose inputs are computed otherwise, is not found and is computed again; the others are
found. Entries of data sets that an analysis does not ask for are not carried on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_transform as tft

from ...utils import hashing, storage
from ...utils.errors import StorageError
from ...utils.logs import get_logger
from ...utils.storage_errors import storage_errors
from ..base.artifact_types import Examples, TransformCache
from .analyzer_state import VERSION, decode
from .feature_reader import FeatureReader
from .local_analysis import Cached

_log = get_logger(__name__)

MANIFEST = "manifest.json"


def dataset_key(examples: Examples, split: str, reader: FeatureReader) -> str:
    """Names the data of a split by its content, and by how the schema says to read it."""
    content = examples.content_digest or hashing.digest_tree(examples.split_uri(split))
    config = reader.config
    tensors = {
        name: found.SerializeToString(deterministic=True).hex()
        for name, found in config.tensor_representations.items()
    }
    digest = hashing.digest_json([content, split, tensors, str(config.arrow_schema)])
    return f"{split}-{digest[:32]}"


def write_cache(artifact: TransformCache, cached: Cached) -> None:
    """Writes accumulators; equal ones give equal bytes."""
    root = storage.local_path(artifact.uri)
    listed: dict[str, dict[str, dict[str, Any]]] = {}
    for dataset, entries in sorted(cached.entries.items()):
        with storage_errors(root, "write"):
            os.makedirs(os.path.join(root, dataset), exist_ok=True)
        for entry, content in sorted(entries.items()):
            name = hashlib.sha256(entry).hexdigest()[:32]
            path = os.path.join(root, dataset, name)
            with storage_errors(path, "write"), open(path, "wb") as file:
                file.write(content)
            digest = hashing.digest_bytes(content)
            listed.setdefault(dataset, {})[entry.hex()] = {"file": name, "sha256": digest}
    path = os.path.join(root, MANIFEST)
    with storage_errors(path, "write"), open(path, "w", encoding="utf-8") as file:
        json.dump({**_versions(), "datasets": listed}, file, indent=1, sort_keys=True)


def read_cache(artifact: TransformCache, datasets: Sequence[str], node_id: str) -> Cached:
    """Accumulators of these data sets, as far as they can be used.

    A cache that is damaged, or of other versions, is no error: what it lacks is computed.
    """
    try:
        manifest = json.loads(storage.read_text(artifact.path(MANIFEST)))
        versions = {name: manifest.get(name) for name in _versions()}
        listed = manifest.get("datasets", {})
    except (StorageError, ValueError, AttributeError) as error:
        _log.warning("%s: the analyzer cache %s cannot be read: %s", node_id, artifact.uri, error)
        return Cached()
    if versions != _versions():
        _log.info("%s: the analyzer cache is of other versions: %s", node_id, versions)
        return Cached()
    found = Cached()
    for dataset in datasets:
        for entry, where in listed.get(dataset, {}).items():
            content = _content(artifact, dataset, where, node_id)
            if content is not None:
                found.entries.setdefault(dataset, {})[bytes.fromhex(entry)] = content
    return found


def _content(
    artifact: TransformCache, dataset: str, where: Mapping[str, str], node_id: str
) -> bytes | None:
    location = storage.join(artifact.uri, dataset, where["file"])
    try:
        content = storage.read_bytes(location)
        if hashing.digest_bytes(content) == where["sha256"]:
            decode(content)
            return content
        reason = "it is not what was written"
    except (StorageError, ValueError, KeyError, TypeError) as error:
        reason = str(error)
    _log.warning("%s: %s is left out of the analyzer cache: %s", node_id, location, reason)
    return None


def _versions() -> dict[str, Any]:
    return {"encoding": VERSION, "tensorflow_transform": tft.__version__}
