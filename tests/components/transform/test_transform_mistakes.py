# SPDX-License-Identifier: Apache-2.0
"""Mistakes in feature code, schema and data: each has a message that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow_transform")

from penstock.components.base.artifact_types import Schema
from penstock.utils.errors import CodeError, DataError, StorageError, UserCodeError

pytestmark = pytest.mark.heavy

Run = Callable[..., Any]


def _schema(folder: Path, text: str) -> Schema:
    (folder / "schema.pbtxt").write_text(text)
    return Schema(str(folder))


def _identity(inputs: Any) -> Any:
    return {name.replace(" ", "_"): value for name, value in inputs.items()}


def test_user_exception_comes_through_as_it_is(raw_examples: Any, run_transform: Run) -> None:
    """Users see Beam's wrapping in place of their own exception and its traceback."""

    def preprocessing_fn(inputs: Any) -> Any:
        return {"x": inputs["fare"] * (1 / len([]))}

    with pytest.raises(ZeroDivisionError) as caught:
        run_transform(raw_examples, preprocessing_fn)
    assert caught.traceback[-1].name == "preprocessing_fn"


def test_exception_of_a_later_tracing_comes_through(raw_examples: Any, run_transform: Run) -> None:
    """An exception inside Beam's stages reaches the user as a Beam error."""
    import tensorflow_transform as tft

    calls = []

    def preprocessing_fn(inputs: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise LookupError("no more")
        return {"x": tft.scale_to_z_score(inputs["fare"])}

    with pytest.raises(LookupError, match="no more") as caught:
        run_transform(raw_examples, preprocessing_fn)
    assert caught.traceback[-1].name == "preprocessing_fn"
    assert caught.value.__cause__ is None


def test_misspelt_feature_names_the_nearest(raw_examples: Any, run_transform: Run) -> None:
    """A typing error ends in a bare KeyError."""
    with pytest.raises(DataError, match="asks for a feature 'mile' that") as caught:
        run_transform(raw_examples, lambda inputs: {"x": inputs["mile"]})
    assert caught.value.suggestion == "miles"
    assert caught.value.node == "Transform"
    with pytest.raises(KeyError):
        raise caught.value


def test_function_without_inputs_is_told(raw_examples: Any, run_transform: Run) -> None:
    """The mistake is told as one of Penstock's own code."""
    with pytest.raises(CodeError, match="too many positional arguments") as caught:
        run_transform(raw_examples, lambda: {})
    assert caught.value.expected == "def preprocessing_fn(inputs)"
    assert "test_transform_mistakes.py" in (caught.value.location or "")


def _padded(tags: Any) -> Any:
    import tensorflow as tf

    return tf.sparse.to_dense(tags)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda inputs: None, "returned no features by name"),
        (lambda inputs: [inputs["fare"]], "returned no features by name"),
        (lambda inputs: {"x": 3.0}, "no tensor as 'x'"),
        (lambda inputs: {"x": inputs["tip"].dense_shape[0]}, "'x' without a dimension"),
        (lambda inputs: {"x": inputs["fare"] > 1}, "'x' with a type that examples do not have"),
        (lambda inputs: {"x": _padded(inputs["tags"])}, "'x' with a shape that may differ"),
    ],
    ids=["none", "list", "number", "scalar", "bool", "as wide as the batch wants"],
)
def test_wrong_return_value_is_named(
    raw_examples: Any, run_transform: Run, returned: Any, message: str
) -> None:
    """What is wrong with a return value must be guessed from TensorFlow's internals."""
    with pytest.raises(UserCodeError, match=message) as caught:
        run_transform(raw_examples, returned)
    assert "test_transform_mistakes.py" in (caught.value.location or "")


def test_column_missing_from_the_data(raw_table: Any, write_raw: Any, run_transform: Run) -> None:
    """A missing label is reported as a shape error deep inside a library."""
    renamed = raw_table.rename_columns(
        [n if n != "tip" else "tips" for n in raw_table.schema.names]
    )
    with pytest.raises(DataError, match="feature 'tip' is missing from the data") as caught:
        run_transform(write_raw(renamed), _identity)
    assert caught.value.suggestion == "tips"
    assert str(caught.value.location).endswith(".parquet")


def test_optional_column_may_be_missing(
    raw_table: Any, write_raw: Any, run_transform: Run, tmp_path: Path
) -> None:
    """A feature that the schema makes optional is demanded."""
    schema = _schema(
        tmp_path,
        'feature { name: "tags" type: BYTES value_count { min: 0 } }'
        'feature { name: "hour" type: INT shape {} presence { min_fraction: 1.0 } }',
    )
    examples = write_raw(raw_table.drop(["tags"]))
    _, transformed = run_transform(examples, _identity, schema=schema)
    assert transformed.splits == ["train", "eval"]


def test_missing_values_where_the_schema_forbids_them(
    raw_examples: Any, run_transform: Run, tmp_path: Path
) -> None:
    """The feature whose values are missing is not named."""
    schema = _schema(
        tmp_path,
        'feature { name: "miles" type: FLOAT shape {} presence { min_fraction: 1.0 } }',
    )
    with pytest.raises(DataError, match="feature 'miles' has no value in some rows"):
        run_transform(raw_examples, _identity, schema=schema)


