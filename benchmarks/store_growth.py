# SPDX-License-Identifier: Apache-2.0
"""What the metadata store costs a run, by how much it holds already.

    python -m benchmarks.store_growth [--folder FOLDER] [--sizes 10 10000 100000]

Fills SQLite stores with finished runs of ten nodes, then measures the steps of one more run
in a fresh process. Every step should cost the same in a full store as in an empty one.
Times are medians in milliseconds; they are mostly the disk's, so the folder matters.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.components.base.artifact_types import Examples, ModelBlessing
from penstock.orchestration.metadata.contexts import reached_key
from penstock.orchestration.metadata.library import library
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.series import series_prefix
from penstock.orchestration.metadata.store import MetadataStore

PIPELINE = "bench"
NODES = 10
RUNS = 12
PROCESSES = 5
FAR = 10**9

T = TypeVar("T")


def node(run_id: str, number: int) -> NodeKey:
    """One of the nodes that every run has."""
    return NodeKey(PIPELINE, run_id, f"n{number}", "penstock.bench.Copy")


def example(run_id: str) -> Examples:
    """An artifact to publish."""
    return Examples(f"/bench/{run_id}", custom_properties={"content_digest": "d" * 64})


def one_node(
    store: MetadataStore, key: NodeKey, inputs: list[Examples], cache_key: str
) -> Examples:
    """A complete execution; returns its output."""
    execution_id = store.register_execution(key, {"examples": inputs}, {"rate": 0.5})
    made = example(key.run_id)
    store.publish_execution(key, execution_id, {"examples": [made]}, cache_key=cache_key)
    return made


def one_run(store: MetadataStore, run_id: str) -> None:
    """A finished run: a chain of nodes, each with one artifact and a cache entry."""
    store.begin_run(PIPELINE, run_id, properties={"root": "/bench"})
    before: list[Examples] = []
    for number in range(1, NODES + 1):
        before = [one_node(store, node(run_id, number), before, f"key-{run_id}-{number}")]
    store.end_run(run_id, RunState.COMPLETE)


def fill(path: str, executions: int) -> None:
    """Makes a store with one run recorded by Penstock, and copies of it made with SQL."""
    with MetadataStore(path) as store:
        one_run(store, "template")
        # A blessing that does not bless: the look-up of blessed models has to pass it over.
        key = node("template", 1)
        execution_id = store.register_execution(key, {}, {})
        store.publish_execution(key, execution_id, {"blessing": [ModelBlessing("/bench/b")]})
    copies = executions // NODES - 1
    database = sqlite3.connect(path)
    with database:
        _copy_runs(database, copies)
    database.close()


def _copy_runs(database: sqlite3.Connection, copies: int) -> None:
    contexts = database.execute("SELECT max(id) FROM Context").fetchone()[0]
    ours = f"id <= {NODES}"
    new_context = f"id + n * {contexts}"
    mine = "c.id IN (SELECT id FROM copied)"
    database.execute(
        "CREATE TEMP TABLE copied AS SELECT c.id FROM Context c JOIN Type t ON t.id = c.type_id "
        "WHERE t.name IN ('pipeline_run', 'execution_cache')"
    )
    database.execute(
        "CREATE TEMP TABLE k AS WITH RECURSIVE k(n) AS "
        f"(SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {copies}) SELECT n FROM k"
    )
    renamed = "replace({}, 'template', 'run-' || n)"
    times = "create_time_since_epoch, last_update_time_since_epoch"
    shift = f"+ n * {NODES}"
    values = "int_value, double_value, {}, byte_value, proto_value, bool_value"
    statements = [
        f"INSERT INTO Execution SELECT id {shift}, type_id, last_known_state, "
        f"{renamed.format('name')}, {renamed.format('external_id')}, {times} "
        f"FROM Execution, k WHERE {ours}",
        f"INSERT INTO ExecutionProperty SELECT execution_id {shift}, name, is_custom_property, "
        f"{values.format(renamed.format('string_value'))} FROM ExecutionProperty, k "
        f"WHERE execution_id <= {NODES}",
        f"INSERT INTO Artifact SELECT id {shift}, type_id, {renamed.format('uri')}, state, name, "
        f"'{PIPELINE}/Examples#' || (id {shift}), {times} FROM Artifact, k WHERE {ours}",
        f"INSERT INTO ArtifactProperty SELECT artifact_id {shift}, name, is_custom_property, "
        f"{values.format('string_value')} FROM ArtifactProperty, k WHERE artifact_id <= {NODES}",
        f"INSERT INTO Context SELECT {new_context}, type_id, {renamed.format('name')}, "
        f"CASE WHEN external_id IS NULL THEN NULL ELSE '{PIPELINE}#' || (n + 1) END, {times} "
        f"FROM Context c, k WHERE {mine}",
        f"INSERT INTO ContextProperty SELECT context_id + n * {contexts}, name, "
        f"is_custom_property, CASE WHEN name = 'execution_id' THEN int_value {shift} "
        "ELSE int_value END, double_value, string_value, byte_value, proto_value, bool_value "
        "FROM ContextProperty, k WHERE context_id IN (SELECT id FROM copied)",
        f"INSERT INTO ParentContext SELECT context_id + n * {contexts}, parent_context_id "
        "FROM ParentContext, k",
    ]
    events = database.execute("SELECT max(id) FROM Event").fetchone()[0]
    statements += [
        f"INSERT INTO Event SELECT id + n * {events}, artifact_id {shift}, execution_id {shift}, "
        f"type, milliseconds_since_epoch FROM Event, k WHERE execution_id <= {NODES}",
        f"INSERT INTO EventPath SELECT event_id + n * {events}, is_index_step, step_index, "
        f"step_key FROM EventPath, k WHERE event_id IN "
        f"(SELECT id FROM Event WHERE execution_id <= {NODES})",
    ]
    for table, column in (("Association", "execution_id"), ("Attribution", "artifact_id")):
        rows = database.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
        statements.append(
            f"INSERT INTO {table} SELECT id + n * {rows}, CASE WHEN context_id IN "
            f"(SELECT id FROM copied) THEN context_id + n * {contexts} ELSE context_id END, "
            f"{column} {shift} FROM {table}, k WHERE {column} <= {NODES}"
        )
    # Rows of the template that lie beyond its nodes would be in the way of the copies.
    keys = {"Execution": ["id"], "ExecutionProperty": ["execution_id"],
            "Artifact": ["id"], "ArtifactProperty": ["artifact_id"],
            "Event": ["execution_id", "artifact_id"],
            "Association": ["execution_id"], "Attribution": ["artifact_id"]}  # fmt: skip
    for table, columns in keys.items():
        for key in columns:
            database.execute(f"UPDATE {table} SET {key} = {key} + {FAR} WHERE {key} > {NODES}")
    for statement in statements:
        database.execute(statement)
    # What the end of the last run would have noted.
    numbers = {series_prefix(PIPELINE): copies + 1,
               series_prefix(PIPELINE, "Examples"): (copies + 1) * NODES}  # fmt: skip
    for prefix, number in numbers.items():
        database.execute(
            "UPDATE ContextProperty SET int_value = ? WHERE name = ?",
            (number, reached_key(prefix)),
        )


class Stopwatch:
    """Calls things and keeps how long they took, in milliseconds, by name."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def __call__(self, name: str, call: Callable[..., T], *given: Any, **options: Any) -> T:
        """What the call returns."""
        start = time.perf_counter()
        result = call(*given, **options)
        self.times.setdefault(name, []).append((time.perf_counter() - start) * 1000)
        return result


