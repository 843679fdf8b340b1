# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.pipelines import (
    Text,
    conditional,
    contained,
    diamond,
    extend,
    nested,
    pass_on,
    read,
    start,
    unreliable,
)

from penstock import (
    CsvExampleGen,
    ExternalArtifact,
    FunctionExampleGen,
    Importer,
    LatestArtifactStrategy,
    LocalRunner,
    MetadataStore,
    Output,
    Pipeline,
    Resolver,
    RunResult,
    Selection,
    component,
)
from penstock.components.base.channel import Channel
from penstock.orchestration.launch.outcome import NodeOutcome, NodeState, RunObserver
from penstock.orchestration.metadata.records import ExecutionState, RunState
from penstock.utils.errors import (
    Cancelled,
    CodeError,
    DataError,
    ExecutionError,
    GraphError,
    MetadataError,
    NodeTimeout,
    ParameterError,
    StorageError,
    UserCodeError,
)


def run(pipeline: Pipeline, **options: object) -> RunResult:
    """Runs with the default settings."""
    return LocalRunner().run(pipeline, **options)  # type: ignore[arg-type]


def states(result: RunResult) -> dict[str, str]:
    """State of each node."""
    return {node_id: found.state.value for node_id, found in result.outcomes.items()}


def text_of(result: RunResult, node_id: str, output: str = "longer") -> str:
    """What a node wrote."""
    return read(result.outcomes[node_id].outputs[output][0])


def test_nodes_run_in_order_and_pass_artifacts_on(tmp_path: Path) -> None:
    """Without it, nothing works."""
    result = run(diamond(tmp_path)).raise_for_failure()
    assert text_of(result, "join", "joined") == "ab-lab-r"


def test_a_second_run_reuses_everything(tmp_path: Path) -> None:
    """Without it, unchanged work would be done again."""
    first = run(diamond(tmp_path))
    second = run(diamond(tmp_path))
    assert set(states(second).values()) == {"cached"}
    assert (
        second.outcomes["join"].outputs["joined"][0].id
        == first.outcomes["join"].outputs["joined"][0].id
    )
    assert "nothing changed since run" in second.outcomes["join"].reason


def test_a_changed_parameter_runs_what_depends_on_it(tmp_path: Path) -> None:
    """Without it, stale results would be used."""
    run(diamond(tmp_path))
    changed = diamond(tmp_path)
    changed.override({"left.suffix": "-L"})
    result = run(changed)
    assert states(result) == {
        "start": "cached",
        "left": "complete",
        "right": "cached",
        "join": "complete",
    }
    assert result.outcomes["left"].reason == "parameter suffix changed"
    assert result.outcomes["join"].reason == "input left changed (left.longer)"


def test_identical_output_stops_the_change(tmp_path: Path) -> None:
    """Without it, a node that writes the same bytes would make all that follows run again."""
    run(diamond(tmp_path))
    changed = diamond(tmp_path)
    changed.find("left").with_policy(cache="off")
    assert states(run(changed)) == {
        "start": "cached",
        "left": "complete",
        "right": "cached",
        "join": "cached",
    }


def test_the_cache_policy_of_a_run_overrides_the_nodes(tmp_path: Path) -> None:
    """Without it, `--no-cache` would have no effect."""
    run(diamond(tmp_path))
    assert set(states(run(diamond(tmp_path), cache="off")).values()) == {"complete"}
    assert set(states(run(diamond(tmp_path), cache="read_only")).values()) == {"cached"}


def test_a_read_only_cache_keeps_nothing(tmp_path: Path) -> None:
    """Without it, experiments would fill the cache."""
    run(diamond(tmp_path), cache="read_only")
    assert set(states(run(diamond(tmp_path))).values()) == {"complete"}


def test_a_deleted_payload_is_made_again(tmp_path: Path) -> None:
    """Without it, a cache hit would hand out files that are gone."""
    first = run(diamond(tmp_path))
    gone = first.outcomes["left"].outputs["longer"][0].uri
    os.remove(os.path.join(gone, "text"))
    os.rmdir(gone)
    result = run(diamond(tmp_path))
    assert states(result)["left"] == "complete"
    assert gone in result.outcomes["left"].reason


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("long", {"extend": "complete", "needs": "complete", "join": "complete"}),
        ("x", {"extend": "skipped", "needs": "skipped", "join": "complete"}),
    ],
)
def test_conditions_skip_nodes(tmp_path: Path, word: str, expected: dict[str, str]) -> None:
    """Without it, a gate would let everything pass, or stop what does not depend on it."""
    result = run(conditional(tmp_path), parameters={"word": word}).raise_for_failure()
    assert {name: states(result)[name] for name in expected} == expected
    assert text_of(result, "join", "joined") == (word + word + "!" if len(word) > 2 else "x(none)")


