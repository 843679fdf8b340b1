# SPDX-License-Identifier: Apache-2.0
"""A TFX pipeline with module files as they are, from CSV to a pushed model."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import tfx
from penstock.utils.errors import PenstockError

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: As authors write it for TFX: it imports `tfx`, which is not installed here, reads compressed
#: TFRecord files by itself, and saves as Keras 2 does.
MODULE = """
import os

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx
from tfx.components.transform.stats_options_util import StatsType
from tfx.utils import io_utils
from tfx_bsl.public import tfxio


def preprocessing_fn(inputs):
    return {"size_z": tft.scale_to_z_score(inputs["size"]), "label": inputs["label"]}


def stats_options_updater_fn(stats_type, stats_options):
    stats_options.num_top_values = 3 if stats_type == StatsType.PRE_TRANSFORM else 4
    return stats_options


def _dataset(fn_args: tfx.components.FnArgs, files, transform):
    return fn_args.data_accessor.tf_dataset_factory(
        files, tfxio.TensorFlowDatasetOptions(batch_size=16, label_key="label"),
        transform.transformed_metadata.schema).repeat()


def run_fn(fn_args: tfx.components.FnArgs):
    schema = io_utils.parse_pbtxt_file(fn_args.schema_file, schema_pb2.Schema())
    assert {feature.name for feature in schema.feature} == {"size", "label"}
    pattern = fn_args.train_files[0]
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(pattern), compression_type="GZIP")
    assert sum(1 for _ in records) > 10
    transform = tft.TFTransformOutput(fn_args.transform_output)
    inputs = tf.keras.Input((1,), name="size_z")
    outputs = tf.keras.layers.Dense(1, activation="sigmoid")(inputs)
    model = tf.keras.Model({"size_z": inputs}, outputs)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.1), loss="binary_crossentropy")
    model.fit(_dataset(fn_args, fn_args.train_files, transform),
              steps_per_epoch=fn_args.train_steps, verbose=0)
    model.tft_layer = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        spec = transform.raw_feature_spec()
        spec.pop("label")
        features = model.tft_layer(tf.io.parse_example(examples, spec))
        return {"outputs": model(features)}

    # Keras 2, as everywhere in TFX: Keras 3 has no such format.
    model.save(fn_args.serving_model_dir, save_format="tf", signatures={"serving_default": serve})
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Makes the pipeline anew, as each run of a script does."""
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")  # as importing penstock.tfx does
    # In a checkout, `tfx` would be the file at its root.
    monkeypatch.chdir(tmp_path)
    path = [folder for folder in sys.path if folder and not Path(folder, "tfx.py").is_file()]
    monkeypatch.setattr(sys, "path", path)
    data = tmp_path / "data"
    data.mkdir()
    chance = random.Random(7)
    rows = [f"{value:.3f},{int(value > 0)}" for value in (chance.gauss(0, 1) for _ in range(300))]
    (data / "data.csv").write_text("size,label\n" + "\n".join(rows) + "\n")
    module_file = tmp_path / "face_module.py"
    module_file.write_text(MODULE)

    def pipeline() -> Any:
        example_gen = tfx.components.CsvExampleGen(input_base=str(data))
        statistics = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
        schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
        validator = tfx.components.ExampleValidator(
            statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
        )
        transform = tfx.components.Transform(
            examples=example_gen.outputs["examples"],
            schema=schema.outputs["schema"],
            module_file=str(module_file),
        )
        trainer = tfx.components.Trainer(
            module_file=str(module_file),
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=schema.outputs["schema"],
            train_args=tfx.proto.TrainArgs(num_steps=40),
            eval_args=tfx.proto.EvalArgs(num_steps=1),
        )
        resolver = tfx.dsl.Resolver(
            strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
            model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        ).with_id("latest_blessed_model_resolver")
        threshold = {"value_threshold": {"lower_bound": {"value": 0.7}}}
        evaluator = tfx.components.Evaluator(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            baseline_model=resolver.outputs["model"],
            eval_config={
                "model_specs": [{"signature_name": "serving_default", "label_key": "label"}],
                "slicing_specs": [{}],
                "metrics_specs": [
                    {"metrics": [{"class_name": "BinaryAccuracy", "threshold": threshold}]}
                ],
            },
        )
        blessing = evaluator.outputs["blessing"]
        with tfx.dsl.Cond(blessing.future()[0].custom_property("blessed") == 1):
            pusher = tfx.components.Pusher(
                model=trainer.outputs["model"],
                push_destination=tfx.proto.PushDestination(
                    filesystem=tfx.proto.PushDestination.Filesystem(
                        base_directory=str(tmp_path / "served")
                    )
                ),
            )
        return tfx.dsl.Pipeline(
            pipeline_name="face",
            pipeline_root=str(tmp_path / "root"),
            components=[
                example_gen, statistics, schema, validator, transform, trainer, resolver,
                evaluator, pusher,
            ],
            enable_cache=True,
            metadata_connection_config=(
                tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.db")
                )
            ),
            beam_pipeline_args=["--direct_running_mode=multi_processing"],
        )  # fmt: skip

    return pipeline


def test_a_tfx_pipeline_pushes_a_model_and_is_reused(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    """If it fails, people who move from TFX do not get as far as a pushed model."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    result = tfx.orchestration.LocalDagRunner().run(make())
    (version,) = (path for path in (tmp_path / "served").iterdir() if path.name.isdigit())
    assert (version / "saved_model.pb").is_file()
    assert result.outcomes["Evaluator"].outputs["blessing"][0].blessed
    (after,) = result.outcomes["Transform"].outputs["post_transform_stats"]
    assert set(after.splits) == {"train", "eval"}
    found = statistics_pb2.DatasetFeatureStatisticsList.FromString(
        Path(after.split_uri("eval"), "FeatureStats.pb").read_bytes()
    )
    assert found.datasets[0].num_examples > 50
    again = tfx.orchestration.LocalDagRunner().run(make())
    states = {name: outcome.state.value for name, outcome in again.outcomes.items()}
    states.pop("latest_blessed_model_resolver")
    assert set(states.values()) == {"cached"}