def measure(path: str, answer: Any) -> None:
    """Times the steps of some runs in a fresh process, and sends them."""
    timed = Stopwatch()
    timed("import ML Metadata", library)
    store = timed("open the store", MetadataStore, path)
    first = f"first-{os.getpid()}"
    timed("begin the first run of a process", store.begin_run, PIPELINE, first)
    timed("first node of a process", one_node, store, node(first, 1), [], "first")
    for number in range(RUNS):
        _measure_run(store, f"{first}-{number}", timed)
    timed("list 20 runs", store.list_runs, PIPELINE)
    store.close()
    answer.send(timed.times)


def _measure_run(store: MetadataStore, run_id: str, timed: Stopwatch) -> None:
    timed("begin a run", store.begin_run, PIPELINE, run_id)
    timed("find open runs", store.open_runs, PIPELINE)
    execution_id = 0
    for index in range(1, 4):
        key, cache_key = node(run_id, index), f"{run_id}-{index}"
        timed("look a key up: miss", store.lookup_cache, cache_key)
        execution_id = timed("register", store.register_execution, key, {}, {"rate": 0.5})
        outputs = {"examples": [example(run_id)]}
        timed("publish", store.publish_execution, key, execution_id, outputs, cache_key=cache_key)
    found = timed("look a key up: hit", store.lookup_cache, "key-template-4")
    assert found is not None
    timed("publish from cache", store.publish_cached, node(run_id, 4), {}, found.outputs)
    timed("execution of a node of the run", store.node_execution, run_id, "n1")
    timed("last execution of a node", store.last_execution, PIPELINE, "n1")
    timed("outputs of an execution", store.outputs_of, execution_id)
    timed("newest artifact of a type", store.latest_artifacts, "Examples", pipeline=PIPELINE)
    timed("newest blessed model", store.latest_blessed_model, PIPELINE)
    timed("end a run", store.end_run, run_id, RunState.COMPLETE)


def measured(folder: str, executions: int) -> dict[str, float]:
    """Median times by step, in milliseconds, in a store that holds so many executions."""
    path = os.path.join(folder, f"store-{executions}.sqlite")
    fill(path, executions)
    spawn = multiprocessing.get_context("spawn")
    times: dict[str, list[float]] = {}
    for _ in range(PROCESSES):
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=measure, args=(path, sender))
        process.start()
        for name, taken in receiver.recv().items():
            times.setdefault(name, []).extend(taken)
        process.join()
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 10_000, 100_000])
    parser.add_argument("--folder", help="where to make the stores (default: a temporary one)")
    parser.add_argument("--json", help="also write the times to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = {size: measured(folder, size) for size in given.sizes}
    first = given.sizes[0]
    print(f"{'ms, by executions in the store':36}" + "".join(f"{s:>10}" for s in given.sizes)
          + f"{'ratio':>8}")  # fmt: skip
    for name in found[first]:
        row = [found[size][name] for size in given.sizes]
        print(f"{name:36}" + "".join(f"{t:10.2f}" for t in row) + f"{row[-1] / row[0]:8.2f}")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
