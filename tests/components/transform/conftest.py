# SPDX-License-Identifier: Apache-2.0
"""Small taxi-like data with a schema, and a way to run Transform over it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

# Whichever test file is loaded first: importing TensorFlow Transform would otherwise turn
# `tf.keras` into Keras 2 for all of them.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

SCHEMA = """
feature { name: "fare" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "miles" type: FLOAT value_count { max: 1 } presence { min_count: 1 } }
feature { name: "payment type" type: BYTES value_count { max: 1 } presence { min_count: 1 } }
feature { name: "hour" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "tags" type: BYTES value_count { min: 0 } presence { min_count: 1 } }
feature { name: "tip" type: INT value_count { max: 1 } presence { min_count: 1 } }
"""

ROWS = 600
TRAIN_ROWS = 400


@pytest.fixture(scope="session")
def raw_table() -> Any:
    """Raw rows; some miles, payments and tags are missing."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(3)
    payment = np.array(["cash", "card", "app"], dtype=object)[random.integers(0, 3, ROWS)]
    tags = [["a"] * (row % 3) + ["b"] if row % 5 else None for row in range(ROWS)]
    return pa.table(
        {
            "fare": random.exponential(9.0, ROWS),
            "miles": pa.array(random.exponential(3.0, ROWS), mask=np.arange(ROWS) % 7 == 3),
            "payment type": pa.array(payment, pa.string(), mask=np.arange(ROWS) % 11 == 4),
            "hour": random.integers(0, 24, ROWS),
            "tags": pa.array(tags, pa.list_(pa.string())),
            "tip": random.integers(0, 2, ROWS),
        }
    )


@pytest.fixture(scope="session")
def schema_artifact(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The schema of `raw_table`."""
    from penstock.components.base.artifact_types import Schema

    folder = tmp_path_factory.mktemp("schema")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    return Schema(str(folder))


@pytest.fixture(scope="session")
def taxi_preprocessing_fn() -> Any:
    """The function in `taxi_features.py`, which other processes load as well."""
    path = Path(__file__).with_name("taxi_features.py")
    spec = importlib.util.spec_from_file_location("taxi_features", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.preprocessing_fn


WriteExamples = Callable[..., Any]


@pytest.fixture(scope="session")
def write_raw(tmp_path_factory: pytest.TempPathFactory) -> WriteExamples:
    """Writes a table as examples with the splits `train` and `eval`."""

    def write(table: Any, payload: str = "parquet") -> Any:
        from penstock.components.base.artifact_types import Examples
        from penstock.components.ingest.examples_writer import write_examples
        from penstock.components.ingest.payload import PayloadFormat

        examples = Examples(str(tmp_path_factory.mktemp("examples")))
        splits = {
            "train": table.slice(0, TRAIN_ROWS).to_batches(),
            "eval": table.slice(TRAIN_ROWS).to_batches(),
        }
        write_examples(examples, splits, table.schema, PayloadFormat(payload))
        return examples

    return write


@pytest.fixture(scope="session")
def raw_examples(raw_table: Any, write_raw: WriteExamples) -> Any:
    """`raw_table` in Parquet files."""
    return write_raw(raw_table)


@pytest.fixture(scope="session")
def run_transform(
    tmp_path_factory: pytest.TempPathFactory, schema_artifact: Any
) -> Callable[..., tuple[Any, Any]]:
    """Runs the executor; gives the graph and the transformed examples."""

    def run(
        examples: Any,
        preprocessing_fn: Callable[..., Any],
        *,
        schema: Any = None,
        materialize: bool = True,
        beam_pipeline_args: Sequence[str] = (),
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, type] | None = None,
        made: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> tuple[Any, Any]:
        # `made` takes in the artifacts of `outputs`, and what the executor recorded.
        from penstock.components.base.artifact_types import Examples, TransformGraph
        from penstock.components.base.executor import Task
        from penstock.components.transform.transform_executor import TransformExecutor

        def folder(name: str) -> str:
            path: Path = tmp_path_factory.mktemp(name)
            return str(path)

        graph, transformed = TransformGraph(folder("graph")), Examples(folder("transformed"))
        more = {name: kind(folder(name)) for name, kind in (outputs or {}).items()}
        task = Task(
            inputs={
                "examples": examples if isinstance(examples, list) else [examples],
                "schema": [schema or schema_artifact],
                **{name: [artifact] for name, artifact in (inputs or {}).items()},
            },
            outputs={
                "transform_graph": [graph],
                "transformed_examples": [transformed],
                **{name: [artifact] for name, artifact in more.items()},
            },
            parameters={
                "force_tf_compat_v1": False,
                "materialize": materialize,
                **parameters,
            },
            code={"preprocessing_fn": preprocessing_fn},
            node_id="Transform",
            work_dir=folder("work"),
            beam_pipeline_args=beam_pipeline_args,
        )
        recorded = TransformExecutor().execute(task)
        if made is not None:
            made.update(more, recorded=recorded)
        return graph, transformed

    return run