def test_other_type_than_the_schema_says(
    raw_examples: Any, run_transform: Run, tmp_path: Path
) -> None:
    """A feature of the wrong type is silently converted, or reported without its name."""
    schema = _schema(tmp_path, 'feature { name: "fare" type: BYTES value_count { max: 1 } }')
    with pytest.raises(DataError, match="feature 'fare' has another type") as caught:
        run_transform(raw_examples, _identity, schema=schema)
    assert caught.value.expected == "texts or bytes"


def test_graph_that_fails_on_data_says_why(raw_examples: Any, run_transform: Run) -> None:
    """An assertion of the user's in the graph is lost in TensorFlow's node names."""

    def preprocessing_fn(inputs: Any) -> Any:
        import tensorflow as tf

        with tf.control_dependencies([tf.debugging.assert_less(inputs["fare"], 0.1, "too dear")]):
            return {"fare": tf.identity(inputs["fare"])}

    with pytest.raises(DataError, match="the transform graph failed") as caught:
        run_transform(raw_examples, preprocessing_fn)
    assert "too dear" in str(caught.value.got)


def test_rows_must_not_get_lost(raw_examples: Any, run_transform: Run) -> None:
    """A filter in preprocessing_fn silently misaligns features and labels."""
    with pytest.raises(DataError, match="changes the number of rows of feature 'fare'") as caught:
        run_transform(raw_examples, lambda inputs: {"fare": inputs["fare"][:-1]})
    assert caught.value.expected == "400 rows, as it was given"


def test_shape_that_differs_between_batches_is_named(raw_examples: Any, run_transform: Run) -> None:
    """A width that a function promises and does not keep ends in an error of Arrow's."""

    def preprocessing_fn(inputs: Any) -> Any:
        import tensorflow as tf

        # 400 rows to analyze, 200 in the other split.
        width = tf.shape(inputs["fare"])[0] // 200
        wide = tf.tile(inputs["fare"], [1, width])
        wide.set_shape([None, 2])
        return {"wide": wide, "fare": inputs["fare"]}

    with pytest.raises(DataError, match="'wide' a shape that differs between batches") as caught:
        run_transform(raw_examples, preprocessing_fn)
    assert caught.value.node == "Transform"
    assert caught.value.expected == "[2] in every row, as when it was traced"
    assert caught.value.got == "[1] in a batch of 200 rows"


def test_analyzer_that_finds_nan_is_named(
    raw_examples: Any, run_transform: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """A division by zero turns a feature into NaN, and nobody is told."""

    def preprocessing_fn(inputs: Any) -> Any:
        import tensorflow as tf
        import tensorflow_transform as tft

        fare = inputs["fare"]
        lowest = tft.min(tf.math.log(fare - fare - 1.0), name="lowest_log")
        return {"x": fare - lowest}

    run_transform(raw_examples, preprocessing_fn)
    assert "lowest_log" in caplog.text
    assert "found NaN" in caplog.text


@pytest.mark.parametrize("returned", [b"text", 2.5], ids=["text", "number"])
def test_python_values_are_no_features(
    raw_examples: Any, run_transform: Run, returned: Any
) -> None:
    """A value that is the same in every row becomes a feature of some accidental shape."""
    with pytest.raises(UserCodeError, match="no tensor as 'x'"):
        run_transform(raw_examples, lambda inputs: {"fare": inputs["fare"], "x": returned})


def test_unknown_split_is_named(raw_examples: Any, run_transform: Run) -> None:
    """A misspelt split analyzes nothing."""
    with pytest.raises(DataError, match="has no split 'trian'") as caught:
        run_transform(raw_examples, _identity, splits_config={"analyze": ["trian"]})
    assert caught.value.suggestion == "train"


def test_custom_config_is_passed_where_it_is_taken(raw_examples: Any, run_transform: Run) -> None:
    """`custom_config` does not reach the user's function, or one without it breaks."""
    seen = []

    def preprocessing_fn(inputs: Any, custom_config: Any) -> Any:
        seen.append(custom_config)
        return {"x": inputs["fare"] * custom_config["factor"]}

    _, examples = run_transform(
        raw_examples, preprocessing_fn, materialize=False, custom_config={"factor": 2.0}
    )
    assert examples.splits == []
    assert seen[0] == {"factor": 2.0}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_named(
    raw_examples: Any, run_transform: Run, schema_artifact: Any, tmp_path: Path
) -> None:
    """A full disk reads as an internal error of Arrow or TensorFlow."""
    import tensorflow as tf

    from penstock.components.ingest.payload import PayloadFormat
    from penstock.components.transform.feature_reader import FeatureReader
    from penstock.components.transform.graph_application import GraphApplication, Shard
    from penstock.components.transform.graph_errors import explain_op_error
    from penstock.components.transform.transform_executor import read_schema

    graph, _ = run_transform(raw_examples, lambda i: {"x": i["fare"]}, materialize=False)
    (source,) = Path(raw_examples.split_uri("eval")).iterdir()
    target = tmp_path / "target"
    target.symlink_to("/dev/full")
    application = GraphApplication(graph.uri, FeatureReader(read_schema(schema_artifact)))
    with pytest.raises(StorageError, match="the disk is full"):
        application.write(Shard("eval", str(source), str(target)), PayloadFormat.PARQUET)
    text = f"{target}; No space left on device"
    told = explain_op_error(tf.errors.ResourceExhaustedError(None, None, text), "Transform")
    assert isinstance(told, StorageError)
    assert "the disk is full" in told.what
