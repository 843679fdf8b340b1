# SPDX-License-Identifier: Apache-2.0
"""How many records a second the BulkInferrer predicts for.

    python -m benchmarks.bulk_inference [--rows 200000] [--repeats 3] [--folder FOLDER]

The records are made up: six numbers, two texts and a label. A small network in a SavedModel
whose signature parses `tf.Example`s, and a scikit-learn pipeline over the same columns,
predict for all of them, from Parquet; the network's answers are written as `PredictionLog`s
too. One run is not counted; the median of the others is told, model loading included, and
what the model's own library needs for the same rows in memory (the least it could take).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pyarrow as pa

from penstock.components.analyze.bulk_inferrer_executor import BulkInferrerExecutor
from penstock.components.base.artifact_types import Examples, InferenceResult, Model
from penstock.components.base.executor import Task
from penstock.components.ingest.examples_reader import read_table
from penstock.components.ingest.examples_writer import write_examples
from penstock.components.ingest.payload import PayloadFormat

NUMBERS = tuple(f"number_{index}" for index in range(6))
TEXTS = ("colour", "city")
_TRAINED = 20_000


def write_records(folder: str, rows: int) -> Examples:
    """Made-up records, in one split."""
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {name: random.normal(size=rows) for name in NUMBERS}
    for name, values in zip(TEXTS, (("red", "green", "blue"), ("Rome", "Oslo")), strict=True):
        columns[name] = np.array(values)[random.integers(0, len(values), rows)]
    columns["label"] = (columns["number_0"] + random.normal(size=rows) > 0).astype("int64")
    table = pa.table(columns)
    examples = Examples(folder)
    batches = {"all": table.to_batches(32_768)}
    write_examples(examples, batches, table.schema, PayloadFormat.PARQUET)
    return examples


def sklearn_model(folder: str, table: pa.Table) -> Model:
    """A logistic regression after one-hot encoding."""
    import skops.io
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = table.slice(0, _TRAINED).to_pandas()
    columns = make_column_transformer(
        (StandardScaler(), list(NUMBERS)), (OneHotEncoder(), list(TEXTS))
    )
    fitted = make_pipeline(columns, LogisticRegression()).fit(
        frame[[*NUMBERS, *TEXTS]], frame["label"]
    )
    os.makedirs(os.path.join(folder, "Format-Serving"))
    skops.io.dump(fitted, os.path.join(folder, "Format-Serving", "model.skops"))
    return Model(folder)


def network(folder: str) -> Model:
    """A network of two layers that parses serialized examples."""
    import tensorflow as tf

    class Served(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = tf.Variable(tf.random.stateless_normal([9, 64], [1, 2]))
            self.second = tf.Variable(tf.random.stateless_normal([64, 1], [3, 4]))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            number = tf.io.FixedLenFeature([1], tf.float32)
            text = tf.io.FixedLenFeature([], tf.string)
            wanted = dict.fromkeys(NUMBERS, number) | dict.fromkeys(TEXTS, text)
            row = tf.io.parse_example(examples, wanted)
            colours = [tf.cast(row["colour"] == each, tf.float32) for each in ("red", "blue")]
            city = tf.cast(row["city"] == "Rome", tf.float32)
            inputs = [row[name] for name in NUMBERS]
            inputs += [each[:, None] for each in (*colours, city)]
            hidden = tf.nn.relu(tf.concat(inputs, 1) @ self.first)
            return {"score": tf.sigmoid(hidden @ self.second)}

    served = Served()
    path = os.path.join(folder, "Format-Serving")
    tf.saved_model.save(served, path, signatures={"serving_default": served.serve})
    return Model(folder)


def infer(folder: str, examples: Examples, model: Model, form: str) -> None:
    """Predicts for all records."""
    place = tempfile.mkdtemp(dir=folder)
    task = Task(
        {"examples": [examples], "model": [model]},
        {"inference_result": [InferenceResult(place)]},
        {"inference_format": form},
        work_dir=tempfile.mkdtemp(dir=folder),
    )
    BulkInferrerExecutor().execute(task)
    shutil.rmtree(place)


def in_memory(model: Model, table: pa.Table) -> Callable[[], Any]:
    """The same predictions, by the model's library, of rows that are in memory."""
    if os.path.exists(model.path("Format-Serving", "model.skops")):
        import skops.io

        path = model.path("Format-Serving", "model.skops")
        fitted = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        frame = table.to_pandas()[[*NUMBERS, *TEXTS]]
        return lambda: (fitted.predict(frame), fitted.predict_proba(frame))
    import tensorflow as tf

    from penstock.components.ingest.example_encoding import encode_examples

    loaded = tf.saved_model.load(model.path("Format-Serving"))
    encoded = [
        tf.constant(encode_examples(batch).to_numpy(zero_copy_only=False))
        for batch in table.select([*NUMBERS, *TEXTS]).to_batches(4096)
    ]
    call = loaded.signatures["serving_default"]
    return lambda: [call(examples=each)["score"].numpy() for each in encoded]


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median of several runs, after one that is not counted."""
    work()
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def compare(folder: str, rows: int, repeats: int) -> None:
    """Both models, in all forms."""
    examples = write_records(os.path.join(folder, "records"), rows)
    table = read_table(examples, "all")
    models: Sequence[tuple[str, Model, tuple[str, ...]]] = (
        ("tensorflow", network(os.path.join(folder, "tensorflow")),
         ("parquet", "prediction_log")),
        ("sklearn", sklearn_model(os.path.join(folder, "sklearn"), table), ("parquet",)),
    )  # fmt: skip
    print(f"{rows} records")
    for name, model, forms in models:
        seconds = median_seconds(in_memory(model, table), repeats)
        print(f"  {name + ', in memory':<32}{seconds:7.2f} s{rows / seconds:12,.0f} rows/s")
        for form in forms:

            def work(model: Model = model, form: str = form) -> None:
                infer(folder, examples, model, form)

            seconds = median_seconds(work, repeats)
            print(f"  {f'{name}, {form}':<32}{seconds:7.2f} s{rows / seconds:12,.0f} rows/s")


def main() -> None:
    """Measures, in a folder that is deleted afterwards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where to put the files")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="penstock-bench-", dir=arguments.folder)
    try:
        compare(folder, arguments.rows, arguments.repeats)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
