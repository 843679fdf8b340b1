# SPDX-License-Identifier: Apache-2.0
"""One thing that is measured, done with Penstock.

    python -m benchmarks.penstock_side SCENARIO --folder FOLDER [--data FOLDER] [--modules FOLDER]

Arguments and `answer.json` are those of `benchmarks/tfx_side`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--data", default="")
    parser.add_argument("--modules", default="")
    parser.add_argument("--examples", default="")
    parser.add_argument("--model", default="")
    given = parser.parse_args()
    started = time.perf_counter()
    if given.scenario in ("import", "import-all"):
        import penstock

        if given.scenario == "import-all":
            for name in penstock.__all__:
                getattr(penstock, name)
        answer = {"version": penstock.__version__}
    else:
        from .scenarios import SCENARIOS

        answer = SCENARIOS[given.scenario](given)
    answer["process_seconds"] = time.perf_counter() - started
    os.makedirs(given.folder, exist_ok=True)
    with open(os.path.join(given.folder, "answer.json"), "w", encoding="utf-8") as file:
        json.dump(answer, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
