# SPDX-License-Identifier: Apache-2.0
"""Penstock is light until it executes: which modules load which libraries."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import penstock

#: What only executors may import, by top-level module.
HEAVY = {
    "apache_beam",
    "jax",
    "keras",
    "keras_tuner",
    "kfp",
    "kserve",
    "matplotlib",
    "optuna",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "skops",
    "tensorflow",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tensorflow_transform",
    "tf_keras",
    "tfx_bsl",
    "torch",
    "xgboost",
}

#: Declaring, compiling, orchestrating, recording.
LIGHT = [
    "penstock",
    "penstock.cli",
    "penstock.orchestration.pipeline",
    "penstock.orchestration.compiler",
    "penstock.orchestration.metadata.store",
    "penstock.orchestration.runners.local.local_runner",
]

ROOT = Path(__file__).resolve().parents[1]

#: Imports each module named by the arguments, in turn, and prints what each of them added.
PROBE = """
import importlib, json, sys
added = {}
for name in sys.argv[1:]:
    before = set(sys.modules)
    try:
        importlib.import_module(name)
    except ImportError as error:
        added[name] = f"{type(error).__name__}: {error}"
    else:
        added[name] = sorted(set(sys.modules) - before)
print(json.dumps(added))
"""


def _declares_component(path: Path) -> bool:
    """Whether a class in the file names its executor as `executor = "module:Class"`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                target = statement.targets[0] if isinstance(statement, ast.Assign) else None
                if isinstance(target, ast.Name) and target.id == "executor":
                    return True
    return False


def _light_modules() -> list[str]:
    """`LIGHT`, the module of every public name, every component declaration and pipeline."""
    files = [path for path in (ROOT / "components").rglob("*.py") if _declares_component(path)]
    files += (ROOT / "pipelines").glob("*/pipeline.py")
    found = {"penstock." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    public = {importlib.util.resolve_name(home, "penstock") for home in penstock._HOME.values()}
    return LIGHT + sorted((found | public) - set(LIGHT))


MODULES = _light_modules()


@pytest.fixture(scope="module")
def added() -> dict[str, list[str] | str]:
    """For each of `MODULES`, what its import added, or why it failed; all in one new process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *MODULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, list[str] | str] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("module", MODULES)
def test_light_module_loads_nothing_heavy(module: str, added: dict[str, list[str] | str]) -> None:
    """If it fails, declaring, compiling or a cached run pays seconds for unused libraries."""
    loaded = added[module]
    assert isinstance(loaded, list), f"{module} does not import: {loaded}"
    heavy = sorted({name.partition(".")[0] for name in loaded} & HEAVY)
    assert not heavy, (
        f"importing {module} loads {', '.join(heavy)}; move the import into an executor module "
        f"(python -X importtime -c 'import {module}' shows the way there)"
    )


@pytest.mark.parametrize("module", MODULES)
def test_light_module_loads_no_executor_of_a_component(
    module: str, added: dict[str, list[str] | str]
) -> None:
    """If it fails, a declaration imports its executor, and weighs what that weighs."""
    executors = [name for name in added[module] if name.endswith("_executor")]
    executors = [name for name in executors if not name.startswith("penstock.components.base.")]
    assert not executors, f"importing {module} loads {', '.join(executors)}"


@pytest.mark.timing
def test_import_penstock_costs_next_to_nothing() -> None:
    """If it fails, the root package imports something it should leave to first use."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    bare = min(seconds("pass") for _ in range(5))
    loaded = min(seconds("import penstock") for _ in range(5))
    assert loaded - bare < 0.05, f"import penstock takes {loaded - bare:.3f} s"