def test_runtime_parameters_are_checked(tmp_path: Path) -> None:
    """Without it, a misspelt parameter would silently leave the default."""
    with pytest.raises(ParameterError, match="no runtime parameter 'wrod'") as caught:
        run(conditional(tmp_path), parameters={"wrod": "x"})
    assert caught.value.suggestion == "word"


def test_pipelines_nest(tmp_path: Path) -> None:
    """Without it, pipelines could not be built from pipelines."""
    result = run(nested(tmp_path)).raise_for_failure()
    assert list(states(result)) == ["start", "inner.one", "inner.two", "end"]
    assert text_of(result, "end") == "n123"


def test_retries_go_on_until_it_works(tmp_path: Path) -> None:
    """Without it, a passing fault would end the run."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", attempts=3, retries=2)
    result = run(pipeline).raise_for_failure()
    assert result.outcomes["fail_until"].attempts == 3
    with MetadataStore(result.metadata) as store:
        recorded = [
            found.state
            for found in store.run_executions(result.run.id)
            if found.node_id == "fail_until"
        ]
    assert sorted(state.value for state in recorded) == ["complete", "failed", "failed"]


def test_what_fails_again_for_sure_is_not_retried(tmp_path: Path) -> None:
    """Without it, a module that cannot be imported is tried with longer and longer delays."""
    module = tmp_path / "reading.py"
    module.write_text("import not_there_at_all\n\n\ndef read_records():\n    return []\n")
    node = FunctionExampleGen(module_file=str(module)).with_policy(retries=2)
    result = run(Pipeline("lasting", str(tmp_path / "root"), [node]))
    outcome = result.outcomes["FunctionExampleGen"]
    assert isinstance(outcome.error, CodeError)
    assert outcome.attempts == 1


def test_a_failure_names_the_users_code_and_spares_the_rest(tmp_path: Path) -> None:
    """Without it, one failure would stop everything, or hide its cause."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", attempts=9, retries=0)
    result = run(pipeline)
    assert states(result) == {
        "start": "complete",
        "fail_until": "failed",
        "join": "cancelled",
        "aside": "complete",
    }
    error = result.outcomes["fail_until"].error
    assert isinstance(error, UserCodeError)
    assert "ValueError: attempt 1 fails" in str(error)
    assert "pipelines.py" in error.frames[-1]
    assert "Traceback" in Path(result.outcomes["fail_until"].log_path).read_text(encoding="utf-8")
    assert not (tmp_path / "root" / "fail_until" / "text").exists() or not any(
        (tmp_path / "root" / "fail_until" / "text").iterdir()
    )
    with pytest.raises(UserCodeError, match="attempt 1 fails"):
        result.raise_for_failure()


def test_a_failed_run_is_resumed(tmp_path: Path) -> None:
    """Without it, all the work before a failure would be lost."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", attempts=2, retries=0)
    failed = run(pipeline)
    resumed = run(pipeline, resume=failed.run.id).raise_for_failure()
    assert resumed.run.id == failed.run.id
    assert states(resumed) == {
        "start": "cached",
        "fail_until": "complete",
        "join": "complete",
        "aside": "cached",
    }
    with MetadataStore(resumed.metadata) as store:
        assert store.get_run(failed.run.id).state is RunState.COMPLETE


def test_a_resumed_run_keeps_what_it_did_without_the_cache(tmp_path: Path) -> None:
    """Without it, resuming a run that uses no cache would begin at the beginning."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", attempts=2, retries=0)
    failed = run(pipeline, cache="off")
    resumed = run(pipeline, resume=failed.run.id, cache="off").raise_for_failure()
    assert states(resumed)["start"] == "cached"
    assert states(resumed)["fail_until"] == "complete"


