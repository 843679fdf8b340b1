# SPDX-License-Identifier: Apache-2.0
"""Pushes become versions together with the execution that is published, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock import Filesystem, Input, Model, Output, Pipeline, PushDestination, Pusher, component
from penstock.components.base.artifact_types import ModelBlessing, PushedModel
from penstock.orchestration.launch.launcher import Launcher
from penstock.orchestration.launch.run import describe_run
from penstock.orchestration.launch.workers.in_process import InProcessWorker
from penstock.orchestration.metadata.models import Registration
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore
from penstock.orchestration.registry.registry import ModelRegistry
from penstock.orchestration.runners.local.local_runner import LocalRunner
from penstock.orchestration.runners.local.single_node import run_single_node
from penstock.utils.errors import MetadataError, ParameterError


@component
def train(model: Output[Model], weight: int = 1) -> None:
    """Writes a model."""
    folder = Path(model.path("Format-Serving"))
    folder.mkdir()
    (folder / "weights").write_text(str(weight))


@component
def hand_over(model: Input[Model], pushed_model: Output[PushedModel]) -> None:
    """A pusher that somebody wrote."""
    pushed_model.custom_properties["pushed"] = 1
    pushed_model.custom_properties["pushed_destination"] = "somewhere/5"
    pushed_model.custom_properties["pushed_version"] = "5"


@component
def refuse(model: Input[Model], blessing: Output[ModelBlessing]) -> None:
    """Blesses nothing."""
    blessing.custom_properties["blessed"] = 0


def pushing(root: Path, weight: int = 1, pushers: int = 1, **parameters: Any) -> Pipeline:
    """A pipeline that trains and pushes."""
    trained = train(weight=weight)
    nodes = [
        Pusher(
            model=trained.outputs["model"],
            push_destination=PushDestination(
                filesystem=Filesystem(base_directory=str(root / f"serving{number}"))
            ),
            **parameters,
        ).with_id(f"Push{number}")
        for number in range(pushers)
    ]
    return Pipeline("toy", str(root), [trained, *nodes])


@pytest.fixture
def launched(tmp_path: Path) -> Any:
    """Runs pipelines in this process; gives the outcome of the last node."""

    def launch(pipeline: Pipeline, run_id: str | None = None) -> Any:
        ir = pipeline.compile()
        run = describe_run(ir, run_id=run_id)
        with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
            store.begin_run(run.pipeline, run.id, properties={"root": run.root})
            launcher = Launcher(ir, run, store, InProcessWorker())
            for node in ir.nodes:
                outcome = launcher.launch(node.id)
            store.end_run(run.id, RunState.COMPLETE)
        return outcome

    return launch


@pytest.fixture
def registry(tmp_path: Path) -> Any:
    """Opens the registry that `launched` writes to."""
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        yield ModelRegistry(store)


def test_push_is_told_on_the_artifact(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """Whoever looks at the artifact would not know which version it is."""
    outcome = launched(pushing(tmp_path))
    (artifact,) = outcome.outputs["pushed_model"]
    assert artifact.custom_properties["model_name"] == "toy"
    assert artifact.custom_properties["model_version"] == "1.0.0"
    found = registry.find("toy", "1.0.0")
    assert (found.uri, found.execution_id) == (artifact.uri, outcome.execution_id)
    assert found.destination == artifact.custom_properties["pushed_destination"]
    assert str(found.number) == artifact.custom_properties["pushed_version"]
    assert registry.generation("toy") == 1
    assert Path(found.facts["ir"]).is_file()


def test_unchanged_push_adds_nothing(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """Every run would make a version, and versions would mean nothing."""
    for _ in range(3):
        launched(pushing(tmp_path))
    launched(pushing(tmp_path, bump="minor"))
    assert registry.generation("toy") == 1


def test_model_written_again_is_found_in_its_new_place(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """Servers that follow the registry would look into a folder that is gone."""
    launched(pushing(tmp_path))
    first = registry.find("toy", "latest")
    (Path(first.destination) / "weights").write_text("broken")
    launched(pushing(tmp_path))
    again = registry.find("toy", "latest")
    assert again.version == "1.0.0" and again.number > first.number
    assert (Path(again.destination) / "weights").read_text() == "1"


def test_failed_push_leaves_no_version(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """A version would be offered whose files were never written."""
    (tmp_path / "serving0").write_text("a file is in the way")
    outcome = launched(pushing(tmp_path))
    assert outcome.error is not None
    assert registry.names() == [] and registry.generation("toy") == 0


def test_unblessed_model_is_not_registered(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """A model that failed its gate would have a version."""
    trained = train()
    verdict = refuse(model=trained.outputs["model"])
    gated = Pusher(
        model=trained.outputs["model"],
        model_blessing=verdict.outputs["blessing"],
        push_destination=PushDestination(filesystem=Filesystem(base_directory=str(tmp_path / "s"))),
    )
    outcome = launched(Pipeline("toy", str(tmp_path), [trained, verdict, gated]))
    (artifact,) = outcome.outputs["pushed_model"]
    assert artifact.custom_properties["pushed"] == 0
    assert "model_version" not in artifact.custom_properties
    assert registry.names() == []


def test_version_that_goes_backwards_is_refused_before_the_push(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """The model would be served though the run failed."""
    launched(pushing(tmp_path, model_version="2.0.0"))
    assert registry.find("toy", "latest").bump == "first"
    outcome = launched(pushing(tmp_path, weight=2, model_version="1.5.0"))
    assert isinstance(outcome.error, ParameterError)
    assert "would go backwards" in str(outcome.error)
    assert len([n for n in (tmp_path / "serving0").iterdir() if n.name.isdigit()]) == 1
    launched(pushing(tmp_path, weight=2, model_version="2.5.0"))
    launched(pushing(tmp_path, weight=3, bump="major"))
    assert [each.version for each in registry.versions("toy")] == ["2.0.0", "2.5.0", "3.0.0"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"model_name": "a/b"}, "cannot be a model name"),
        ({"model_name": ""}, "cannot be a model name"),
        ({"model_version": "2"}, "three numbers"),
        ({"bump": "huge"}, "bump"),
        ({"stage": "staging"}, "stage"),
    ],
)
def test_mistakes_are_refused_when_declared(
    tmp_path: Path, parameters: Mapping[str, Any], words: str
) -> None:
    """The mistake would show only after the training."""
    with pytest.raises(ParameterError, match=words):
        pushing(tmp_path, **parameters)


def test_several_pushers_have_names_of_their_own(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """Two models would be versions of one."""
    launched(pushing(tmp_path, pushers=2))
    assert registry.names() == ["toy.Push0", "toy.Push1"]
    launched(pushing(tmp_path / "other", model_name="churn"))
    assert registry.names() == ["churn", "toy.Push0", "toy.Push1"]


def test_users_own_pusher_takes_part(
    launched: Any, registry: ModelRegistry, tmp_path: Path
) -> None:
    """Who pushes elsewhere would have no versions."""
    trained = train()
    launched(Pipeline("toy", str(tmp_path), [trained, hand_over(model=trained.outputs["model"])]))
    found = registry.find("toy", "5")
    assert (found.version, found.destination) == ("1.0.0", "somewhere/5")


def test_single_nodes_register_as_whole_runs_do(tmp_path: Path) -> None:
    """Airflow and Kubeflow, which run node by node, would have no versions."""
    ir = pushing(tmp_path).compile()
    run = describe_run(ir, run_id="outside")
    for node in ir.nodes:
        outcome = run_single_node(ir, node.id, run, in_process=True)
        assert outcome.error is None
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        assert ModelRegistry(store).find("toy", "production").run_id == "outside"


def test_local_runner_registers(tmp_path: Path) -> None:
    """The usual way to run would have no versions."""
    result = LocalRunner().run(pushing(tmp_path))
    assert result.succeeded
    with MetadataStore(result.metadata) as store:
        assert [each.version for each in ModelRegistry(store).versions("toy")] == ["1.0.0"]


def append_pushes(path: str, model: str, count: int) -> None:
    """Publishes executions that register the next patch of a model."""
    with MetadataStore(path) as store:
        run_id = f"run-{os.getpid()}"
        store.begin_run("p", run_id, owned=False)
        for number in range(count):
            key = NodeKey("p", run_id, f"n{number}", "T")
            execution = store.register_execution(key, {}, {})

            def event(number: int, execution: int = execution) -> tuple[str, Mapping[str, Any]]:
                body = {"version": f"1.0.{number}", "stage": "production", "latest": number}
                return "push", {**body, "execution_id": execution}

            store.publish_execution(key, execution, {}, registration=Registration(model, event))


def test_writers_at_once_never_share_a_version(tmp_path: Path) -> None:
    """Two different models would be called the same version."""
    path = str(tmp_path / "metadata.sqlite")
    MetadataStore(path).close()
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_registration import append_pushes\n"
        "append_pushes(sys.argv[1], 'm', 15)"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, path]) for _ in range(2)]
    append_pushes(path, "m", 15)
    assert [other.wait(120) for other in others] == [0, 0]
    with MetadataStore(path) as store:
        events = store.model_events("m")
        assert [each.number for each in events] == list(range(1, 46))
        assert len(ModelRegistry(store).versions("m")) == 45


@pytest.mark.kill
@pytest.mark.slow
def test_push_killed_anywhere_is_registered_with_its_execution_or_not_at_all(
    tmp_path: Path,
) -> None:
    """The registry would offer a version that was never published, or lose one that was."""
    path = str(tmp_path / "metadata.sqlite")
    MetadataStore(path).close()
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_registration import append_pushes\n"
        "append_pushes(sys.argv[1], 'm', 1)\n"
        "print('ready', flush=True)\n"
        "append_pushes(sys.argv[1], 'm', 10_000)"
    )
    known = 0
    for point in range(10):
        command = [sys.executable, "-c", script, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.1 + 0.0137 * point)
            writer.kill()
        with MetadataStore(path) as store:
            events = store.model_events("m")
            assert [each.number for each in events] == list(range(1, len(events) + 1))
            executions = [store.get_execution(each.body["execution_id"]) for each in events[known:]]
            assert all(each.succeeded for each in executions)
            complete = sum(
                each.succeeded for run in store.list_runs(limit=100)
                for each in store.run_executions(run.id)
            )  # fmt: skip
            assert complete == len(events)
        known = len(events)
    assert known > 10


def test_number_taken_by_another_process_is_not_waited_for(tmp_path: Path) -> None:
    """A database without our lock would answer a conflict only after a minute of retries."""
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        store.begin_run("p", "r")
        key = NodeKey("p", "r", "n", "T")
        execution = store.register_execution(key, {}, {})
        asked: list[int] = []

        def event(number: int) -> tuple[str, Mapping[str, Any]]:
            asked.append(number)
            if len(asked) == 1:  # What another process does between our look and our write.
                store.add_model_event("m", lambda n: ("push", {"version": "1.0.0", "latest": n}))
            return "push", {"version": f"1.0.{number}", "latest": number}

        store.publish_execution(key, execution, {}, registration=Registration("m", event))
        assert asked == [1, 2]
        assert [each.version for each in ModelRegistry(store).versions("m")] == ["1.0.0", "1.0.2"]


def test_events_read_only_what_is_new(tmp_path: Path) -> None:
    """A server that polls would read all there ever was, every second."""
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        for number in range(3):
            body = {"version": f"1.0.{number}", "stage": "production", "latest": number + 1}
            store.add_model_event("m", lambda n, body=body: ("push", body))
        registry = ModelRegistry(store)
        first = registry.history("m")
        assert registry.history("m") is first
        registry.promote("m", "1.0.0", by="me")
        assert registry.generation("m") == 4
        assert first.production == "1.0.2" and registry.history("m").production == "1.0.0"
        with pytest.raises(MetadataError, match="no registered model 'mm'"):
            registry.versions("mm")
