# SPDX-License-Identifier: Apache-2.0
"""Measures Penstock, beside TFX where that is installed: `make bench`.

    python -m benchmarks [--quick] [--only GROUP]... [--pairs 5] [--rows 1000000] [--parts]

Both sides run the same pipelines on the same data in processes of their own, in turns. The
table and the chart go to `benchmarks/results/` (with `--quick` to `build/bench/`). Without TFX
(`constraints/tfx.sh .venv-tfx` installs it) Penstock is measured alone, and put beside the
ratios in `benchmarks/results/comparison.json`.

`--parts` then runs the benchmarks of single parts, which take Penstock apart further.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

from .data import write_csv, write_modules
from .harness import report
from .harness.comparison import ROOT, penstock_side, tfx_side
from .harness.machine import machine, versions
from .harness.process_cost import CommandFailedError
from .harness.rows import GROUPS, Bench, Row

PARTS = ("ingest", "node_overhead", "store_growth", "transform", "bulk_inference")
RESULTS = os.path.join(ROOT, "benchmarks", "results")
TFX_PYTHON = os.path.join(ROOT, ".venv-tfx", "bin", "python")
QUICK_ROWS, QUICK_PAIRS = 50_000, 1


def main() -> int:
    """Measures what the command line asks for; the exit code says whether all could."""
    given = _arguments()
    # Whoever ends this ends what is being measured, and leaves no files behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tfx = given.tfx if os.access(given.tfx, os.X_OK) else None
    if tfx is None:
        print(
            f"TFX is not installed ({given.tfx}): Penstock is measured alone, and compared with "
            "the ratios stored in benchmarks/results/.",
            flush=True,
        )
    sides = [penstock_side()] + ([tfx_side(tfx)] if tfx else [])
    facts = {
        "measured": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(tfx),
    }
    stored = {row.title: row for row in report.read(os.path.join(RESULTS, "comparison.json"))[1]}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", dir=given.folder) as folder:
        bench = Bench(
            sides=sides,
            folder=folder,
            data=write_csv(os.path.join(folder, "real"))[0],
            many=write_csv(os.path.join(folder, "many"), given.rows)[0],
            rows=given.rows,
            modules=write_modules(os.path.join(folder, "modules")),
            pairs=given.pairs,
        )
        measured: list[Row] = []
        for name in given.only or GROUPS:
            print(f"== {name}", flush=True)
            try:
                found = GROUPS[name](bench)
            except (CommandFailedError, subprocess.CalledProcessError, RuntimeError) as error:
                print(f"could not be measured: {error}", file=sys.stderr, flush=True)
                failed.append(name)
                continue
            for row in found:
                print(_told(row, stored.get(row.title)), flush=True)
            measured += found
            # What took minutes to measure is kept, whatever comes after it.
            _write(given.results, facts, measured, fresh=not given.only, charted=bool(tfx))
    if given.parts:
        failed += _parts(given.quick)
    if failed:
        print(f"could not be run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rows, one pair of each")
    parser.add_argument("--only", action="append", choices=list(GROUPS), help="repeatable")
    parser.add_argument("--pairs", type=int, help="how often short pairs are run (5)")
    parser.add_argument("--rows", type=int, help="rows of the large file (1,000,000)")
    parser.add_argument("--parts", action="store_true", help="also single parts of Penstock")
    parser.add_argument("--tfx", default=TFX_PYTHON, help="Python of TFX's environment")
    parser.add_argument("--folder", help="where to work; the disk's speed matters")
    parser.add_argument("--results", help="where table and chart go")
    given = parser.parse_args()
    given.pairs = given.pairs or (QUICK_PAIRS if given.quick else 5)
    given.rows = given.rows or (QUICK_ROWS if given.quick else 1_000_000)
    quick_results = os.path.join(ROOT, "build", "bench")
    given.results = given.results or (quick_results if given.quick else RESULTS)
    return given


def _told(row: Row, stored: Row | None) -> str:
    """One line for whoever waits."""
    sides = ", ".join(
        f"{side} {found['wall']['median']:.3g} {row.unit}" for side, found in row.measured.items()
    )
    found = report.ratio(row)
    text = f"  {row.title}: {sides}"
    if found:
        text += f", {found:.1f}×"
    elif stored and (then := report.ratio(stored)):
        text += f" (stored: {then:.1f}× as fast as TFX)"
    verdict = report.holds(row, stored)
    if verdict is not None:
        text += f" [{report.target(row)}: {'met' if verdict else 'NOT met'}]"
    return text


def _write(
    folder: str, facts: dict[str, object], rows: list[Row], *, fresh: bool, charted: bool
) -> None:
    path = os.path.join(folder, f"{report.NAME}.json")
    # Without TFX there is no comparison: the stored one stays.
    if not charted and folder == RESULTS:
        return
    report.write(folder, facts, rows if fresh else report.merged(report.read(path)[1], rows))
    # In a process of its own: what draws is no part of what is measured.
    chart = os.path.join(folder, f"{report.NAME}.png")
    if charted:
        command = [sys.executable, "-m", "benchmarks.harness.chart", path, chart]
        subprocess.run(command, cwd=ROOT, check=True)


def _parts(quick: bool) -> list[str]:
    """Runs the benchmarks of single parts; the names of those that could not be run."""
    smaller = {"ingest": ["--rows", "50000"], "store_growth": ["--sizes", "10", "1000"],
               "transform": ["--rows", "15000", "--repeats", "1"]}  # fmt: skip
    failed = []
    for name in PARTS:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(smaller.get(name, []) * quick)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    return failed


if __name__ == "__main__":
    sys.exit(main())
