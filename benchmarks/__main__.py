# SPDX-License-Identifier: Apache-2.0
"""Runs every benchmark: `make bench`."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("ingest", "node_overhead", "store_growth", "transform")


def main() -> int:
    """Runs each benchmark in a process of its own; the exit code says whether all could."""
    failed = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"could not be run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
