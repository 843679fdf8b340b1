# SPDX-License-Identifier: Apache-2.0
"""Small raw data, users' modules, and a way to run LightTransform over them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROWS = 300
TRAIN_ROWS = 200


@pytest.fixture(scope="session")
def houses() -> Any:
    """Raw rows; some rooms are missing."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(5)
    kinds = np.array(["flat", "house", "shed"], dtype=object)[random.integers(0, 3, ROWS)]
    area = random.exponential(50.0, ROWS) + 10
    return pa.table(
        {
            "area": area,
            "rooms": pa.array(random.integers(1, 9, ROWS), mask=np.arange(ROWS) % 7 == 3),
            "kind": pa.array(kinds, pa.string()),
            "advert": [f"nice {kind} number {row % 4}" for row, kind in enumerate(kinds)],
            "key": [f"k{row}" for row in range(ROWS)],
            "sold": (area + random.normal(size=ROWS) * 20 > 45).astype("int64"),
        }
    )


@pytest.fixture(scope="session")
def write_houses(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Writes a table as examples with the splits `train` and `eval`."""

    def write(table: Any, train_rows: int = TRAIN_ROWS) -> Any:
        from penstock.components.base.artifact_types import Examples
        from penstock.components.ingest.examples_writer import write_examples

        examples = Examples(str(tmp_path_factory.mktemp("houses")))
        splits = {
            "train": table.slice(0, train_rows).to_batches(),
            "eval": table.slice(train_rows).to_batches(),
        }
        write_examples(examples, splits, table.schema)
        return examples

    return write


@pytest.fixture(scope="session")
def house_examples(houses: Any, write_houses: Callable[..., Any]) -> Any:
    """`houses` as an artifact."""
    return write_houses(houses)


def load_module(path: Path) -> ModuleType:
    """A module file, imported as the pipeline's loader does: by its own name."""
    import sys

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def house_features() -> ModuleType:
    """The module `house_features.py`."""
    return load_module(Path(__file__).with_name("house_features.py"))


@pytest.fixture
def write_module(tmp_path: Path) -> Callable[[str], ModuleType]:
    """Writes a user's module and imports it."""

    def write(text: str, name: str = "own_features") -> ModuleType:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return load_module(path)

    return write


@pytest.fixture(scope="session")
def run_light(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Any]]:
    """Runs the executor; gives the transform and the transformed examples."""

    def run(
        examples: Any, code: dict[str, Callable[..., Any]], **parameters: Any
    ) -> tuple[Any, Any]:
        from penstock.components.base.artifact_types import Examples, TransformGraph
        from penstock.components.base.executor import Task
        from penstock.components.transform.light.light_transform_executor import (
            LightTransformExecutor,
        )

        graph = TransformGraph(str(tmp_path_factory.mktemp("light")))
        transformed = Examples(str(tmp_path_factory.mktemp("transformed")))
        task = Task(
            inputs={"examples": examples if isinstance(examples, list) else [examples]},
            outputs={"transform_graph": [graph], "transformed_examples": [transformed]},
            parameters={"materialize": True, "label_key": "sold", **parameters},
            code=code,
            node_id="LightTransform",
            work_dir=str(tmp_path_factory.mktemp("work")),
        )
        LightTransformExecutor().execute(task)
        return graph, transformed

    return run
