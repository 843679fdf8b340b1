# SPDX-License-Identifier: Apache-2.0
"""A project with real components on a small CSV file, as a newcomer might write it."""

from __future__ import annotations

from pathlib import Path

PIPELINE = """\
from penstock import (
    CsvExampleGen, Evaluator, Examples, Input, Output, Pipeline, SchemaGen, Schema,
    StatisticsGen, Trainer, Transform, component,
)


@component
def greet(text: Output[Schema]) -> None:
    with open(text.path("greeting"), "w") as file:
        file.write("hello")


@component
def fill(examples: Input[Examples], table: Output[Examples], megabytes: int = 0) -> None:
    with open(table.path("rows"), "wb") as file:
        for _ in range(megabytes):
            file.write(bytes(1_000_000))


@component
def tell(table: Input[Examples], text: Input[Schema], told: Output[Schema]) -> None:
    with open(told.path("told"), "w") as file:
        file.write("told")


def create_pipeline():
    read = CsvExampleGen(input_base="data.csv")
    greeted = greet()
    filled = fill(examples=read.outputs["examples"])
    told = tell(table=filled.outputs["table"], text=greeted.outputs["text"])
    return Pipeline("small", components=[read, greeted, filled, told])


def create_model():
    read = CsvExampleGen(input_base="data.csv")
    statistics = StatisticsGen(examples=read.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=read.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file="features.py",
    )
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        module_file="training.py",
    )
    metrics = [{"metrics": [{"class_name": "AUC"}]}]
    evaluator = Evaluator(
        examples=read.outputs["examples"],
        model=trainer.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config={"model_specs": [{"label_key": "label"}], "metrics_specs": metrics},
    )
    nodes = [read, statistics, schema, transform, trainer, evaluator]
    return Pipeline("model", components=nodes)
"""

FEATURES = """\
import tensorflow_transform as tft


def preprocessing_fn(inputs):
    return {"x": scaled(inputs["x"]), "label": inputs["label"]}


def scaled(column):
    return tft.scale_to_z_score(column)
"""

TRAINING = """\
import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions


def run_fn(fn_args):
    transform = tft.TFTransformOutput(fn_args.transform_output)
    options = TensorFlowDatasetOptions(batch_size=32, num_epochs=1, label_key="label")
    data = fn_args.data_accessor.tf_dataset_factory(
        fn_args.train_files, options, transform.transformed_metadata.schema
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy")
    model.fit(data.map(lambda features, label: (features["x"], label)), verbose=2)
    served = tf.Module()
    served.model, served.transform = model, transform.transform_features_layer()
    raw = transform.raw_feature_spec()
    raw.pop("label")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        features = served.transform(tf.io.parse_example(examples, raw))
        return {"probability": served.model(features["x"])}

    tf.saved_model.save(served, fn_args.serving_model_dir, {"serving_default": serve})
"""


def write_csv_project(folder: Path) -> None:
    """Writes `pipeline.py`, its module files and `data.csv`."""
    rows = [f"{n * 37 % 100 / 100},{'abc'[n % 3]},{int(n * 37 % 100 > 50)}" for n in range(300)]
    (folder / "data.csv").write_text("\n".join(["x,kind,label", *rows]) + "\n")
    (folder / "pipeline.py").write_text(PIPELINE)
    (folder / "features.py").write_text(FEATURES)
    (folder / "training.py").write_text(TRAINING)
