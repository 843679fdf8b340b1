# SPDX-License-Identifier: Apache-2.0
"""The watcher: what makes it run a pipeline, what it remembers, and that it is alone."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.pipelines import Text, diamond, start, unreliable

from penstock import (
    CsvExampleGen,
    InputConfig,
    InputSplit,
    LocalRunner,
    MetadataStore,
    Output,
    Pipeline,
    RuntimeParameter,
    SqlExampleGen,
    component,
)
from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import ExampleAnomalies, ModelBlessing
from penstock.orchestration.launch.run import describe_run
from penstock.orchestration.metadata.owner import ProcessOwner
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.watch_records import WatchRecords
from penstock.orchestration.runners.run_result import RunResult
from penstock.orchestration.runners.watch.alarm_trigger import Alarms
from penstock.orchestration.runners.watch.span_trigger import NewSpans
from penstock.orchestration.runners.watch.triggers import Cron, Due, Every, Quiet, read_duration
from penstock.orchestration.runners.watch.watcher import Step, Watcher
from penstock.utils.errors import DataError, GateError, GraphError, MetadataError, ParameterError

#: 2026-03-02, 12:00 UTC.
NOON = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.timezone.utc).timestamp()


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    """Stands at noon."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetadataStore]:
    """The store that everything is recorded in."""
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as opened:
        yield opened


@pytest.fixture
def watching(store: MetadataStore, clock: Clock, tmp_path: Path) -> Callable[..., Watcher]:
    """Makes a watcher of a pipeline; what it says is in its attribute `lines`."""

    def make(pipeline: Pipeline, *triggers: Any, **options: Any) -> Watcher:
        lines: list[str] = []

        def run() -> RunResult:
            return LocalRunner(metadata=store.setting).run(pipeline)

        made = Watcher(
            pipeline.name, store, triggers, options.pop("start", run), say=lines.append,
            now=clock, **options,
        )  # fmt: skip
        made.lines = lines  # type: ignore[attr-defined]
        return made

    return make


def lines(watcher: Watcher) -> list[str]:
    """What a watcher has said."""
    found: list[str] = watcher.lines  # type: ignore[attr-defined]
    return found


@component
def refuse(word: str, text: Output[Text]) -> None:
    """Is a gate that does not open."""
    raise GateError(f"{word} is not good enough")


def test_durations_are_read_as_people_write_them() -> None:
    """Fails if `1h 30m` is misread, or nonsense is taken for a time."""
    assert [read_duration(t) for t in ("90s", "15m", "1h 30m", "1d", "250ms", "5")] == [
        90, 900, 5400, 86400, 0.25, 5,
    ]  # fmt: skip
    for wrong in ("", "soon", "1x", "-5", "0", "1h soon", "inf", "nan"):
        with pytest.raises(ParameterError, match="is no duration"):
            read_duration(wrong)


def test_intervals_that_were_missed_are_made_up_for_once(
    watching: Callable[..., Watcher], tmp_path: Path, clock: Clock
) -> None:
    """Fails if a watcher that was down runs many times, drifts, or forgets when it is due."""
    pipeline = Pipeline("p", str(tmp_path / "root"), [start(word="w")])
    assert watching(pipeline, Every(3600)).once() is Step.RAN
    clock.time += 3599
    assert watching(pipeline, Every(3600)).once() is Step.QUIET
    clock.time += 5 * 3600 + 60
    assert watching(pipeline, Every(3600)).once() is Step.RAN
    again = watching(pipeline, Every(3600))
    assert again.once() is Step.QUIET
    # The rhythm is that of the first run, not of when the watcher came back.
    assert lines(again) == ["waits for the next interval, at " + _local(NOON + 7 * 3600)]
    # Another interval is another matter: the first of them begins at once.
    assert watching(pipeline, Every(7200)).once() is Step.RAN


