# SPDX-License-Identifier: Apache-2.0
"""Runs the notebooks anew and saves them with what they put out: `make notebooks`.

    python -m notebooks [1-ten-minutes.ipynb …]

Each runs in a folder of its own that is deleted afterwards.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from .execution import execute, normalised, save

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Runs the notebooks that are named, or all."""
    for path in [HERE / name for name in names] or sorted(HERE.glob("*.ipynb")):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="notebook-") as made:
            folder = Path(made).resolve()
            save(normalised(execute(path, folder), folder), path)
        seconds = time.monotonic() - started
        print(f"{path.name}: {seconds:.0f} s, {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
