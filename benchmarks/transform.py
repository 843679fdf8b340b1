# SPDX-License-Identifier: Apache-2.0
"""How long Transform takes, against TensorFlow Transform's own Beam pipeline.

    python -m benchmarks.transform [--rows 15000 1000000] [--repeats 3] [--folder FOLDER]

The rows are the real ones that the package ships, repeated until there are enough; two
thirds are analyzed, all are transformed and written. Both sides have the same feature code,
the consumer-complaints pipeline's, and the same files, and write the same graph (its digest
is compared). They run alternately in this process, after one run that is not counted; the
median of wall time and of CPU time (all threads) is told, and the ratio.

Then where the time goes, and what a new span costs where nine others are in the analyzer
cache.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pyarrow as pa
import pyarrow.csv
from tensorflow_transform.beam import analysis_graph_builder

from penstock.components.base.artifact_types import (
    Examples,
    ExampleStatistics,
    Schema,
    TransformCache,
    TransformGraph,
)
from penstock.components.base.executor import Task
from penstock.components.ingest.examples_writer import write_examples
from penstock.components.ingest.payload import PayloadFormat
from penstock.components.transform import transform_executor
from penstock.components.transform.graph_application import GraphApplication
from penstock.components.transform.local_analysis import LocalAnalysis
from penstock.components.transform.traced_preprocessing import TracedPreprocessing
from penstock.components.validate.schema_executor import SchemaExecutor
from penstock.components.validate.statistics_executor import StatisticsExecutor
from penstock.pipelines.consumer_complaints.columns import DISPUTED, LABEL
from penstock.pipelines.consumer_complaints.features import preprocessing_fn
from penstock.utils.hashing import digest_tree

SPANS = 10

#: What is timed, by what it is called: a class or module, and a function of it.
PHASES: dict[str, tuple[Any, str]] = {
    "trace preprocessing_fn": (TracedPreprocessing, "__init__"),
    "plan the analysis": (analysis_graph_builder, "build"),
    "read, compute and accumulate": (LocalAnalysis, "_pass"),
    "trace again and save the graph": (LocalAnalysis, "_save"),
    "digest the graph": (transform_executor, "tree_digest"),
    "transform and write": (GraphApplication, "write"),
}


def real_rows() -> pa.Table:
    """The shipped rows, labelled."""
    folder = files("penstock.pipelines.consumer_complaints") / "data"
    paths = sorted(str(path) for path in folder.iterdir() if path.name.endswith(".csv.gz"))
    text = {name: pa.string() for name in pa.csv.read_csv(paths[0]).column_names}
    options = pa.csv.ConvertOptions(column_types=text, strings_can_be_null=True)
    table = pa.concat_tables([pa.csv.read_csv(path, convert_options=options) for path in paths])
    labels = [int(answer == "Yes") for answer in table[DISPUTED].to_pylist()]
    return table.append_column(LABEL, pa.array(labels, pa.int64()))


def write_rows(folder: str, rows: int, first: int = 0) -> Examples:
    """Examples with so many rows, from row `first` on; two thirds of them are `train`."""
    table = real_rows()
    repeats = (first + rows) // table.num_rows + 1
    table = pa.concat_tables([table] * repeats).slice(first, rows).combine_chunks()
    train = rows * 2 // 3
    examples = Examples(folder)
    os.makedirs(folder)
    splits = {
        "train": table.slice(0, train).to_batches(20_000),
        "eval": table.slice(train).to_batches(20_000),
    }
    write_examples(examples, splits, table.schema, PayloadFormat.PARQUET)
    examples.content_digest = digest_tree(folder)
    return examples


def infer_schema(folder: str, examples: Examples) -> Schema:
    """The schema that the pipeline would have."""
    statistic, schema = (os.path.join(folder, name) for name in ("statistics", "schema"))
    os.makedirs(statistic)
    os.makedirs(schema)
    described = ExampleStatistics(statistic)
    none = {"exclude_splits": [], "stats_options": None}
    StatisticsExecutor().execute(Task({"examples": [examples]}, {"statistics": [described]}, none))
    SchemaExecutor().execute(
        Task(
            {"statistics": [described]},
            {"schema": [Schema(schema)]},
            {"exclude_splits": [], "infer_feature_shape": False},
        )
    )
    return Schema(schema)


def transform(
    folder: str,
    examples: Sequence[Examples],
    schema: Schema,
    cache: TransformCache | None = None,
    keep: bool = False,
) -> tuple[str, TransformCache]:
    """Runs the executor; the graph's digest, and the new cache."""
    made = tempfile.mkdtemp(dir=folder)
    names = ("graph", "transformed", "cache")
    for name in names:
        os.makedirs(os.path.join(made, name))
    graph, transformed, kept = (os.path.join(made, name) for name in names)
    outputs: dict[str, Any] = {
        "transform_graph": [TransformGraph(graph)],
        "transformed_examples": [Examples(transformed)],
    }
    if keep:
        outputs["updated_analyzer_cache"] = [TransformCache(kept)]
    inputs = {
        "examples": list(examples),
        "schema": [schema],
        "analyzer_cache": [cache] if cache else [],
    }
    parameters = {"force_tf_compat_v1": False, "materialize": True}
    code = {"preprocessing_fn": preprocessing_fn}
    work = os.path.join(made, "work")
    os.makedirs(work)
    task = Task(inputs, outputs, parameters, code, node_id="Transform", work_dir=work)
    transform_executor.TransformExecutor().execute(task)
    return outputs["transform_graph"][0].content_digest, TransformCache(kept)


