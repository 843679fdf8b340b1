# SPDX-License-Identifier: Apache-2.0
"""Large pipelines compile quickly."""

from __future__ import annotations

import gc
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.utils.user_code import collect, fingerprint, slice_report

Project = Callable[[dict[str, str]], Path]

STEP = '''
def step_{n}(value: int, factor: float = 1.5) -> None:
    """Does step {n}."""
    total = scale(value) * factor + {n}
    if total > 10:
        print("big", total)
'''


@pytest.mark.timing
def test_five_hundred_functions_of_one_module(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline of 500 nodes must compile in under a second; its code is a part of that."""
    steps = "".join(STEP.format(n=n) for n in range(500))
    root = project(
        {
            "many_steps.py": f"import json\nfrom many_helpers import scale\n{steps}",
            "many_helpers.py": "def scale(x): return 2 * x\ndef other(): pass\n",
        }
    )
    monkeypatch.syspath_prepend(root)
    module = importlib.import_module("many_steps")
    try:
        functions = [getattr(module, f"step_{n}") for n in range(500)]
        # Else the collector walks through all that earlier tests have loaded, again and again.
        gc.collect()
        gc.freeze()
        started = time.process_time()
        found = [collect(function) for function in functions]
        digests = {fingerprint(*one) for one in found}
        reports = [slice_report(*one) for one in found]
        took = time.process_time() - started
    finally:
        gc.unfreeze()
        del sys.modules["many_steps"], sys.modules["many_helpers"]
    assert len(digests) == 500
    assert all(len(report) == 3 for report in reports)
    assert len({id(one.bundle) for one in found}) == 1
    assert took < 0.5
