# SPDX-License-Identifier: Apache-2.0
"""What is garbage, and above all what is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import Artifact, Examples, Model, ModelBlessing, PushedModel
from penstock.orchestration.launch.garbage import delete_garbage, find_garbage
from penstock.orchestration.metadata.records import (
    ArtifactState,
    ExecutionState,
    NodeKey,
    RunState,
)
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError

Inputs = dict[str, list[Artifact]]


class Project:
    """A pipeline's root with its store, written to as the launcher would."""

    def __init__(self, root: Path, store: MetadataStore, pipeline: str = "p") -> None:
        self.root = root
        self.store = store
        self.pipeline = pipeline
        root.mkdir(parents=True, exist_ok=True)

    def begin(self, run_id: str, *, owned: bool = True) -> None:
        """Begins a run, and leaves what a run leaves."""
        self.store.begin_run(
            self.pipeline, run_id, properties={"root": str(self.root)}, owned=owned
        )
        for path in (f".runs/{run_id}/pipeline.json", f".logs/{run_id}/node.1.log"):
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}")

    def end(self, run_id: str, state: RunState = RunState.COMPLETE) -> None:
        """Ends a run."""
        self.store.end_run(run_id, state)

    def key(self, run_id: str, node_id: str) -> NodeKey:
        """Names a node of a run."""
        return NodeKey(self.pipeline, run_id, node_id, f"test.{node_id}")

    def register(self, run_id: str, node_id: str, inputs: Inputs | None = None) -> int:
        """Registers an execution; makes its scratch folder."""
        number = self.store.register_execution(self.key(run_id, node_id), inputs or {}, {}, {})
        os.makedirs(self.root / ".work" / str(number))
        return number

    def write(self, node_id: str, output: str, execution_id: int) -> Path:
        """Writes ten bytes to an output folder. The folder."""
        folder = self.root / node_id / output / str(execution_id)
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"0123456789")
        return folder

    def execute(
        self, run_id: str, node_id: str, kind: type[Artifact], inputs: Inputs | None = None,
        **custom: int,
    ) -> Artifact:  # fmt: skip
        """Runs a node that makes one artifact."""
        number = self.register(run_id, node_id, inputs)
        made = kind(str(self.write(node_id, "out", number)), custom_properties=custom)
        self.store.publish_execution(self.key(run_id, node_id), number, {"out": [made]})
        os.rmdir(self.root / ".work" / str(number))
        return made

    def reuse(self, run_id: str, node_id: str, made: Artifact) -> None:
        """Records that a node used an earlier result again."""
        self.store.publish_cached(self.key(run_id, node_id), {}, {"out": [made]})

    def garbage(self, keep_runs: int | None = None) -> dict[str, str]:
        """What is garbage: kind by path below the root."""
        found = find_garbage(self.store, keep_runs=keep_runs)
        return {os.path.relpath(item.path, self.root): item.kind for item in found}

    def results(self, keep_runs: int) -> set[str]:
        """Which results are garbage."""
        found = self.garbage(keep_runs)
        return {path for path, kind in found.items() if kind == "artifact"}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project."""
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        yield Project(tmp_path / "root", store)


def below(project: Project, artifact: Artifact) -> str:
    """Where an artifact lies below the root."""
    return os.path.relpath(artifact.uri, project.root)


def test_store_without_runs_has_no_garbage(project: Project) -> None:
    """If it fails, an empty store breaks the clean-up."""
    assert project.garbage() == {}


def test_output_of_failed_execution_is_garbage_and_that_of_running_and_live_is_not(
    project: Project,
) -> None:
    """If it fails, a clean-up deletes results or what is being written, or leaves rubbish."""
    project.begin("r1")
    live = project.execute("r1", "Gen", Examples)
    failed = project.register("r1", "Bad")
    rubbish = project.write("Bad", "out", failed)
    project.store.fail_execution(failed, ExecutionState.FAILED, "it failed")
    running = project.register("r1", "Busy")
    busy = project.write("Busy", "out", running)
    assert project.garbage() == {f"Bad/out/{failed}": "output", f".work/{failed}": "work"}
    freed = delete_garbage(project.store, find_garbage(project.store))
    assert freed == 10
    assert not rubbish.exists()
    assert busy.exists() and Path(live.uri).exists()
    assert project.garbage() == {}


def test_what_the_store_does_not_know_is_left_alone(project: Project, tmp_path: Path) -> None:
    """If it fails, results of another store, or a user's own files, are deleted."""
    project.begin("r1")
    number = project.register("r1", "Gen")
    project.store.fail_execution(number, ExecutionState.FAILED, "it failed")
    project.write("Gen", "out", 999)
    project.write("serving", "model", number)
    (project.root / "Gen" / "out" / "notes").mkdir()
    (project.root / ".work" / "999").mkdir()
    other = Project(tmp_path / "other", project.store, "other")
    other.begin("o1")
    other.write("Gen", "out", number)
    assert project.garbage() == {f".work/{number}": "work"}


def test_imported_payload_below_the_root_is_not_garbage(project: Project) -> None:
    """If it fails, a folder that another record refers to is deleted."""
    project.begin("r1")
    number = project.register("r1", "Bad")
    folder = project.write("Bad", "out", number)
    project.store.fail_execution(number, ExecutionState.FAILED, "it failed")
    imported = Examples(str(folder / "data"))
    second = project.store.register_execution(project.key("r1", "Importer"), {}, {}, {})
    project.store.publish_execution(project.key("r1", "Importer"), second, {"result": [imported]})
    assert f"Bad/out/{number}" not in project.garbage()


