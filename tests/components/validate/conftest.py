# SPDX-License-Identifier: Apache-2.0
"""Examples, statistics and schemas to validate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import Examples, ExampleStatistics, Schema
from penstock.components.base.component import Component
from penstock.components.base.executor import Task
from penstock.utils.module_loading import load_object

Execute = Callable[..., Mapping[str, Any]]


@pytest.fixture
def execute(tmp_path: Path) -> Execute:
    """Runs the executor of a component class on artifacts; returns its outputs by name."""
    runs = iter(range(10_000))

    def run(
        component: type[Component], inputs: Mapping[str, Artifact] | None = None, **parameters: Any
    ) -> Mapping[str, Any]:
        folder = tmp_path / f"{component.__name__}{next(runs)}"
        outputs = {}
        for name, kind in component.spec.outputs.items():
            (folder / name).mkdir(parents=True)
            outputs[name] = kind(str(folder / name))
        defaults = {
            name: spec.default
            for name, spec in component.spec.parameters.items()
            if not spec.required
        }
        load_object(component.executor)().execute(
            Task(
                inputs={name: [artifact] for name, artifact in (inputs or {}).items()},
                outputs={name: [artifact] for name, artifact in outputs.items()},
                parameters={**defaults, **parameters},
                work_dir=str(folder),
                node_id=component.__name__,
            )
        )
        return outputs

    return run


@pytest.fixture
def examples(tmp_path: Path) -> Callable[..., Examples]:
    """Writes columns as the splits of an artifact: `examples(train={"x": [1, None]})`."""
    runs = iter(range(10_000))

    def write(payload: str = "parquet", **splits: Mapping[str, list[Any]]) -> Examples:
        pa = pytest.importorskip("pyarrow")
        from penstock.components.ingest.examples_writer import write_examples
        from penstock.components.ingest.payload import PayloadFormat

        folder = tmp_path / f"examples{next(runs)}"
        folder.mkdir()
        artifact = Examples(str(folder))
        artifact.span = 3
        batches = {name: [pa.RecordBatch.from_pydict(c)] for name, c in splits.items()}
        schema = next(iter(batches.values()))[0].schema
        batches = {
            name: [
                pa.RecordBatch.from_arrays(
                    [c.cast(f.type) for c, f in zip(b[0].columns, schema, strict=True)],
                    schema=schema,
                )
            ]
            for name, b in batches.items()
        }
        write_examples(artifact, batches, schema, PayloadFormat(payload))
        return artifact

    return write


@pytest.fixture
def statistics(execute: Execute, examples: Any) -> Callable[..., ExampleStatistics]:
    """Statistics of columns: `statistics(train={"x": [1, None]})`."""

    def compute(**splits: Mapping[str, list[Any]]) -> ExampleStatistics:
        pytest.importorskip("tensorflow_data_validation")
        from penstock.components.validate.statistics_gen import StatisticsGen

        found: ExampleStatistics = execute(StatisticsGen, {"examples": examples(**splits)})[
            "statistics"
        ]
        return found

    return compute


@pytest.fixture
def schema_of(tmp_path: Path) -> Callable[[str], Schema]:
    """A schema artifact from protocol buffer text."""
    runs = iter(range(10_000))

    def write(text: str) -> Schema:
        folder = tmp_path / f"schema{next(runs)}"
        folder.mkdir()
        (folder / "schema.pbtxt").write_text(text)
        return Schema(str(folder))

    return write