def test_a_root_of_another_store_is_not_touched(tmp_path: Path) -> None:
    """Without it, a lost store would make new runs write into, or delete, old results."""
    first = run(diamond(tmp_path / "root"))
    kept = first.outcomes["start"].outputs["text"][0]
    other = LocalRunner(metadata=str(tmp_path / "other.sqlite"))
    with pytest.raises(StorageError, match="which the metadata store does not know"):
        other.run(diamond(tmp_path / "root"))
    assert read(kept) == "ab"


def test_resuming_an_unknown_run_names_the_nearest(tmp_path: Path) -> None:
    """Without it, a misspelt run id would start a new run."""
    known = run(diamond(tmp_path)).run.id
    with pytest.raises(MetadataError) as caught:
        run(diamond(tmp_path), resume=known[:-1] + "x")
    assert caught.value.suggestion == known


def test_parts_of_a_pipeline_run_on_earlier_results(tmp_path: Path) -> None:
    """Without it, working on one node would mean running all."""
    run(diamond(tmp_path))
    changed = diamond(tmp_path)
    changed.override({"left.suffix": "+"})
    assert states(run(changed, selection=Selection(only=["left"]))) == {"left": "complete"}
    assert states(run(diamond(tmp_path), selection=Selection(from_nodes=["join"]))) == {
        "join": "complete"
    }
    assert list(states(run(diamond(tmp_path), selection=Selection(to_nodes=["left"])))) == [
        "start",
        "left",
    ]


def test_a_part_without_earlier_results_is_refused(tmp_path: Path) -> None:
    """Without it, a node would run on nothing."""
    with pytest.raises(DataError, match="start is left out, but has never succeeded"):
        run(diamond(tmp_path), selection=Selection(from_nodes=["left"]))


def test_a_part_without_nodes_is_refused(tmp_path: Path) -> None:
    """Without it, a run of nothing would be recorded as a success."""
    with pytest.raises(GraphError, match="no node is left to run") as caught:
        run(diamond(tmp_path), selection=Selection(from_nodes=["join"], to_nodes=["left"]))
    assert "come after join" in str(caught.value)
    assert "none of them comes before left" in str(caught.value)


def test_a_container_engine_that_does_not_answer_is_told_from_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, people look for the fault in their container, below a traceback of ours."""
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\necho no daemon >&2\nexit 125\n", encoding="utf-8")
    engine.chmod(0o755)
    monkeypatch.setenv("PENSTOCK_CONTAINER_ENGINE", str(engine))
    outcome = run(contained(tmp_path / "root", "some-image")).outcomes["inside"]
    assert "engine could not start the container" in str(outcome.error)
    log = Path(outcome.log_path).read_text(encoding="utf-8")
    assert "no daemon\n" in log
    assert "Traceback" not in log


def test_what_changed_among_the_files_read_is_told_apart(tmp_path: Path) -> None:
    """Without it, a new file and one that is gone are both said to have changed."""
    data = tmp_path / "data"
    data.mkdir()

    def said(**files: str) -> str:
        for path in data.iterdir():
            path.unlink()
        for name, text in files.items():
            (data / f"{name}.csv").write_text(f"a\n{text}\n", encoding="utf-8")
        node = CsvExampleGen(str(data))
        ran = run(Pipeline("files", str(tmp_path / "root"), [node]))
        return ran.raise_for_failure().outcomes["CsvExampleGen"].reason

    said(a="1", b="1")
    reason = said(b="2", c="1", d="1")
    assert f"file {data}/a.csv is no longer read" in reason
    assert f"file {data}/b.csv changed" in reason
    assert f"2 files are new ({data}/c.csv, …)" in reason


def test_an_importer_notices_changed_content(tmp_path: Path) -> None:
    """Without it, a changed file outside the pipeline would go unnoticed."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "text").write_text("one", encoding="utf-8")

    def build() -> Pipeline:
        imported = Importer(str(source), Text)
        longer = extend(text=imported.outputs["result"], suffix="!")
        return Pipeline("importing", str(tmp_path / "root"), [imported, longer])

    first, second = run(build()), run(build())
    assert states(second)["extend"] == "cached"
    assert (
        first.outcomes["Importer"].outputs["result"][0].id
        == second.outcomes["Importer"].outputs["result"][0].id
    )
    (source / "text").write_text("two", encoding="utf-8")
    assert text_of(run(build()), "extend") == "two!"