def test_code_of_no_kept_run_is_garbage_once_it_is_old(project: Project) -> None:
    """If it fails, code folders pile up, or code that a worker is about to load vanishes."""
    project.begin("r1")
    used, unused, fresh = "a" * 64, "b" * 64, "c" * 64
    for digest in (used, unused, fresh):
        (project.root / ".code" / digest).mkdir(parents=True)
        (project.root / ".code" / f"{digest}.origins.json").write_text("{}")
    for digest in (used, unused):
        for name in (digest, f"{digest}.origins.json"):
            os.utime(project.root / ".code" / name, (1, 1))
    (project.root / ".runs/r1/pipeline.json").write_text(json.dumps({"code": {used: {}}}))
    assert project.garbage() == {}
    project.end("r1")
    assert set(project.garbage()) == {f".code/{unused}", f".code/{unused}.origins.json"}


def test_results_that_only_old_runs_used_go_when_asked(project: Project) -> None:
    """If it fails, `--keep-runs` deletes what a kept run uses, or nothing at all."""
    project.begin("r1")
    shared = project.execute("r1", "Gen", Examples)
    old = project.execute("r1", "Stats", Examples, {"examples": [shared]})
    project.end("r1")
    project.begin("r2")
    project.reuse("r2", "Gen", shared)
    new = project.execute("r2", "Stats", Examples, {"examples": [shared]})
    project.end("r2")
    assert project.garbage() == {}
    assert project.garbage(keep_runs=2) == {}
    assert project.garbage(keep_runs=1) == {
        below(project, old): "artifact", ".logs/r1": "log", ".runs/r1": "run",
    }  # fmt: skip
    delete_garbage(project.store, find_garbage(project.store, keep_runs=1))
    states = {record.artifact.id: record.state for record in project.store.list_artifacts()}
    assert states[old.id] is ArtifactState.DELETED
    assert states[shared.id] is states[new.id] is ArtifactState.LIVE
    assert not Path(old.uri).exists()
    assert Path(shared.uri).exists() and Path(new.uri).exists()


def test_failed_runs_do_not_push_out_the_last_good_one(project: Project) -> None:
    """If it fails, a few failed runs in a row make the last good results garbage."""
    project.begin("good")
    project.execute("good", "Gen", Examples)
    project.end("good")
    for number in range(3):
        project.begin(f"bad-{number}")
        project.end(f"bad-{number}", RunState.FAILED)
    assert project.garbage(keep_runs=1) == {}


def test_ancestry_of_pushed_and_newest_blessed_models_stays(project: Project) -> None:
    """If it fails, nobody can tell any more what a model in production was made from."""
    made: dict[str, Artifact] = {}
    for run_id in ("r1", "r2", "r3", "r4"):
        project.begin(run_id)
        examples = project.execute(run_id, "Gen", Examples)
        model = project.execute(run_id, "Trainer", Model, {"examples": [examples]})
        made |= {f"examples-{run_id}": examples, f"model-{run_id}": model}
        if run_id == "r1":
            project.execute(run_id, "Pusher", PushedModel, {"model": [model]}, pushed=1)
        if run_id == "r2":
            project.execute(
                run_id, "Evaluator", ModelBlessing, {"model": [model]}, blessed=1,
                current_model_id=model.id or 0,
            )  # fmt: skip
        if run_id == "r3":
            project.execute(run_id, "Pusher", PushedModel, {"model": [model]}, pushed=0)
        project.end(run_id)
    doomed = project.results(keep_runs=1)
    assert {below(project, made[f"{kind}-r3"]) for kind in ("examples", "model")} <= doomed
    for name in ("examples-r1", "model-r1", "examples-r2", "model-r2", "examples-r4", "model-r4"):
        assert below(project, made[name]) not in doomed, name


def test_results_stay_while_a_run_is_going_on(project: Project) -> None:
    """If it fails, a clean-up takes away what a run is about to reuse."""
    project.begin("r1")
    project.execute("r1", "Gen", Examples)
    project.end("r1")
    project.begin("r2")
    with pytest.raises(MetadataError, match="r2 of p is going on"):
        find_garbage(project.store, keep_runs=1)
    assert project.garbage() == {}


def test_run_of_an_outside_engine_keeps_what_it_uses(project: Project) -> None:
    """If it fails, a run of an outside engine blocks clean-ups for ever, or loses its inputs."""
    project.begin("engine", owned=False)
    used = project.execute("engine", "Gen", Examples)
    project.begin("r1")
    project.execute("r1", "Gen", Examples)
    project.end("r1")
    assert below(project, used) not in project.garbage(keep_runs=1)


def test_interrupted_deletion_is_finished_by_the_next(project: Project) -> None:
    """If it fails, files of artifacts that are marked as deleted stay for ever."""
    project.begin("r1")
    made = project.execute("r1", "Gen", Examples)
    project.end("r1")
    project.store.mark_deleted([made.id or 0])
    assert project.garbage() == {below(project, made): "output"}


def test_links_are_neither_followed_nor_measured(project: Project, tmp_path: Path) -> None:
    """If it fails, a clean-up deletes what lies outside the root, or reports its size."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "big").write_bytes(b"0" * 100_000)
    project.begin("r1")
    number = project.register("r1", "Gen")
    folder = project.write("Gen", "out", number)
    (folder / "link").symlink_to(tmp_path / "outside")
    project.store.fail_execution(number, ExecutionState.FAILED, "it failed")
    found = find_garbage(project.store)
    assert sum(item.size for item in found) < 1000
    delete_garbage(project.store, found)
    assert (tmp_path / "outside" / "big").exists()
