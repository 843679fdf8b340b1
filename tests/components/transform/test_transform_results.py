# SPDX-License-Identifier: Apache-2.0
"""What Transform writes, against TensorFlow Transform's own way and against arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_transform")

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def parquet_run(
    raw_examples: Any, taxi_preprocessing_fn: Any, run_transform: Callable[..., Any]
) -> tuple[Any, Any]:
    """Graph and examples, from Parquet."""
    result: tuple[Any, Any] = run_transform(raw_examples, taxi_preprocessing_fn)
    return result


def _read(examples: Any, split: str) -> dict[str, list[Any]]:
    from penstock.components.ingest.examples_reader import read_table

    columns: dict[str, list[Any]] = read_table(examples, split).to_pydict()
    return columns


def test_graph_is_what_tensorflow_transform_reads(parquet_run: Any) -> None:
    """`tft.TFTransformOutput`, on which every run_fn rests, does not work."""
    import tensorflow_transform as tft

    output = tft.TFTransformOutput(parquet_run[0].uri)
    assert set(output.vocabulary_by_name("payments")) == {b"cash", b"card", b"app"}
    assert set(output.raw_feature_spec()) == {
        "fare", "miles", "payment type", "hour", "tags", "tip",
    }  # fmt: skip
    assert set(output.transformed_feature_spec()) == set(_read(parquet_run[1], "train"))
    assert output.transform_features_layer() is not None


def test_values_are_those_of_the_training_split(parquet_run: Any, raw_table: Any) -> None:
    """Means leak from evaluation data, or rows are out of order."""
    fare = raw_table["fare"].to_numpy()
    train, rest = fare[:400], fare[400:]
    expected = (rest - train.mean()) / train.std()
    found = np.array(_read(parquet_run[1], "eval")["fare_z"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    hours = [pair[1] for pair in _read(parquet_run[1], "train")["fare_and_hour"]]
    assert hours == raw_table["hour"].to_pylist()[:400]


def test_files_are_plain_where_each_row_has_one_value(parquet_run: Any) -> None:
    """Transformed data is larger and slower to read than it need be."""
    import pyarrow.parquet as pq

    (path,) = Path(parquet_run[1].split_uri("train")).iterdir()
    assert path.name == "data_parquet-00000-of-00001.parquet"
    types = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert types["fare_z"] == "float"
    assert types["payment"] == "int64"
    assert types["tags"].startswith("large_list")


def test_payload_format_is_kept_and_the_content_is_the_same(
    parquet_run: Any,
    taxi_preprocessing_fn: Any,
    raw_table: Any,
    write_raw: Any,
    run_transform: Any,
) -> None:
    """TFRecord pipelines change format halfway, or compute something else."""
    graph, examples = run_transform(write_raw(raw_table, "tfrecord_gzip"), taxi_preprocessing_fn)
    names = [path.name for path in Path(examples.split_uri("eval")).iterdir()]
    assert names == ["data_tfrecord-00000-of-00001.gz"]
    assert examples.custom_properties["payload_format"] == "tfrecord"
    assert graph.content_digest == parquet_run[0].content_digest
    for split in ("train", "eval"):
        expected, found = _read(parquet_run[1], split), _read(examples, split)
        expected["payment_text"] = [bytes(text) for text in expected["payment_text"]]
        expected["tags"] = [tags or None for tags in expected["tags"]]
        found["tags"] = [tags or None for tags in found["tags"]]
        assert found == expected


def test_equals_a_plain_tensorflow_transform_pipeline(
    parquet_run: Any,
    taxi_preprocessing_fn: Any,
    raw_examples: Any,
    schema_artifact: Any,
    tmp_path: Path,
) -> None:
    """Reading Arrow directly, or leaving Beam out, changed a result."""
    import apache_beam as beam
    import pyarrow as pa
    import tensorflow_transform.beam as tft_beam
    from tfx_bsl.public.tfxio import TFExampleBeamRecord

    from penstock.components.ingest.examples_reader import iter_tfdv_batches
    from penstock.components.transform.transform_executor import read_schema

    config = TFExampleBeamRecord(
        physical_format="parquet",
        telemetry_descriptors=["test"],
        schema=read_schema(schema_artifact),
    ).TensorAdapterConfig()
    names = config.arrow_schema.names
    batches = {
        s: list(iter_tfdv_batches(raw_examples, s, columns=names)) for s in raw_examples.splits
    }
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(tmp_path)):
        train, rest = (pipeline | split >> beam.Create(batches[split]) for split in batches)
        (_, metadata), graph = (train, config) | tft_beam.AnalyzeAndTransformDataset(
            taxi_preprocessing_fn, output_record_batches=True
        )
        transformed, _ = ((rest, config), (graph[0], metadata)) | tft_beam.TransformDataset(
            output_record_batches=True
        )
        _ = transformed | beam.Map(_keep, str(tmp_path / "kept"))
    with pa.OSFile(str(tmp_path / "kept")) as file:
        expected = pa.ipc.open_file(file).read_all().to_pydict()
    ours = _read(parquet_run[1], "eval")
    assert set(ours) == set(expected)
    for name, values in expected.items():
        plain = ours[name] if isinstance(ours[name][0], list) else [[v] for v in ours[name]]
        assert plain == values, name


def _keep(element: Any, path: str) -> None:
    """Keeps the one batch of a pipeline; its functions are copied, so a list would not do."""
    import pyarrow as pa

    batch, _ = element
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def test_several_artifacts_are_one_data_set(
    parquet_run: Any,
    taxi_preprocessing_fn: Any,
    raw_table: Any,
    write_raw: Any,
    run_transform: Any,
    tmp_path: Path,
) -> None:
    """Spans are analyzed apart, or one of them is lost."""
    both = [write_raw(raw_table), write_raw(raw_table)]
    _, examples = run_transform(
        both, taxi_preprocessing_fn, splits_config={"analyze": ["train"], "transform": ["eval"]}
    )
    assert examples.splits == ["eval"]
    assert sorted(path.name for path in Path(examples.split_uri("eval")).iterdir()) == [
        "data_parquet-00000-of-00002.parquet",
        "data_parquet-00001-of-00002.parquet",
    ]
    once = _read(parquet_run[1], "eval")["payment"]
    assert _read(examples, "eval")["payment"] == once + once


def test_analyzers_may_follow_from_each_other(
    raw_examples: Any, raw_table: Any, run_transform: Any
) -> None:
    """Three dependent passes over the data do not finish on the local Beam runner."""

    def preprocessing_fn(inputs: Any) -> Any:
        import tensorflow as tf
        import tensorflow_transform as tft

        scaled = tft.scale_to_0_1(inputs["fare"])
        normal = tft.scale_to_z_score(tf.math.log1p(scaled))
        return {"half": tft.bucketize(normal, 2), "normal": normal}

    _, examples = run_transform(
        raw_examples, preprocessing_fn, splits_config={"transform": ["train"]}
    )
    fare = raw_table["fare"].to_numpy()[:400].astype("float32")
    scaled = np.log1p((fare - fare.min()) / (fare.max() - fare.min()))
    found = _read(examples, "train")
    np.testing.assert_allclose(found["normal"], (scaled - scaled.mean()) / scaled.std(), atol=1e-4)
    assert abs(sum(found["half"]) - 200) <= 2


@pytest.mark.beam
def test_another_runner_writes_the_same_bytes(
    parquet_run: Any, raw_examples: Any, schema_artifact: Any, tmp_path: Path
) -> None:
    """What a Beam runner's workers write differs from what one process writes."""
    from penstock.components.ingest.payload import PayloadFormat
    from penstock.components.transform.feature_reader import FeatureReader
    from penstock.components.transform.graph_application import (
        GraphApplication,
        Shard,
        write_with_beam,
    )
    from penstock.components.transform.transform_executor import read_schema

    application = GraphApplication(parquet_run[0].uri, FeatureReader(read_schema(schema_artifact)))
    shards, written = [], []
    for split in raw_examples.splits:
        (source,) = Path(raw_examples.split_uri(split)).iterdir()
        (target,) = Path(parquet_run[1].split_uri(split)).iterdir()
        shards.append(Shard(split, str(source), str(tmp_path / split)))
        written.append((tmp_path / split, target))
    write_with_beam(application, shards, PayloadFormat.PARQUET, ["--runner=FnApiRunner"])
    for ours, theirs in written:
        assert ours.read_bytes() == theirs.read_bytes()
