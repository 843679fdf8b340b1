# SPDX-License-Identifier: Apache-2.0
"""One thing that is measured, done with TFX: in TFX's own environment, by Python 3.10.

    python benchmarks/tfx_side SCENARIO --folder FOLDER [--data FILE] [--modules FOLDER]

Knows nothing of Penstock. Writes `answer.json` into the folder: seconds within the process,
seconds of each node, and where examples and the model lie.
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
    # TFX writes some hundred warnings; they are no part of the comparison.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    started = time.perf_counter()
    if given.scenario == "import":
        from tfx import v1 as tfx

        answer = {"version": tfx.__version__}
    else:
        import scenarios

        answer = scenarios.SCENARIOS[given.scenario](given)
    answer["process_seconds"] = time.perf_counter() - started
    os.makedirs(given.folder, exist_ok=True)
    with open(os.path.join(given.folder, "answer.json"), "w", encoding="utf-8") as file:
        json.dump(answer, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
