# SPDX-License-Identifier: Apache-2.0
"""Small transformed data, and a way to run the Trainer over it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

# Whichever test file is loaded first: importing TensorFlow Transform would otherwise turn
# `tf.keras` into Keras 2 for all of them.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

ROWS = 900

SCHEMA = """
feature { name: "amount" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "product" type: BYTES value_count { max: 1 } presence { min_count: 1 } }
feature { name: "words" type: BYTES value_count { min: 0 } presence { min_count: 1 } }
feature { name: "pair" type: INT presence { min_fraction: 1.0 } shape { dim { size: 2 } } }
feature { name: "label" type: INT presence { min_fraction: 1.0 } shape {} }
"""


@pytest.fixture(scope="session")
def raw_table() -> Any:
    """Rows whose label follows `amount`."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(11)
    amount = random.normal(size=ROWS)
    product = np.array(["card", "debt", "loan"], dtype=object)[random.integers(0, 3, ROWS)]
    return pa.table(
        {
            "amount": amount,
            "product": pa.array(product, pa.string(), mask=np.arange(ROWS) % 9 == 2),
            "words": pa.array([["w"] * (row % 4) or None for row in range(ROWS)]),
            "pair": pa.array([[row, -row] for row in range(ROWS)]),
            "label": (amount + random.normal(size=ROWS) > 0).astype("int64"),
        }
    )


@pytest.fixture(scope="session")
def raw_schema() -> Any:
    """Its schema."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    return text_format.Parse(SCHEMA, schema_pb2.Schema())


@pytest.fixture(scope="session")
def write_raw(raw_table: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Writes `raw_table` as examples in any payload format, each split in two files."""

    def write(payload: str) -> Any:
        from penstock.components.base.artifact_types import Examples
        from penstock.components.ingest.examples_writer import SplitWriters, describe
        from penstock.components.ingest.payload import PayloadFormat

        examples = Examples(str(tmp_path_factory.mktemp("examples")))
        examples.splits = ["train", "eval"]
        bounds = {"train": (0, 350, 600), "eval": (600, 700, 900)}
        for shard in range(2):
            with SplitWriters(
                examples, raw_table.schema, PayloadFormat(payload), shard, 2
            ) as writers:
                for split, ends in bounds.items():
                    part = raw_table.slice(ends[shard], ends[shard + 1] - ends[shard])
                    for batch in part.to_batches():
                        writers.write(split, batch)
        describe(examples, raw_table.schema, PayloadFormat(payload), {"train": 600, "eval": 300})
        return examples

    return write


@pytest.fixture(scope="session")
def raw_examples(write_raw: Callable[..., Any]) -> Any:
    """`raw_table` in Parquet files."""
    return write_raw("parquet")


@pytest.fixture(scope="session")
def transformed(raw_examples: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A transform graph, and `raw_examples` transformed by it."""
    from penstock.components.base.artifact_types import Examples, Schema, TransformGraph
    from penstock.components.base.executor import Task
    from penstock.components.transform.transform_executor import TransformExecutor

    def preprocessing_fn(inputs: Any) -> dict[str, Any]:
        import tensorflow as tf
        import tensorflow_transform as tft

        product = inputs["product"]
        shaped = tf.SparseTensor(product.indices, product.values, [product.dense_shape[0], 1])
        return {
            "amount_z": tft.scale_to_z_score(inputs["amount"])[:, None],
            "product_id": tft.compute_and_apply_vocabulary(
                tf.sparse.to_dense(shaped, ""), num_oov_buckets=1, vocab_filename="products"
            ),
            "label": inputs["label"],
        }

    folder = tmp_path_factory.mktemp("schema")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    graph = TransformGraph(str(tmp_path_factory.mktemp("graph")))
    examples = Examples(str(tmp_path_factory.mktemp("transformed")))
    task = Task(
        inputs={"examples": [raw_examples], "schema": [Schema(str(folder))]},
        outputs={"transform_graph": [graph], "transformed_examples": [examples]},
        parameters={"force_tf_compat_v1": False, "materialize": True},
        code={"preprocessing_fn": preprocessing_fn},
    )
    TransformExecutor().execute(task)
    return graph, examples


@pytest.fixture(scope="session")
def run_trainer(
    transformed: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """Runs the executor over transformed data; gives the model."""

    def run(run_fn: Callable[..., Any], **parameters: Any) -> Any:
        from penstock.components.base.artifact_types import Model, ModelRun
        from penstock.components.base.executor import Task
        from penstock.components.train.trainer_executor import TrainerExecutor

        model = Model(str(tmp_path_factory.mktemp("model")))
        logs = ModelRun(str(tmp_path_factory.mktemp("logs")))
        task = Task(
            inputs={"examples": [transformed[1]], "transform_graph": [transformed[0]]},
            outputs={"model": [model], "model_run": [logs]},
            parameters={"seed": 0, **parameters},
            code={"run_fn": run_fn},
            node_id="Trainer",
            work_dir=str(tmp_path_factory.mktemp("work")),
        )
        TrainerExecutor().execute(task)
        return model

    return run
