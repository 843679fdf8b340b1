# SPDX-License-Identifier: Apache-2.0
"""Makes sure that a root is written with one metadata store only.

Folders are named by execution ids, and ids begin anew in another store: its runs would write
into, and clear away, what the first store's runs have made.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from ...utils import storage
from ...utils.errors import MetadataError, StorageError
from ..metadata.store import MetadataStore
from .run import Run

#: How many folders are looked up in the store at most.
_LOOKED_AT = 100


def check_root(store: MetadataStore, run: Run, nodes: Iterable[str] = ()) -> None:
    """Checks that the last run that wrote below the root is known to the store.

    What TFX wrote has no mark of a run, but the same layout. So before the first run of a
    pipeline, the store must know something of what lies where its nodes would write.

    Args:
        store: The store.
        run: The run that is about to begin.
        nodes: Ids of its nodes.

    Raises:
        StorageError: It is not, or does not: the root belongs to another store.
    """
    _check_last_run(store, run)
    # A run that was killed before it published anything left folders that no artifact has.
    if not store.list_runs(run.pipeline, limit=1):
        _check_payloads(store, run, nodes)


def _check_last_run(store: MetadataStore, run: Run) -> None:
    folder = run.local_folder("runs")
    try:
        last = max(name for name in os.listdir(folder) if name != run.id)
    except (FileNotFoundError, ValueError):
        return
    try:
        store.get_run(last)
    except MetadataError:
        raise StorageError(
            f"the root was written by run {last}, which the metadata store does not know",
            expected="the store that belongs to the root",
            got=store.setting,
            location=run.root,
            fix="give the store that belongs to it (--metadata) or another --root; "
            f"if its store is gone for good, delete {run.root}",
        ) from None


def _check_payloads(store: MetadataStore, run: Run, nodes: Iterable[str]) -> None:
    found = [path for node in nodes for path in _folders(run.root, node)][:_LOOKED_AT]
    if not found or any(_known(store, path) for path in found):
        return
    raise StorageError(
        "the root holds artifacts that the metadata store does not know, of TFX for one",
        expected="the store that belongs to the root, or a root of this store's own",
        got=f"{found[0]}, which a new run could overwrite",
        location=run.root,
        fix=f"give the store that belongs to it (now {store.setting}), or another root",
    )


def _folders(root: str, node: str) -> list[str]:
    """What lies where a node's artifacts would: `<root>/<node>/<output>/<execution>`."""
    escaped = glob.escape(root) if storage.is_local(root) else root
    found = storage.glob(storage.join(escaped, node, "*", "*"))
    return [path for path in found if path.rstrip("/").rpartition("/")[2].isdecimal()]


def _known(store: MetadataStore, path: str) -> bool:
    if store.artifacts_by_uri(path):
        return True
    return storage.is_local(path) and bool(store.artifacts_by_uri(os.path.abspath(path)))
