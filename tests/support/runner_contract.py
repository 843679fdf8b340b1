# SPDX-License-Identifier: Apache-2.0
"""The runner contract: what every runner has to do with the same pipelines.

A test of a runner derives from `RunnerContract`, says in `run` how the runner runs a
pipeline, and gets one test for each case. What a run did is read from the metadata store, and
compared with what the local runner does, artifact by artifact, by content digest:

    class TestBeam(RunnerContract):
        def run(self, pipeline, *, parameters=None, resume=None):
            result = BeamDagRunner().run(pipeline, parameters=parameters, resume=resume)
            return Ran(result.run.id, result.metadata)

What a runner cannot do stands in `unsupported`, with the reason; those cases are skipped by
name.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock import LocalRunner, MetadataStore, Pipeline
from penstock.components.base.container_executor import ENGINE_VARIABLE
from penstock.orchestration.metadata.records import ExecutionState
from support.pipelines import (
    conditional,
    contained,
    diamond,
    fan_out,
    guarded,
    linear,
    nested,
    parametrised,
    unreliable,
)

#: Of this process alone, so that others that test at the same time keep theirs.
IMAGE = f"penstock-contract-{os.getpid()}"
#: What may run containers here, tried in turn. The last works where the kernel lets nobody
#: make network namespaces or raise limits.
_ENGINES = (
    "docker run",
    "podman run",
    "podman --runtime runc --cgroup-manager=cgroupfs run --ulimit nofile=1024:1024 "
    "--ulimit nproc=1024:1024 --network=none",
)


@dataclass(frozen=True)
class Ran:
    """A run that has ended: its id, and the setting of the store that knows it."""

    run_id: str
    metadata: str


@dataclass(frozen=True)
class Seen:
    """What the store says of a run.

    Attributes:
        states: How each node ended last, by id; nodes that did not run are not there.
        digests: Content digests by `node.output`.
        done: How often each node was really executed, to its end, by id.
        failed: How often it failed.
    """

    states: dict[str, str] = field(default_factory=dict)
    digests: dict[str, list[str]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)


def look_at(ran: Ran) -> Seen:
    """What a run did, as the store has it."""
    seen = Seen()
    with MetadataStore(ran.metadata, create=False) as store:
        executions = store.run_executions(ran.run_id, with_artifacts=True)
    for execution in sorted(executions, key=lambda each: each.id):
        node = execution.node_id
        seen.states[node] = execution.state.value
        for counts, state in (
            (seen.done, ExecutionState.COMPLETE),
            (seen.failed, ExecutionState.FAILED),
        ):
            counts[node] = counts.get(node, 0) + (execution.state is state)
        for output, artifacts in execution.outputs.items():
            assert all(artifact.content_digest for artifact in artifacts), (node, output)
            seen.digests[f"{node}.{output}"] = [each.content_digest for each in artifacts]
    return seen


class RunnerContract:
    """One test for each case; derive from it, and override `run`."""

    #: Cases that the runner cannot do, and why. A case is named as its test without `test_`.
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        unknown = [case for case in cls.unsupported if not hasattr(cls, f"test_{case}")]
        assert not unknown, f"{cls.__name__}: there is no case {unknown}"

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        """Has the runner run a pipeline to its end, whether or not a node fails.

        Args:
            pipeline: The pipeline.
            parameters: Values of its runtime parameters.
            resume: Id of a run that failed, to be continued.
        """
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _supported(self, request: pytest.FixtureRequest) -> None:
        case = request.function.__name__.removeprefix("test_")
        if case in self.unsupported:
            pytest.skip(f"{type(self).__name__} cannot do {case!r}: {self.unsupported[case]}")

    @pytest.fixture(scope="class")
    @classmethod
    def container_image(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        """An image that holds nothing but busybox, and an engine that runs it."""
        engine = _engine_with_image(tmp_path_factory.mktemp("image"))
        if engine is None:
            pytest.skip("no container engine works here, or there is no static busybox")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ENGINE_VARIABLE, engine)
            yield IMAGE
        subprocess.run([*_before_run(engine), "rmi", IMAGE], capture_output=True)

    def both(
        self, build: Callable[[Path], Pipeline], folder: Path, **options: Any
    ) -> tuple[Seen, Ran]:
        """Runs a pipeline with the runner and with the local one; asserts that they agree."""
        ran = self.run(build(folder / "runner" / "root"), **options)
        local = _run_locally(build(folder / "local" / "root"), **options)
        seen, wanted = look_at(ran), look_at(local)
        assert seen == wanted
        assert all(found for found in seen.digests.values())
        return seen, ran

    def test_linear(self, tmp_path: Path) -> None:
        """Without it, nodes could start before what they read is there."""
        seen, _ = self.both(linear, tmp_path)
        assert seen.states == dict.fromkeys(("start", "add_b", "add_c", "add_d"), "complete")

    def test_diamond(self, tmp_path: Path) -> None:
        """Without it, a node could start when only one of two it waits for has ended."""
        seen, _ = self.both(diamond, tmp_path)
        assert seen.done == {"start": 1, "left": 1, "right": 1, "join": 1}

    def test_fan_out(self, tmp_path: Path) -> None:
        """Without it, nodes side by side could get lost, run twice, or trip over the store."""
        seen, _ = self.both(fan_out, tmp_path)
        assert len(seen.states) == 10
        assert set(seen.done.values()) == {1}

    def test_nested(self, tmp_path: Path) -> None:
        """Without it, an inner pipeline's nodes, whose ids hold dots, could not run."""
        seen, _ = self.both(nested, tmp_path)
        assert list(seen.states) == ["start", "inner.one", "inner.two", "end"]

    def test_condition_true(self, tmp_path: Path) -> None:
        """Without it, a gate that is open could stop what is behind it."""
        seen, _ = self.both(conditional, tmp_path, parameters={"word": "long"})
        assert set(seen.states.values()) == {"complete"}

    def test_condition_false(self, tmp_path: Path) -> None:
        """Without it, a gate could let everything pass, or stop what can do without it."""
        seen, _ = self.both(conditional, tmp_path, parameters={"word": "x"})
        assert (seen.states["extend"], seen.states["needs"]) == ("skipped", "skipped")
        assert seen.states["join"] == "complete"

    def test_runtime_parameters(self, tmp_path: Path) -> None:
        """Without it, parameters could get lost on their way, or change their type."""
        given = {"word": 'it\'s "ü" $HOME; {{ x }}', "times": 2, "loud": True}
        seen, _ = self.both(parametrised, tmp_path, parameters=given)
        assert set(seen.states.values()) == {"complete"}

    def test_retries(self, tmp_path: Path) -> None:
        """Without it, a passing fault would end the run."""
        seen, _ = self.both(
            lambda root: unreliable(root, _marker(root), attempts=3, retries=2), tmp_path
        )
        assert seen.states["fail_until"] == seen.states["join"] == "complete"
        assert (seen.failed["fail_until"], seen.done["fail_until"]) == (2, 1)

    def test_failure_spares_the_rest(self, tmp_path: Path) -> None:
        """Without it, a failure would be hidden, or stop what does not depend on it."""
        seen, _ = self.both(
            lambda root: unreliable(root, _marker(root), attempts=9, retries=0), tmp_path
        )
        assert seen.states == {"start": "complete", "fail_until": "failed", "aside": "complete"}

    def test_cached_second_run(self, tmp_path: Path) -> None:
        """Without it, unchanged work would be done again."""
        first, _ = self.both(diamond, tmp_path)
        second, _ = self.both(diamond, tmp_path)
        assert set(second.states.values()) == {"cached"}
        assert second.digests == first.digests

    def test_resume_after_failure(self, tmp_path: Path) -> None:
        """Without it, all the work before a failure would be lost."""

        def build(root: Path) -> Pipeline:
            return unreliable(root, _marker(root), attempts=2, retries=0)

        _, failed = self.both(build, tmp_path)
        resumed = self.run(build(tmp_path / "runner" / "root"), resume=failed.run_id)
        seen = look_at(resumed)
        assert resumed.run_id == failed.run_id
        assert set(seen.states.values()) <= {"complete", "cached"}
        assert seen.done == {"start": 1, "fail_until": 1, "join": 1, "aside": 1}
        whole = _run_locally(
            unreliable(tmp_path / "whole" / "root", tmp_path / "whole-marker", 1, 0)
        )
        assert seen.digests == look_at(whole).digests

    def test_container(self, tmp_path: Path, container_image: str) -> None:
        """Without it, components in other languages could not run."""
        seen, _ = self.both(lambda root: contained(root, container_image), tmp_path)
        assert seen.done == {"start": 1, "inside": 1, "extend": 1}

    def test_exit_handler(self, tmp_path: Path) -> None:
        """Without it, nobody would be told how a run that fails has ended, or it runs once only."""
        seen, _ = self.both(lambda root: guarded(root, _marker(root), attempts=2), tmp_path)
        assert seen.states == {"start": "complete", "fail_until": "failed", "tell_end": "complete"}
        again, _ = self.both(lambda root: guarded(root, _marker(root), attempts=2), tmp_path)
        assert again.states["join"] == again.states["tell_end"] == "complete"
        assert again.digests["tell_end.told"] != seen.digests["tell_end.told"]
        third, _ = self.both(lambda root: guarded(root, _marker(root), attempts=2), tmp_path)
        assert (third.states["join"], third.states["tell_end"]) == ("cached", "complete")


