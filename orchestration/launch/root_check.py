# SPDX-License-Identifier: Apache-2.0
"""Makes sure that a root is written with one metadata store only.

Folders are named by execution ids, and ids begin anew in another store: its runs would write
into, and clear away, what the first store's runs have made.
"""

from __future__ import annotations

import os

from ...utils.errors import MetadataError, StorageError
from ..metadata.store import MetadataStore
from .run import Run


def check_root(store: MetadataStore, run: Run) -> None:
    """Checks that the last run that wrote below the root is known to the store.

    Raises:
        StorageError: It is not: the root belongs to another store.
    """
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
