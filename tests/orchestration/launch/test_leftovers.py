# SPDX-License-Identifier: Apache-2.0
"""What a node that fails leaves behind: nothing on disk, and nothing that seems to go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.interruptible import write_data
from support.pipelines import Text, diamond, start
from support.processes import Family
from support.soundness import incomplete_artifacts, remains

from penstock import LocalRunner, MetadataStore, Output, Pipeline, Selection, component
from penstock.orchestration.launch.garbage import find_garbage
from penstock.orchestration.metadata.records import ExecutionState, RunState
from penstock.utils.errors import DataError, MetadataError


@component
def spoil(text: Output[Text]) -> None:
    """Writes half of what it should."""
    Path(text.uri, "text").write_text("half")
    raise ValueError("spoilt")


@component
def vanish(text: Output[Text]) -> None:
    """Ends its process."""
    os._exit(3)


def executions(root: Path, run_id: str) -> dict[str, ExecutionState]:
    """States of a run's executions, by node."""
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        return {each.node_id: each.state for each in store.run_executions(run_id)}


def test_failed_node_leaves_no_files(tmp_path: Path) -> None:
    """If it fails, every failure fills the disk a bit more."""
    result = LocalRunner().run(Pipeline("p", str(tmp_path), [start(word="a"), spoil()]))
    assert [found.node_id for found in result.failed] == ["spoil"]
    assert remains(tmp_path) == []


def test_files_that_may_be_live_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, a lost answer of the store deletes the files of a live artifact."""
    real = MetadataStore.publish_execution

    def publish(self: MetadataStore, *arguments: Any, **options: Any) -> None:
        real(self, *arguments, **options)
        raise MetadataError("the answer was lost")

    monkeypatch.setattr(MetadataStore, "publish_execution", publish)
    result = LocalRunner().run(Pipeline("p", str(tmp_path), [start(word="a")]), run_id="r")
    assert "the answer was lost" in str(result.outcomes["start"].error)
    assert executions(tmp_path, "r") == {"start": ExecutionState.COMPLETE}
    assert incomplete_artifacts(tmp_path) == []
    monkeypatch.undo()
    again = LocalRunner().run(Pipeline("p", str(tmp_path), [start(word="a")]))
    assert again.outcomes["start"].state.value == "cached"


def test_files_that_were_not_published_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, what the store refused stays on disk for ever."""

    def publish(self: MetadataStore, *arguments: Any, **options: Any) -> None:
        raise MetadataError("refused")

    monkeypatch.setattr(MetadataStore, "publish_execution", publish)
    LocalRunner().run(Pipeline("p", str(tmp_path), [start(word="a")]), run_id="r")
    assert executions(tmp_path, "r") == {"start": ExecutionState.FAILED}
    assert remains(tmp_path) == []


def test_failure_that_cannot_be_recorded_at_once_is_recorded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, an execution seems to run for ever, or the error that matters is hidden."""

    def fail(self: MetadataStore, *arguments: Any, **options: Any) -> None:
        raise MetadataError("not now")

    monkeypatch.setattr(MetadataStore, "fail_execution", fail)
    result = LocalRunner().run(Pipeline("p", str(tmp_path), [spoil()]), run_id="r")
    assert "ValueError: spoilt" in str(result.outcomes["spoil"].error)
    assert executions(tmp_path, "r") == {"spoil": ExecutionState.FAILED}
    assert remains(tmp_path) == []


def test_run_that_cannot_start_is_recorded_as_failed(tmp_path: Path) -> None:
    """If it fails, a mistake in a selection looks like a killed process ever after."""
    with pytest.raises(DataError, match="never succeeded"):
        LocalRunner().run(diamond(tmp_path), run_id="r", selection=Selection(from_nodes=["left"]))
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        found = store.get_run("r")
    assert found.state is RunState.FAILED
    assert "never succeeded" in found.error


def test_error_of_a_node_says_where_the_node_was_written(tmp_path: Path) -> None:
    """If it fails, a node's error does not lead to the line in the user's own file."""
    error = LocalRunner().run(Pipeline("p", str(tmp_path), [vanish()])).outcomes["vanish"].error
    assert error is not None and error.location is not None
    assert error.location.rpartition(":")[0].endswith("test_leftovers.py")


@pytest.mark.kill
@pytest.mark.slow
def test_what_an_earlier_version_of_a_pipeline_left_is_deleted(tmp_path: Path) -> None:
    """If it fails, renaming a node or moving the root after a crash leaves files for ever."""
    old, new = tmp_path / "old", tmp_path / "new"
    write_data(old)
    words = ["-m", "support.interruptible", str(old), "killed", "--die-at", "after:12"]
    family = Family(words, tmp_path)
    assert family.wait() == -signal.SIGKILL, family.err
    family.assert_gone()
    left = [path for path in old.glob("[!.]*/*/*") if path.name.isdecimal()]
    assert left, "nothing was under way"
    setting = str(old / "metadata.sqlite")
    other = Pipeline("interruptible", str(new), [start(word="a")], metadata=setting)
    LocalRunner().run(other).raise_for_failure()
    assert not [path for path in left if path.exists()]
    assert remains(old) == []


def test_half_written_code_is_garbage(tmp_path: Path) -> None:
    """If it fails, what a killed process was just writing is never deleted."""
    LocalRunner().run(Pipeline("p", str(tmp_path), [start(word="a")])).raise_for_failure()
    (bundle,) = (path for path in (tmp_path / ".code").iterdir() if path.is_dir())
    half = bundle.with_name(f"{bundle.name}.123-abcdef.tmp")
    half.mkdir()
    for path in (bundle, half):
        os.utime(path, (1, 1))
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        assert [item.path for item in find_garbage(store)] == [str(half)]


def test_root_with_brackets_in_its_name_is_searched(tmp_path: Path) -> None:
    """If it fails, `penstock gc` finds nothing to delete below such a root."""
    root = tmp_path / "model[1]"
    failed = LocalRunner().run(Pipeline("p", str(root), [spoil()])).outcomes["spoil"]
    left = root / "spoil" / "text" / str(failed.execution_id)
    left.mkdir(parents=True)
    with MetadataStore(str(root / "metadata.sqlite")) as store:
        assert [item.path for item in find_garbage(store)] == [str(left)]