def _local(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def test_cron_makes_up_for_missed_moments_once(
    watching: Callable[..., Watcher], tmp_path: Path, clock: Clock
) -> None:
    """Fails if missed slots are lost, or each is run; or a new expression waits for the old."""
    pipeline = Pipeline("p", str(tmp_path / "root"), [start(word="w")])
    assert watching(pipeline, Cron("0 6 * * *")).once() is Step.QUIET
    clock.time += 17 * 3600
    assert watching(pipeline, Cron("0 6 * * *")).once() is Step.QUIET
    clock.time += 3 * 86400 + 3600
    late = watching(pipeline, Cron("0 6 * * *"))
    assert late.once() is Step.RAN
    assert "by '0 6 * * *', 72h 00m late" in lines(late)[0]
    assert watching(pipeline, Cron("0 6 * * *")).once() is Step.QUIET
    assert watching(pipeline, Cron("@hourly")).once() is Step.QUIET
    clock.time += 3600
    assert watching(pipeline, Cron("@hourly")).once() is Step.RAN


def test_cron_knows_time_zones_and_refuses_nonsense() -> None:
    """Fails if six o'clock is meant in another zone than was said, or a typo never runs."""
    berlin = Cron("0 6 * * *", "Europe/Berlin").following(NOON)
    assert datetime.datetime.fromtimestamp(berlin, datetime.timezone.utc).hour == 5
    summer = datetime.datetime(2026, 7, 1, tzinfo=datetime.timezone.utc).timestamp()
    later = Cron("0 6 * * *", "Europe/Berlin").following(summer)
    assert datetime.datetime.fromtimestamp(later, datetime.timezone.utc).hour == 4
    with pytest.raises(ParameterError, match="no cron expression"):
        Cron("0 25 * * *")
    with pytest.raises(ParameterError, match="no time zone"):
        Cron("@daily", "Europe/Berln")
    with pytest.raises(ParameterError, match="longer than nothing"):
        Every(0)


def spans_of(folder: Path, pattern: str = "span-{SPAN}/v{VERSION}/*.csv") -> Pipeline:
    """A pipeline that reads the latest span."""
    reader = CsvExampleGen(
        input_base=str(folder),
        input_config=InputConfig(splits=[InputSplit(name="all", pattern=pattern)]),
    )
    return Pipeline("spans", str(folder.parent / "root"), [reader])


def put(folder: Path, span: int, version: int = 0, text: str = "a,b\n1,2\n3,4\n") -> None:
    """Writes one version of a span."""
    place = folder / f"span-{span}" / f"v{version}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "data.csv").write_text(text)


def test_new_spans_and_versions_run_it(
    watching: Callable[..., Watcher], tmp_path: Path, clock: Clock
) -> None:
    """Fails if new data is missed or read twice, also by a watcher that was started again."""
    folder = tmp_path / "data"
    folder.mkdir()
    pipeline = spans_of(folder)
    ir = pipeline.compile()

    def look() -> tuple[Step, str]:
        watcher = watching(pipeline, NewSpans(ir, describe_run(ir)))
        return watcher.once(), lines(watcher)[0]

    step, said = look()
    assert step is Step.QUIET and "waits for data of CsvExampleGen: no file fits" in said
    put(folder, 1)
    assert look() == (Step.RAN, "runs: CsvExampleGen: span 1 is new")
    assert look()[0] is Step.QUIET
    put(folder, 2)
    assert look() == (Step.RAN, "runs: CsvExampleGen: span 2 is new")
    put(folder, 2, version=1)
    assert look() == (Step.RAN, "runs: CsvExampleGen: span 2 (version 1) is new")
    put(folder, 1, text="a,b\n5,6\n7,8\n")
    assert look()[0] is Step.QUIET, "an older span is not read, and so is no reason"
    put(folder, 2, version=1, text="a,b\n5,6\n7,8\n9,10\n")
    assert look() == (Step.RAN, "runs: CsvExampleGen: files of span 2 changed")
    assert look()[0] is Step.QUIET


def test_files_that_may_not_be_whole_are_waited_for(tmp_path: Path, clock: Clock) -> None:
    """Fails if half a file is read as a span."""
    folder = tmp_path / "data"
    put(folder, 1)
    ir = spans_of(folder).compile()
    trigger = NewSpans(ir, describe_run(ir), settled_s=60)
    file = folder / "span-1" / "v0" / "data.csv"
    os.utime(file, (NOON - 10, NOON - 10))
    waiting = trigger.check(None, NOON)
    assert isinstance(waiting, Quiet) and "to be whole" in waiting.waits_for
    assert waiting.next_look == NOON + 60
    assert isinstance(trigger.check(None, NOON + 55), Due)


def test_patterns_without_spans_and_with_parameters(tmp_path: Path) -> None:
    """Fails if files without spans never run it, or a runtime parameter in a path is unknown."""
    (tmp_path / "eu").mkdir()
    (tmp_path / "eu" / "a.csv").write_text("a\n1\n")
    place = RuntimeParameter("place", str)
    reader = CsvExampleGen(input_base=str(tmp_path) + "/" + place)
    ir = Pipeline("files", str(tmp_path / "root"), [reader]).compile()
    trigger = NewSpans(ir, describe_run(ir, parameters={"place": "eu"}), ["CsvExampleGen"])
    first = trigger.check(None, NOON)
    assert isinstance(first, Due) and first.reason == "CsvExampleGen: 1 file there"
    assert isinstance(trigger.check(first.state, NOON), Quiet)
    (tmp_path / "eu" / "b.csv").write_text("a\n2\n")
    second = trigger.check(first.state, NOON)
    assert isinstance(second, Due) and second.reason == "CsvExampleGen: 2 files changed"
    with pytest.raises(GraphError, match=r"did you mean: +CsvExampleGen"):
        NewSpans(ir, describe_run(ir, parameters={"place": "eu"}), ["CsvExampleGn"])
    without = diamond(tmp_path / "root").compile()
    with pytest.raises(GraphError, match="reads data from outside"):
        NewSpans(without, describe_run(without))


def test_a_database_that_tells_nothing_is_not_asked_for_ever(tmp_path: Path) -> None:
    """Fails if a query without `version_query` runs the pipeline at every look."""
    (tmp_path / "d.sqlite").touch()
    ir = Pipeline(
        "sql", str(tmp_path), [SqlExampleGen(connection="duckdb:///:memory:", query="select 1")]
    ).compile()
    trigger = NewSpans(ir, describe_run(ir))
    with pytest.raises(DataError, match=r"does not tell(?s:.*)version_query"):
        trigger.check(None, NOON)


def record_anomalies(store: MetadataStore, pipeline: str, run_id: str, **custom: Any) -> None:
    """What a validator of another pipeline records."""
    made = ExampleAnomalies(f"/{run_id}", custom_properties=custom)
    record(store, pipeline, run_id, {"anomalies": [made]})


def record(
    store: MetadataStore, pipeline: str, run_id: str, made: dict[str, list[Artifact]]
) -> None:
    """What a run of another pipeline leaves in the store."""
    store.begin_run(pipeline, run_id)
    node = NodeKey(pipeline, run_id, "ExampleValidator", "test.Validator")
    found = store.register_execution(node, {}, {})
    store.publish_execution(node, found, made)
    store.end_run(run_id, RunState.COMPLETE)


def test_alarms_of_another_pipeline_run_it(
    watching: Callable[..., Watcher], store: MetadataStore, tmp_path: Path
) -> None:
    """Fails if drift is not noticed, old alarms or good data count, or one alarm runs it twice."""
    pipeline = Pipeline("retrain", str(tmp_path / "root"), [start(word="w")])
    record_anomalies(store, "monitoring", "old", blessed='{"train": 0}')

    def look() -> Step:
        return watching(pipeline, Alarms(store, ["monitoring"], own="retrain")).once()

    assert look() is Step.QUIET
    record_anomalies(store, "monitoring", "fine", blessed='{"train": 1, "eval": 2}')
    assert look() is Step.QUIET
    record_anomalies(store, "elsewhere", "x", blessed='{"train": 0}')
    assert look() is Step.QUIET
    record_anomalies(store, "monitoring", "drift", blessed='{"train": 1, "eval": 0}')
    assert look() is Step.RAN
    assert look() is Step.QUIET
    # A validator that stops its run keeps no anomalies; that the run was refused is kept.
    stopped = Pipeline("monitoring", str(tmp_path / "monitoring"), [refuse(word="drift")])
    assert not LocalRunner(metadata=store.setting).run(stopped).succeeded
    watcher = watching(pipeline, Alarms(store, ["monitoring"], own="retrain"))
    assert watcher.once() is Step.RAN
    assert "was refused: refuse: drift is not good enough" in lines(watcher)[0]
    assert look() is Step.QUIET


def test_own_alarms_do_not_run_it_for_ever(
    watching: Callable[..., Watcher], store: MetadataStore, tmp_path: Path
) -> None:
    """Fails if a pipeline that finds drift runs itself again and again for it."""
    pipeline = Pipeline("self", str(tmp_path / "root"), [refuse(word="this")])
    assert watching(pipeline, Alarms(store, own="self")).once() is Step.QUIET
    record_anomalies(store, "other", "o", alarm=True)
    assert watching(pipeline, Alarms(store, own="self")).once() is Step.REFUSED
    assert watching(pipeline, Alarms(store, own="self")).once() is Step.QUIET


def test_artifacts_of_any_type_can_run_it(
    watching: Callable[..., Watcher], store: MetadataStore, tmp_path: Path
) -> None:
    """Fails if an artifact type of the user's own cannot be waited for."""
    pipeline = Pipeline("follow", str(tmp_path / "root"), [start(word="w")])
    assert watching(pipeline, Alarms(store, types=["Text"])).once() is Step.QUIET
    LocalRunner(metadata=store.setting).run(diamond(tmp_path / "other"))
    assert watching(pipeline, Alarms(store, types=["Text"])).once() is Step.RAN
    # A blessing is no alarm, but it appears.
    blessings = watching(pipeline, Alarms(store, types=["ModelBlessing"]))
    assert blessings.once() is Step.QUIET
    assert "waits for an artifact of type ModelBlessing" in lines(blessings)[0]
    made = ModelBlessing(str(tmp_path / "blessing"), custom_properties={"blessed": 1})
    record(store, "elsewhere", "b", {"blessing": [made]})
    assert blessings.once() is Step.RAN


def test_misspelt_names_are_noticed(store: MetadataStore, tmp_path: Path) -> None:
    """Fails if a watcher waits for ever, and silently, for what was only misspelt."""
    LocalRunner(metadata=store.setting).run(diamond(tmp_path / "root"))
    known = store.list_runs()[0].pipeline
    assert Alarms(store, [known], types=["Text", "ModelBlessing"]).notes() == []
    notes = Alarms(store, [known + "s"], types=["Modle"]).notes()
    assert [note.partition("; ")[2] for note in notes] == [
        f"did you mean {known!r}?", "did you mean 'Model'?"
    ]  # fmt: skip


def test_failures_are_tried_again_ever_later(
    watching: Callable[..., Watcher], tmp_path: Path, clock: Clock
) -> None:
    """Fails if a failing pipeline runs without pause, or what was due is forgotten."""
    pipeline = unreliable(tmp_path / "root", tmp_path / "marker", attempts=3, retries=0)
    steps = []
    for wait in (0, 59, 1, 119, 1):
        clock.time += wait
        steps.append(watching(pipeline, Every(86400), first_rest_s=60).once())
    assert steps == [Step.FAILED, Step.RESTING, Step.FAILED, Step.RESTING, Step.RAN]
    assert watching(pipeline, Every(86400)).once() is Step.QUIET
    clock.time += 86400
    assert watching(pipeline, Every(86400)).once() is Step.RAN


def test_a_refused_run_waits_for_other_data(
    watching: Callable[..., Watcher], tmp_path: Path
) -> None:
    """Fails if data that a gate refused is offered to it again and again."""
    pipeline = Pipeline("gate", str(tmp_path / "root"), [refuse(word="this")])
    watcher = watching(pipeline, Every(3600))
    assert (watcher.once(), watcher.once()) == (Step.REFUSED, Step.QUIET)
    assert "was refused: refuse: " in lines(watcher)[1]


def test_only_one_watches_and_another_takes_over(
    watching: Callable[..., Watcher], store: MetadataStore, tmp_path: Path, clock: Clock
) -> None:
    """Fails if two watchers run a pipeline at once, or nobody does after one was killed."""
    pipeline = Pipeline("p", str(tmp_path / "root"), [start(word="w")])
    records = WatchRecords(store.config)
    held = records.acquire("p", clock(), 60)
    assert held is not None and records.acquire("p", clock(), 60) is None
    second = watching(pipeline, Every(1))
    assert second.once() is Step.STANDING_BY
    assert lines(second) == [f"process {os.getpid()} on {held.owner.host} watches it already; "
                             "standing by"]  # fmt: skip
    assert records.acquire("other", clock(), 60) is not None
    clock.time += 61
    assert watching(pipeline, Every(1)).once() is Step.RAN
    assert records.renew(held, clock() + 60) is None
    with pytest.raises(MetadataError, match="somebody else watches"):
        records.keep("p", {}, held)
    # A process that is gone holds nothing, however long its lease was.
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = ProcessOwner(held.owner.host, gone.pid, "long ago")
    current = records.current("p")
    assert current is not None
    assert not type(current)("p", 9, dead, "t", clock() + 1e6).held(clock())
    records.close()


def test_a_lease_is_given_to_one_of_many(store: MetadataStore, clock: Clock) -> None:
    """Fails if watchers that start at the same moment both get to work."""
    results: list[Any] = []
    barrier = threading.Barrier(4)

    def take() -> None:
        records = WatchRecords(store.config)
        barrier.wait()
        results.append(records.acquire("p", clock(), 60))
        records.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found is not None for found in results) == 1


