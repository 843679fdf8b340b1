# SPDX-License-Identifier: Apache-2.0
"""Trains a Booster on record batches of raw columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost as xgb
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public.tfxio import RecordBatchesOptions

SCHEMA = """
feature { name: "amount" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "hours" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "label" type: INT presence { min_fraction: 1 } shape {} }
"""


def run_fn(fn_args: Any) -> None:
    """The entry point."""
    batches = fn_args.data_accessor.record_batch_factory(
        fn_args.train_files,
        RecordBatchesOptions(batch_size=64, num_epochs=1, drop_final_batch=False),
        text_format.Parse(SCHEMA, schema_pb2.Schema()),
    )
    rows = {name: [] for name in ("amount", "hours", "label")}
    for batch in batches:
        for name, values in rows.items():
            index = batch.schema.get_field_index(name)
            values.append(batch.column(index).flatten().to_numpy())
    columns = {name: np.concatenate(values) for name, values in rows.items()}
    label = columns.pop("label")
    data = xgb.DMatrix(
        np.stack(list(columns.values()), axis=1), label=label, feature_names=list(columns)
    )
    model = xgb.train({"objective": "binary:logistic", "max_depth": 2, "seed": 0}, data, 10)
    model.save_model(f"{fn_args.serving_model_dir}/model.json")