def _run_locally(
    pipeline: Pipeline,
    *,
    parameters: Mapping[str, Any] | None = None,
    resume: str | None = None,
) -> Ran:
    result = LocalRunner().run(pipeline, parameters=parameters, resume=resume)
    return Ran(result.run.id, result.metadata)


def _marker(root: Path) -> Path:
    """A file beside the root that counts attempts. Its path is a parameter, but no output."""
    root.parent.mkdir(parents=True, exist_ok=True)
    return root.parent / "marker"


def _engine_with_image(folder: Path) -> str | None:
    """An engine that runs the image, which it has then made; None where there is none."""
    busybox = shutil.which("busybox")
    if busybox is None:
        return None
    archive = folder / "rootfs.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(os.path.realpath(busybox), "bin/busybox")
    chosen = os.environ.get(ENGINE_VARIABLE)
    for engine in (chosen,) if chosen else _ENGINES:
        if shutil.which(shlex.split(engine)[0]) is None:
            continue
        make = [*_before_run(engine), "import", str(archive), IMAGE]
        test = [*_with_run(engine), "--rm", IMAGE, "/bin/busybox", "true"]
        if all(subprocess.run(each, capture_output=True).returncode == 0 for each in (make, test)):
            return engine
    return None


def _with_run(engine: str) -> list[str]:
    words = shlex.split(engine)
    return words if "run" in words else [*words, "run"]


def _before_run(engine: str) -> list[str]:
    words = _with_run(engine)
    return words[: words.index("run")]
