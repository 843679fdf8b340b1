# SPDX-License-Identifier: Apache-2.0
"""Several pipelines at once, each in a process of its own, in one metadata store."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.interruptible import write_data
from support.processes import Family
from support.soundness import digests, incomplete_artifacts, remains

from penstock import MetadataStore
from penstock.orchestration.metadata.records import ExecutionState, RunState

pytestmark = [pytest.mark.slow]

#: Nodes of the pipeline that is run.
NODES = 6


def start(folder: Path, run_id: str, name: str, root: str, *options: str) -> Family:
    """Starts a run that records in the store that all share."""
    words = ["-m", "support.interruptible", str(folder / root), run_id, "--name", name]
    return Family([*words, "--metadata", str(folder / "shared.sqlite"), *options], folder)


def run_at_once(folder: Path, names: list[str]) -> str:
    """Runs pipelines, each below a root of its name, at the same moment; what they complained."""
    go = folder / "go"
    families = [
        start(folder, f"run-{number}", name, name, "--wait-for", str(go))
        for number, name in enumerate(names)
    ]
    for family in families:
        family.wait_for("ready")
    go.touch()
    for family in families:
        assert family.wait() == 0, family.err
    return "".join(family.err for family in families)


@pytest.mark.parametrize("names", [["one", "two", "three"], ["same", "same", "same"]])
def test_three_pipelines_run_at_once(tmp_path: Path, names: list[str]) -> None:
    """If it fails, colleagues or a scheduler's workers cannot share a store."""
    write_data(tmp_path / "root")
    assert run_at_once(tmp_path, names) == ""
    setting = tmp_path / "shared.sqlite"
    found = [digests(tmp_path, f"run-{number}", setting) for number in range(3)]
    assert found[0] == found[1] == found[2]
    assert incomplete_artifacts(tmp_path, setting) == []
    for name in set(names):
        assert remains(tmp_path / name, setting) == []
    with MetadataStore(str(setting)) as store:
        for number, name in enumerate(names):
            run = store.get_run(f"run-{number}")
            assert (run.state, run.pipeline) == (RunState.COMPLETE, name)
            recorded = store.run_executions(run.id, with_artifacts=True)
            assert len({each.node_id for each in recorded}) == len(recorded) == NODES
            for each in recorded:
                assert each.state in (ExecutionState.COMPLETE, ExecutionState.CACHED)
                assert each.pipeline == name
                if each.state is ExecutionState.CACHED:
                    assert store.get_execution(each.cached_from or 0).outputs == each.outputs
        for name in set(names):
            numbers = [run.number for run in store.list_runs(name)]
            assert sorted(numbers) == list(range(1, names.count(name) + 1))
        kept = store.list_artifacts(limit=None)
        assert len({record.artifact.uri for record in kept}) == len(kept)


def test_runs_at_once_clear_up_after_a_killed_one(tmp_path: Path) -> None:
    """If it fails, runs that find the same interrupted run get in each other's way."""
    write_data(tmp_path / "root")
    dead = start(tmp_path, "killed", "same", "same", "--die-at", "after:12")
    assert dead.wait() == -signal.SIGKILL, dead.err
    dead.assert_gone()
    said = run_at_once(tmp_path, ["same"] * 3)
    assert all("was interrupted; its output is deleted" in line for line in said.splitlines())
    root, setting = tmp_path / "same", tmp_path / "shared.sqlite"
    assert remains(root, setting) == []
    assert incomplete_artifacts(root, setting) == []
    with MetadataStore(str(setting)) as store:
        assert store.get_run("killed").state is RunState.INTERRUPTED
        assert {r.state for r in store.list_runs("same") if r.id != "killed"} == {RunState.COMPLETE}