@contextmanager
def beam_only() -> Iterator[None]:
    """Leaves the analysis to TensorFlow Transform's Beam pipeline."""
    original = transform_executor.write_transform_graph
    transform_executor.write_transform_graph = functools.partial(original, engine="beam")
    try:
        yield
    finally:
        transform_executor.write_transform_graph = original


@contextmanager
def phases() -> Iterator[dict[str, float]]:
    """Seconds spent in each of `PHASES`; one may contain another."""
    spent = dict.fromkeys(PHASES, 0.0)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                spent[name] += time.perf_counter() - started

        return call

    originals = {name: getattr(*where) for name, where in PHASES.items()}
    for name, (owner, attribute) in PHASES.items():
        setattr(owner, attribute, timed(name, originals[name]))
    try:
        yield spent
    finally:
        for name, (owner, attribute) in PHASES.items():
            setattr(owner, attribute, originals[name])


def measured(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, CPU seconds, and what `work` gives."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def compare(folder: str, rows: int, repeats: int, schema: Schema) -> None:
    """Both ways over so many rows, alternately; then one run taken apart."""
    examples = write_rows(os.path.join(folder, f"rows-{rows}"), rows)

    def ours() -> str:
        return transform(folder, [examples], schema)[0]

    def plain() -> str:
        with beam_only():
            return ours()

    times: dict[str, list[tuple[float, float]]] = {"TFT on Beam": [], "Penstock": []}
    digests = {plain(), ours()}
    for _ in range(repeats):
        for name, work in (("TFT on Beam", plain), ("Penstock", ours)):
            wall, cpu, digest = measured(work)
            times[name].append((wall, cpu))
            digests.add(digest)
    print(f"{rows} rows; graphs {'are equal' if len(digests) == 1 else 'DIFFER'}")
    medians = {
        name: [statistics.median(t) for t in zip(*each, strict=True)]
        for name, each in times.items()
    }
    for name, (wall, cpu) in medians.items():
        print(f"  {name:<32}{wall:7.2f} s wall{cpu:7.2f} s CPU")
    ratios = [medians["TFT on Beam"][i] / medians["Penstock"][i] for i in (0, 1)]
    print(f"  {'ratio':<32}{ratios[0]:7.1f}×     {ratios[1]:7.1f}×")
    with phases() as spent:
        whole, _, _ = measured(ours)
    print(f"  where {whole:.2f} s go:")
    for name, seconds in spent.items():
        print(f"    {name:<32}{seconds:7.2f} s")


def compare_spans(folder: str, rows: int, schema: Schema) -> None:
    """The analysis of ten spans of which nine are in the cache, against all of them."""
    spans = [
        write_rows(os.path.join(folder, f"span-{number}"), rows // SPANS, number * rows // SPANS)
        for number in range(SPANS)
    ]
    _, cache = transform(folder, spans[:-1], schema, keep=True)
    print(f"{SPANS} spans, {rows} rows in all; the analysis alone, without writing")
    found = {}
    for name, known in (("all spans", None), ("one new span", cache)):
        with phases() as spent:
            digest, _ = transform(folder, spans, schema, known, keep=True)
        found[name] = (spent["read, compute and accumulate"], digest)
        print(f"  {name:<32}{found[name][0]:7.2f} s to read and accumulate")
    digests = {digest for _, digest in found.values()}
    print(f"  graphs {'are equal' if len(digests) == 1 else 'DIFFER'}")


def main() -> None:
    """Measures, in a folder that is deleted afterwards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[15_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where to put the files")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="penstock-bench-", dir=arguments.folder)
    try:
        schema = infer_schema(folder, write_rows(os.path.join(folder, "sample"), 15_000))
        for rows in arguments.rows:
            compare(folder, rows, arguments.repeats, schema)
        compare_spans(folder, max(arguments.rows), schema)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
