# SPDX-License-Identifier: Apache-2.0
"""A metadata store that TFX 1.16.0 wrote, not Penstock: three runs of its penguin example.

The first failed at its BulkInferrer, the second blessed and pushed a model, the third took the
first of its results from TFX's cache and compared its model with the second's. `data/` holds
its SQLite file as SQL; payloads are left out, and made here where a test needs them.
"""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

PIPELINE = "penguin_local_keras"
RUNS = ("2026-11-20T13:26:40.754127", "2026-11-20T13:25:45.924349", "2026-11-20T13:22:49.271429")
#: Ids of artifacts: models of the third and second run, schemas of SchemaGen and Transform.
NEWEST_MODEL, OLDER_MODEL, FIRST_MODEL, SCHEMA, NEWEST_SCHEMA = 40, 25, 16, 4, 36

_DUMP = Path(__file__).parent / "data" / "tfx_1_16_penguin.sql.gz"
#: Where the pipeline's files lay.
_HOME = "/home/penguin"

_SCHEMA = 'feature { name: "body_mass_g" type: FLOAT presence { min_fraction: 1.0 } }\n'


def write_tfx_store(folder: Path) -> Path:
    """Makes the store in a folder, with the payloads of models and schemas; its file."""
    sql = gzip.decompress(_DUMP.read_bytes()).decode().replace(_HOME, str(folder))
    path = folder / "metadata.db"
    with sqlite3.connect(path) as database:
        database.executescript(sql)
    database.close()
    for schema in ("SchemaGen/schema/6", "Transform/pre_transform_schema/28"):
        file = folder / "pipelines" / schema / "schema.pbtxt"
        file.parent.mkdir(parents=True)
        file.write_text(_SCHEMA)
    for number in (9, 18, 29):
        model = folder / "pipelines" / "Trainer" / "model" / str(number) / "Format-Serving"
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_text(f"model {number}")
    return path
