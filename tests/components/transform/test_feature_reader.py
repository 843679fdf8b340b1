# SPDX-License-Identifier: Apache-2.0
"""Raw rows as `tfx_bsl` batches, from either payload format."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tfx_bsl.public.tfxio")

from penstock.components.transform.feature_reader import FeatureReader
from penstock.utils.errors import DataError

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def reader(schema_artifact: Any) -> FeatureReader:
    """Reads the taxi-like data."""
    from penstock.components.transform.transform_executor import read_schema

    return FeatureReader(read_schema(schema_artifact), "node")


def _batches(reader: FeatureReader, examples: Any, rows: int) -> list[Any]:
    (path,) = Path(examples.split_uri("train")).iterdir()
    return list(reader(str(path), rows))


def test_payload_formats_give_equal_batches(
    reader: FeatureReader, raw_examples: Any, raw_table: Any, write_raw: Any
) -> None:
    """What a Transform computes depends on how its input is stored."""
    columns = _batches(reader, raw_examples, 150)
    records = _batches(reader, write_raw(raw_table, "tfrecord"), 150)
    assert [batch.num_rows for batch in columns] == [150, 150, 100]
    for ours, theirs in zip(columns, records, strict=True):
        assert ours.schema == theirs.schema == reader.config.arrow_schema
        for name, values in ours.to_pydict().items():
            # A `tf.Example` cannot tell an empty list from a missing one.
            assert [v or None for v in values] == [v or None for v in theirs.to_pydict()[name]]


def test_copies_read_the_same(reader: FeatureReader, raw_examples: Any) -> None:
    """Beam's workers cannot be given a reader."""
    copy = pickle.loads(pickle.dumps(reader))
    assert _batches(copy, raw_examples, 400)[0].equals(_batches(reader, raw_examples, 400)[0])


def test_some_features_are_read_as_among_all(
    reader: FeatureReader, raw_examples: Any, raw_table: Any, write_raw: Any
) -> None:
    """A feature has other values where the others are not decoded."""
    for examples in (raw_examples, write_raw(raw_table, "tfrecord")):
        (whole,) = _batches(reader, examples, 400)
        (some,) = _batches(reader.only(["tags", "fare"]), examples, 400)
        assert some.schema.names == ["fare", "tags"]
        for name in some.schema.names:
            assert some.column(name).equals(whole.column(name))
    assert reader.only(reader.feature_names) is reader


def test_features_that_are_not_read_must_be_there(
    reader: FeatureReader, raw_table: Any, write_raw: Any
) -> None:
    """A column that was lost goes unnoticed because nothing is computed from it."""
    examples = write_raw(raw_table.drop(["tip"]))
    with pytest.raises(DataError, match="feature 'tip' is missing from the data"):
        _batches(reader.only(["fare"]), examples, 400)


def test_whole_numbers_may_be_read_as_floats(raw_examples: Any) -> None:
    """A span whose amounts happen to be whole numbers cannot be read."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    text = 'feature { name: "hour" type: FLOAT shape {} presence { min_fraction: 1.0 } }'
    schema = text_format.Parse(text, schema_pb2.Schema())
    batch = _batches(FeatureReader(schema), raw_examples, 3)[0]
    assert all(isinstance(value, float) for (value,) in batch.to_pydict()["hour"])


def test_rows_of_the_wrong_length_are_explained(raw_examples: Any) -> None:
    """A shape in the schema that the data contradicts ends in a library's ValueError."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    text = """feature { name: "hour" type: INT presence { min_fraction: 1.0 }
              shape { dim { size: 2 } } }"""
    reader = FeatureReader(text_format.Parse(text, schema_pb2.Schema()), "node")
    batch = _batches(reader, raw_examples, 10)[0]
    with pytest.raises(DataError, match="shape that the schema gives") as caught:
        reader.tensors(batch, eager=True)
    assert "'hour'" in str(caught.value.got)


def test_schema_without_features_is_refused() -> None:
    """An empty schema ends in an error about tensors."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    with pytest.raises(DataError, match="names no features"):
        _ = FeatureReader(schema_pb2.Schema()).config
