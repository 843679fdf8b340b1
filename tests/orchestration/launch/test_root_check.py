# SPDX-License-Identifier: Apache-2.0
"""Roots that belong to another store, and those that only look so."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import MetadataStore
from penstock.orchestration.launch.root_check import check_root
from penstock.orchestration.launch.run import Run
from penstock.utils.errors import StorageError


def test_what_a_killed_first_run_left_does_not_lock_the_root(tmp_path: Path) -> None:
    """If it fails, a pipeline whose first run was killed can never be run or resumed again."""
    (tmp_path / "Trainer" / "model" / "1").mkdir(parents=True)
    run = Run("r1", "p", str(tmp_path))
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        with pytest.raises(StorageError, match="that the metadata store does not know"):
            check_root(store, run, ["Trainer"])
        store.begin_run("p", "r1", properties={"root": str(tmp_path)})
        check_root(store, run, ["Trainer"])
        check_root(store, Run("r2", "p", str(tmp_path)), ["Trainer"])