def test_a_run_under_way_is_waited_for(
    watching: Callable[..., Watcher], store: MetadataStore, tmp_path: Path
) -> None:
    """Fails if the watcher runs a pipeline that somebody else runs at the moment."""
    pipeline = Pipeline("p", str(tmp_path / "root"), [start(word="w")])
    store.begin_run("p", "by-hand")
    watcher = watching(pipeline, Every(3600))
    assert watcher.once() is Step.BUSY
    assert "run by-hand is still running" in lines(watcher)[-1]
    store.end_run("by-hand", RunState.COMPLETE)
    assert watcher.once() is Step.RAN


def test_watching_goes_on_until_it_is_stopped(
    watching: Callable[..., Watcher], tmp_path: Path, store: MetadataStore
) -> None:
    """Fails if the loop looks only once, spins, or does not end when it is told to."""
    stop = threading.Event()
    pipeline = Pipeline("p", str(tmp_path / "root"), [start(word="w")])
    runs: list[float] = []

    def run() -> RunResult:
        runs.append(time.time())
        if len(runs) == 3:
            stop.set()
        return LocalRunner(metadata=store.setting).run(pipeline)

    watcher = watching(pipeline, Every(0.2), start=run, poll_s=5)
    watcher.now = time.time
    watcher.watch(stop)
    assert len(runs) == 3 and runs[2] - runs[0] > 0.35
    assert lines(watcher)[-1] == "stopped watching"
    records = WatchRecords(store.config)
    assert records.acquire("p", time.time(), 1) is not None, "the lease was given up"
    records.close()