def test_a_generator_of_ones_own_reads_by_a_beam_transform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, generators for other sources do not survive the move."""
    (tmp_path / "face_source.py").write_text(
        """
import apache_beam as beam
import tensorflow as tf
from penstock.tfx.components.example_gen import utils
from penstock.tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor


@beam.ptransform_fn
def _rows(pipeline, exec_properties, split_pattern):
    count = int(split_pattern)
    return (pipeline | beam.Create(range(count))
            | beam.Map(lambda n: utils.dict_to_example({"n": n, "text": str(n)})))


class Executor(BaseExampleGenExecutor):
    def GetInputSourceToExamplePTransform(self):
        return _rows
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import face_source

    from penstock.tfx.components.example_gen.component import QueryBasedExampleGen
    from penstock.tfx.dsl.components.base import executor_spec

    class Numbers(QueryBasedExampleGen):
        EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(face_source.Executor)

    node = Numbers(input_config=tfx.proto.Input(splits=[{"name": "all", "pattern": "30"}]))
    pipeline = tfx.dsl.Pipeline("numbers", str(tmp_path / "root"), components=[node])
    (examples,) = (
        tfx.orchestration.LocalDagRunner().run(pipeline).outcomes["Numbers"].outputs["examples"]
    )
    assert examples.splits == ["train", "eval"]
    assert sum(1 for _ in Path(examples.uri).glob("Split-*/*.gz")) == 2


def test_a_failure_is_raised(tmp_path: Path) -> None:
    """If it fails, a script ends as if all had gone well."""
    node = tfx.components.CsvExampleGen(input_base=str(tmp_path / "nothing"))
    pipeline = tfx.dsl.Pipeline("failing", str(tmp_path / "root"), components=[node])
    with pytest.raises(PenstockError):
        tfx.orchestration.LocalDagRunner().run(pipeline)


def test_a_notebook_gets_at_artifacts(tmp_path: Path) -> None:
    """If it fails, notebooks written for TFX find no artifacts of a component that ran."""
    from penstock.tfx.orchestration.experimental.interactive.interactive_context import (
        InteractiveContext,
    )

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "d.csv").write_text("a,b\n" + "1,2\n2,3\n" * 20)
    context = InteractiveContext(pipeline_root=str(tmp_path / "root"))
    example_gen = tfx.components.CsvExampleGen(input_base=str(tmp_path / "data"))
    context.run(example_gen, enable_cache=True)
    (examples,) = example_gen.outputs["examples"].get()
    assert Path(examples.uri).is_dir() and "train" in examples.split_names
