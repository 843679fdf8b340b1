# SPDX-License-Identifier: Apache-2.0
"""How long ingesting takes, against a plain read of the same file by Arrow.

    python -m benchmarks.ingest [--rows 1000000] [--folder FOLDER] [--large]

Makes a CSV file of 18 columns by repeating the real rows that the package ships, then runs
each node by itself through the launcher, worker process and all. Seconds are those of the
whole node; ratios are to `pyarrow.csv.read_csv` of the file in this process, right before.

`--large` writes a file of 5 GB instead, and measures the peak memory of the node that
ingests it (the same as `/usr/bin/time -v` would say of the process).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files

import pyarrow as pa
import pyarrow.csv

import penstock
from penstock.components.base.artifact_types import Examples
from penstock.components.base.component import Component
from penstock.components.base.executor import Task
from penstock.components.ingest.csv_executor import CsvExecutor
from penstock.components.ingest.payload import PayloadFormat

COLUMNS = 18
LARGE_BYTES = 5_000_000_000


def real_rows() -> pa.Table:
    """The shipped rows, columns repeated until there are enough."""
    folder = files("penstock.pipelines.consumer_complaints") / "data"
    paths = sorted(str(path) for path in folder.iterdir() if path.name.endswith(".csv.gz"))
    text = {name: pa.string() for name in pa.csv.read_csv(paths[0]).column_names}
    options = pa.csv.ConvertOptions(column_types=text)
    table = pa.concat_tables([pa.csv.read_csv(path, convert_options=options) for path in paths])
    names = table.column_names
    for number in range(COLUMNS - len(names)):
        table = table.append_column(f"{names[number]} again", table.column(number))
    return table


def write_csv(path: str, rows: int, size: int | None = None) -> int:
    """Writes the real rows again and again: so many, or until the file has this size."""
    table = real_rows()
    written = 0
    with open(path, "wb") as file, pa.csv.CSVWriter(file, table.schema) as writer:
        while written < rows if size is None else file.tell() < size:
            part = table if size is not None else table.slice(0, rows - written)
            writer.write_table(part)
            written += part.num_rows
    return written


def run(root: str, nodes: Sequence[Component]) -> float:
    """Runs a pipeline of these nodes; the seconds of the last one."""
    result = penstock.LocalRunner().run(penstock.Pipeline("ingest", root, list(nodes)))
    outcome = result.outcomes[nodes[-1].id]
    if outcome.error or outcome.seconds is None:
        raise SystemExit(f"{nodes[-1].id}: {outcome.reason} {outcome.error or ''}")
    return outcome.seconds


def measure(folder: str, rows: int) -> None:
    """Measures the nodes over a file of so many rows."""
    path = os.path.join(folder, "rows.csv")
    write_csv(path, rows)
    start = time.perf_counter()
    pa.csv.read_csv(path)
    plain = time.perf_counter() - start
    print(f"{rows} rows, {COLUMNS} columns, {os.path.getsize(path) / 1e6:.0f} MB")
    print(f"{'pyarrow.csv.read_csv':<28}{plain:8.2f} s")
    for payload in (PayloadFormat.TFRECORD, PayloadFormat.PARQUET):
        root = os.path.join(folder, payload.value)
        node = penstock.CsvExampleGen(input_base=path, payload_format=payload)
        seconds = run(root, [node])
        print(f"{f'CsvExampleGen {payload.value}':<28}{seconds:8.2f} s{seconds / plain:8.1f}×")
    # In one run, as pipelines have it, TFDV is loaded while the CSV is read; alone, in the
    # root of the run before, whose examples are found again, the node waits for it.
    for how, where in (("in one run", os.path.join(folder, "both")), ("alone", root)):
        node = penstock.CsvExampleGen(input_base=path, payload_format=PayloadFormat.PARQUET)
        seconds = run(where, [node, penstock.StatisticsGen(examples=node.outputs["examples"])])
        print(f"{f'StatisticsGen, {how}':<28}{seconds:8.2f} s{seconds / plain:8.1f}×")


def measure_large(folder: str) -> None:
    """Measures time and peak memory over a file of 5 GB, in this process."""
    path = os.path.join(folder, "rows.csv")
    # In a process of its own, which does not count.
    code = f"from benchmarks.ingest import write_csv; write_csv({path!r}, 0, {LARGE_BYTES})"
    subprocess.run([sys.executable, "-c", code], check=True)
    output = os.path.join(folder, "examples")
    os.makedirs(output)
    node = penstock.CsvExampleGen(input_base=path)
    task = Task(
        parameters=node.parameters, outputs={"examples": [Examples(output)]}, work_dir=folder
    )
    start = time.perf_counter()
    properties = CsvExecutor().execute(task)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{os.path.getsize(path) / 1e9:.2f} GB, {properties['rows']} rows")
    print(f"{'CsvExampleGen parquet':<28}{seconds:8.1f} s, at most {peak:.0f} MiB of memory")


def main() -> None:
    """Measures, in a folder that is deleted afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", default=None, help="where to put the files")
    parser.add_argument("--large", action="store_true", help="the 5 GB case")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="penstock-bench-", dir=arguments.folder)
    try:
        if arguments.large:
            measure_large(folder)
        else:
            measure(folder, arguments.rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