def test_an_importer_of_nothing_is_an_error_at_the_node(tmp_path: Path) -> None:
    """Without it, a wrong path would surface in a later node."""
    pipeline = Pipeline(
        "importing", str(tmp_path), [Importer(str(tmp_path / "nowhere"), ExternalArtifact)]
    )
    error = run(pipeline).outcomes["Importer"].error
    assert error is not None
    assert error.node == "Importer"
    assert "there is nothing to import" in str(error)


def test_a_resolver_finds_what_an_earlier_run_made(tmp_path: Path) -> None:
    """Without it, runs could not build on each other."""
    run(Pipeline("resolving", str(tmp_path), [start(word="old")]))
    latest = Resolver(strategy=LatestArtifactStrategy, text=Channel(Text))
    longer = extend(text=latest.outputs["text"], suffix="!")
    result = run(Pipeline("resolving", str(tmp_path), [latest, longer])).raise_for_failure()
    assert text_of(result, "extend") == "old!"


@component
def sleep(seconds: float, text: Output[Text]) -> None:
    """Sleeps."""
    import time

    time.sleep(seconds)


def test_a_node_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """Without it, a hanging node would hold a run up for ever."""
    pipeline = Pipeline("slow", str(tmp_path), [sleep(seconds=60.0).with_policy(timeout_s=0.5)])
    error = run(pipeline).outcomes["sleep"].error
    assert isinstance(error, NodeTimeout)


def test_independent_nodes_run_side_by_side(tmp_path: Path) -> None:
    """Without it, a wide pipeline would be as slow as a long one."""
    running: set[str] = set()
    together: list[int] = []
    lock = threading.Lock()

    class Watch(RunObserver):
        def node_started(self, node_id: str, reason: str, attempt: int) -> None:
            with lock:
                running.add(node_id)
                together.append(len(running))

        def node_ended(self, outcome: NodeOutcome) -> None:
            with lock:
                running.discard(outcome.node_id)

    nodes = [sleep(seconds=1.0).with_id(f"s{number}") for number in range(4)]
    result = LocalRunner(observer=Watch()).run(Pipeline("wide", str(tmp_path), nodes))
    assert result.succeeded
    assert max(together) >= 2


def test_stopping_a_run_ends_its_workers_and_records_it(tmp_path: Path) -> None:
    """Without it, Ctrl-C would leave processes behind and a run that seems to go on."""

    class Stop(RunObserver):
        def node_started(self, node_id: str, reason: str, attempt: int) -> None:
            threading.Timer(0.5, os.kill, (os.getpid(), 2)).start()

    pipeline = Pipeline("stopped", str(tmp_path), [sleep(seconds=60.0)])
    with pytest.raises(Cancelled, match="was stopped"):
        LocalRunner(observer=Stop()).run(pipeline, run_id="r1")
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        assert store.get_run("r1").state is RunState.CANCELED
        assert [e.state for e in store.run_executions("r1")] == [ExecutionState.CANCELED]


def test_returned_values_must_be_those_declared(tmp_path: Path) -> None:
    """Without it, a misspelt key would be lost."""
    error = run(Pipeline("p", str(tmp_path), [returns_wrong()])).outcomes["returns_wrong"].error
    assert isinstance(error, ExecutionError)
    assert "did not return what it declares" in str(error)


@component
def returns_wrong(text: Output[Text]) -> None:
    """Returns what it does not declare."""
    return {"los": 1}  # type: ignore[return-value]


def test_an_unwritable_root_is_one_clear_error(tmp_path: Path) -> None:
    """Without it, a wrong root would show a traceback."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Exception, match="file") as caught:
        run(diamond(tmp_path / "file" / "root"))
    assert type(caught.value).__name__ in ("StorageError", "MetadataError")


def test_the_number_of_nodes_does_not_matter_to_the_outcome(tmp_path: Path) -> None:
    """Without it, a fan-out could lose nodes."""
    nodes = [pass_on(number=n).with_id(f"n{n}") for n in range(30)]
    result = run(Pipeline("fan", str(tmp_path), nodes)).raise_for_failure()
    assert [found.state for found in result.outcomes.values()] == [NodeState.COMPLETE] * 30
