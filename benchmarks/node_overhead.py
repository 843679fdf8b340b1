# SPDX-License-Identifier: Apache-2.0
"""What a node costs beside its own work: 500 nodes that do nothing, one after the other.

    python -m benchmarks.node_overhead [--nodes 500] [--folder FOLDER]

Compared, in the same run, with what cannot be spared: two writes and three reads of ML
Metadata as it comes, for each node.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from benchmarks.idle_nodes import idle
from penstock import LocalRunner, Pipeline


def chain(root: str, length: int) -> Pipeline:
    """Nodes one after the other that do nothing."""
    nodes = []
    previous = None
    for number in range(length):
        before = previous.outputs["out"] if previous else None
        previous = idle(number=number, after=before).with_id(f"n{number}")
        nodes.append(previous)
    return Pipeline("idle", root, nodes)


def bare_store(folder: str, executions: int) -> float:
    """Seconds for two writes and three reads of ML Metadata for each execution."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = os.path.join(folder, "bare.sqlite")
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = metadata_store.MetadataStore(config)
    kind = store.put_execution_type(pb.ExecutionType(name="idle"))
    made = store.put_artifact_type(pb.ArtifactType(name="Integer"))
    context = pb.Context(type_id=store.put_context_type(pb.ContextType(name="run")), name="r")
    (context.id,) = store.put_contexts([context])
    started = time.perf_counter()
    for number in range(executions):
        execution = pb.Execution(type_id=kind, last_known_state=pb.Execution.RUNNING)
        execution.id, _, _ = store.put_execution(execution, [], [context])
        execution.last_known_state = pb.Execution.COMPLETE
        artifact = pb.Artifact(type_id=made, uri=f"{folder}/{number}")
        event = pb.Event(type=pb.Event.OUTPUT)
        _, ids, _ = store.put_execution(execution, [(artifact, event)], [context])
        store.get_artifacts_by_id(ids)
        store.get_executions_by_id([execution.id])
        store.get_context_by_type_and_name("run", "r")
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--folder", help="where to write; the disk's speed matters")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        pipeline = chain(os.path.join(folder, "root"), chosen.nodes)
        started = time.perf_counter()
        compiled = pipeline.compile()
        compiling = time.perf_counter() - started
        seconds = []
        for _ in ("fresh", "cached"):
            started = time.perf_counter()
            LocalRunner().run(compiled).raise_for_failure()
            seconds.append(time.perf_counter() - started)
        bare = bare_store(folder, chosen.nodes)
    each = [1000 * total / chosen.nodes for total in (*seconds, bare)]
    print(f"{chosen.nodes} nodes that do nothing, recorded in SQLite; ms a node, whole run")
    print(
        f"  compile            {1000 * compiling / chosen.nodes:6.2f}  ({compiling:.2f} s in all)"
    )
    print(f"  run, fresh         {each[0]:6.2f}  {each[0] / each[2]:5.2f} x the bare store")
    print(f"  run, all reused    {each[1]:6.2f}  {each[1] / each[2]:5.2f} x the bare store")
    print(f"  the bare store     {each[2]:6.2f}")


if __name__ == "__main__":
    main()
