# SPDX-License-Identifier: Apache-2.0
"""`data_accessor` against `tfx_bsl` itself, over the same rows in both payload formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tfxio = pytest.importorskip("tfx_bsl.public.tfxio")

from penstock.components.train.data_access import ExamplesAccess  # noqa: E402
from penstock.utils.errors import DataError  # noqa: E402

pytestmark = pytest.mark.heavy


def _first_file(examples: Any) -> str:
    """A pattern for one file: tfx_bsl interleaves the records of several."""
    return str(examples.split_uri("train")) + "/*-00000-of-00002*"


def _dataset(examples: Any, schema: Any, pattern: Any = None, **options: Any) -> Any:
    accessor = ExamplesAccess(0, "Trainer").accessor()
    wanted = tfxio.TensorFlowDatasetOptions(**{"shuffle": False, **options})
    return accessor.tf_dataset_factory(pattern or _first_file(examples), wanted, schema)


def _flat(dataset: Any) -> list[list[Any]]:
    return [
        [part.numpy() for part in tf.nest.flatten(batch, expand_composites=True)]
        for batch in dataset
    ]


@pytest.fixture(scope="module")
def tfrecord_examples(write_raw: Callable[..., Any]) -> Any:
    """The same rows as `tf.Example`s."""
    return write_raw("tfrecord_gzip")


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 64, "num_epochs": 1},
        {"batch_size": 64, "num_epochs": 2, "label_key": "label"},
        {"batch_size": 64, "num_epochs": 1, "drop_final_batch": True, "label_key": "product"},
        {"batch_size": 7, "num_epochs": None, "label_key": "label"},
    ],
)
def test_tensors_equal_those_of_tfx_bsl(
    raw_examples: Any, tfrecord_examples: Any, raw_schema: Any, options: dict[str, Any]
) -> None:
    """A run_fn written for TFX gets other structures, shapes, values or batches."""
    ours = _dataset(raw_examples, raw_schema, **options)
    source = tfxio.TFExampleRecord(
        _first_file(tfrecord_examples), schema=raw_schema, telemetry_descriptors=["test"]
    )
    theirs = source.TensorFlowDataset(
        tfxio.TensorFlowDatasetOptions(**{"shuffle": False, **options})
    )
    assert ours.element_spec == theirs.element_spec
    if options["num_epochs"] is None:
        ours, theirs = ours.take(120), theirs.take(120)
    found, expected = _flat(ours), _flat(theirs)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_tfrecord_files_are_read_through_the_same_accessor(
    tfrecord_examples: Any, raw_schema: Any
) -> None:
    """Changing payload_format breaks training code."""
    pattern = [tfrecord_examples.split_uri("train") + "/*"]
    dataset = _dataset(tfrecord_examples, raw_schema, pattern, batch_size=600, num_epochs=1)
    (batch,) = dataset
    assert sorted(batch["pair"].numpy()[:, 0]) == list(range(600))


def test_record_batches_equal_those_of_tfx_bsl(
    raw_examples: Any, tfrecord_examples: Any, raw_schema: Any
) -> None:
    """Code that trains on record batches gets other types or batches."""
    factory = ExamplesAccess(0, "Trainer").accessor().record_batch_factory
    options = tfxio.RecordBatchesOptions(batch_size=100, num_epochs=1, shuffle=False)
    ours = list(factory(_first_file(raw_examples), options, raw_schema))
    theirs = list(factory(_first_file(tfrecord_examples), options, raw_schema))
    assert [batch.num_rows for batch in ours] == [100, 100, 100, 50]
    for one, other in zip(ours, theirs, strict=True):
        assert one.schema == other.schema
        for name, values in one.to_pydict().items():
            assert [v or None for v in values] == [v or None for v in other.to_pydict()[name]]


def test_shuffling_repeats_and_changes_with_each_pass(raw_examples: Any, raw_schema: Any) -> None:
    """Training is not repeatable, or sees one order in every epoch."""

    def order(dataset: Any) -> list[int]:
        return [int(row) for batch in dataset for row in batch["pair"].numpy()[:, 0]]

    options = {"batch_size": 50, "num_epochs": 1, "shuffle": True}
    dataset = _dataset(raw_examples, raw_schema, **options)
    first, second = order(dataset), order(dataset)
    assert sorted(first) == sorted(second) == list(range(350))
    assert first != second
    assert first != sorted(first)
    assert order(_dataset(raw_examples, raw_schema, **options)) == first
    seeded = _dataset(raw_examples, raw_schema, **options, shuffle_seed=5)
    assert order(seeded) != first


def test_length_is_known(raw_examples: Any, raw_schema: Any) -> None:
    """Keras shows no total, or trains for ever without a word."""
    known = _dataset(raw_examples, raw_schema, batch_size=100, num_epochs=1)
    assert known.cardinality() == 4
    endless = _dataset(raw_examples, raw_schema, batch_size=100)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY


def test_label_that_is_no_feature_names_the_nearest(raw_examples: Any, raw_schema: Any) -> None:
    """A misspelt label_key ends in a list of all features."""
    with pytest.raises(DataError, match="no feature 'lable'") as caught:
        _dataset(raw_examples, raw_schema, batch_size=10, label_key="lable")
    assert caught.value.suggestion == "label"


def test_missing_schema_says_which_one_to_pass(raw_examples: Any) -> None:
    """Forgetting the third argument ends in an AttributeError."""
    with pytest.raises(DataError, match="needs a schema") as caught:
        _dataset(raw_examples, None, batch_size=10)
    assert "transformed_metadata.schema" in (caught.value.fix or "")


def test_pattern_without_files_is_named(raw_examples: Any, raw_schema: Any) -> None:
    """Training on nothing looks like training."""
    with pytest.raises(DataError, match="no file matches") as caught:
        _dataset(raw_examples, raw_schema, "/nowhere/*", batch_size=10)
    assert caught.value.got == "/nowhere/*"


def test_files_of_two_formats_are_refused(
    raw_examples: Any, tfrecord_examples: Any, raw_schema: Any
) -> None:
    """Half of the data is read as something it is not."""
    both = [_first_file(raw_examples), _first_file(tfrecord_examples)]
    with pytest.raises(DataError, match="different payload formats"):
        _dataset(raw_examples, raw_schema, both, batch_size=10)


def test_error_while_reading_is_kept(raw_examples: Any) -> None:
    """What is wrong with the data reaches the user as an internal error of TensorFlow."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    text = 'feature { name: "product" type: BYTES shape {} presence { min_fraction: 1.0 } }'
    schema = text_format.Parse(text, schema_pb2.Schema())
    access = ExamplesAccess(0, "Trainer")
    options = tfxio.TensorFlowDatasetOptions(batch_size=10, num_epochs=1)
    dataset = access.dataset(_first_file(raw_examples), options, schema)
    with pytest.raises(tf.errors.OpError):
        list(dataset)
    assert "feature 'product' has no value" in str(access.error)
