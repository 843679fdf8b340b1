# SPDX-License-Identifier: Apache-2.0
"""Analyzer caches: a new span is analyzed alone, and the result is that of a full pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow_transform")

from penstock.components.base.artifact_types import Examples, TransformCache
from penstock.utils.hashing import digest_tree

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

OUTPUT = {"updated_analyzer_cache": TransformCache}
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def spans(raw_table: Any, write_raw: Any) -> list[Any]:
    """Three spans with different rows; 200, 150 and 50 to train on."""
    cuts = [(0, 200, 20), (220, 150, 20), (390, 50, 20)]
    return [_write(raw_table.slice(at, train + rest), train, write_raw) for at, train, rest in cuts]


def _write(table: Any, train: int, write_raw: Any) -> Any:
    from penstock.components.ingest.examples_writer import write_examples
    from penstock.components.ingest.payload import PayloadFormat

    folder = write_raw(table).uri + "-span"
    Path(folder).mkdir()
    examples = Examples(folder)
    parts = {"train": table.slice(0, train).to_batches(), "eval": table.slice(train).to_batches()}
    write_examples(examples, parts, table.schema, PayloadFormat.PARQUET)
    examples.content_digest = digest_tree(folder)
    return examples


def _mixed(inputs: Any) -> dict[str, Any]:
    """Kinds of accumulators: moments, ranges, sketches, vocabularies, of keys."""
    import tensorflow as tf
    import tensorflow_transform as tft
    from taxi_features import dense

    miles = dense(inputs["miles"], 0.0)
    payment = dense(inputs["payment type"], "none")
    return {
        "z": tft.scale_to_z_score(inputs["fare"]),
        "unit": tft.scale_to_0_1(miles),
        "bucket": tft.bucketize(miles, 5),
        "bucket_per_key": tft.bucketize_per_key(miles, payment, 3),
        "z_per_key": tft.scale_to_z_score_per_key(miles, payment),
        "payment": tft.compute_and_apply_vocabulary(payment, vocab_filename="payments"),
        "hour": tft.compute_and_apply_vocabulary(inputs["hour"], vocab_filename="hours"),
        "weighted": tft.compute_and_apply_vocabulary(
            payment, weights=inputs["fare"][:, 0], vocab_filename="weighted"
        ),
        "told": tft.compute_and_apply_vocabulary(
            payment, labels=dense(inputs["tip"], 0), vocab_filename="told"
        ),
        "covariance": tf.zeros_like(miles)
        + tft.covariance(tf.stack([miles, inputs["fare"][:, 0]], 1), tf.float32)[0, 1],
        "size": tf.zeros_like(miles) + tf.cast(tft.size(miles), tf.float32),
    }


@pytest.fixture(scope="module")
def mixed(request: pytest.FixtureRequest) -> Any:
    """`_mixed`, with `taxi_features` where it can be imported."""
    import sys

    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    request.addfinalizer(lambda: sys.path.remove(folder))
    return _mixed


@pytest.fixture(scope="module")
def two_spans(spans: list[Any], mixed: Any, run_transform: Run) -> dict[str, Any]:
    """What a run over the first two spans left."""
    made: dict[str, Any] = {}
    run_transform(spans[:2], mixed, outputs=OUTPUT, made=made, materialize=False)
    return made


@pytest.fixture
def files_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are read, in order."""
    from penstock.components.transform.feature_reader import FeatureReader

    read: list[str] = []
    original = FeatureReader.__call__

    def noted(self: Any, path: str, *rest: Any) -> Any:
        read.append(path)
        return original(self, path, *rest)

    monkeypatch.setattr(FeatureReader, "__call__", noted)
    return read


def test_only_the_new_span_is_read_and_the_result_is_the_same(
    spans: list[Any],
    mixed: Any,
    two_spans: dict[str, Any],
    run_transform: Run,
    files_read: list[str],
) -> None:
    """Every span is read again in every run, or the graph drifts from that of a full pass."""
    made: dict[str, Any] = {}
    cache = {"analyzer_cache": two_spans["updated_analyzer_cache"]}
    graph, _ = run_transform(
        spans, mixed, inputs=cache, outputs=OUTPUT, made=made, materialize=False
    )
    assert [Path(path).parent for path in files_read] == [Path(spans[2].split_uri("train"))]
    assert made["recorded"]["rows_read_to_analyze"] == 50
    assert made["recorded"]["datasets_from_cache"] == 2
    full: dict[str, Any] = {}
    again, examples = run_transform(spans, mixed, outputs=OUTPUT, made=full)
    assert full["recorded"]["rows_read_to_analyze"] == 400
    assert graph.content_digest == again.content_digest
    # And so is what the next run is given.
    caches = [digest_tree(each["updated_analyzer_cache"].uri) for each in (made, full)]
    assert caches[0] == caches[1]
    plain, transformed = run_transform(spans, mixed)
    assert plain.content_digest == graph.content_digest
    assert digest_tree(transformed.uri) == digest_tree(examples.uri)


def test_a_rolling_window_forgets_what_it_left(
    spans: list[Any],
    mixed: Any,
    two_spans: dict[str, Any],
    run_transform: Run,
    files_read: list[str],
) -> None:
    """The cache grows for ever, or a span outside the window still counts."""
    made: dict[str, Any] = {}
    cache = {"analyzer_cache": two_spans["updated_analyzer_cache"]}
    graph, _ = run_transform(
        spans[1:], mixed, inputs=cache, outputs=OUTPUT, made=made, materialize=False
    )
    assert len(files_read) == 1
    manifest = json.loads(Path(made["updated_analyzer_cache"].path("manifest.json")).read_text())
    assert len(manifest["datasets"]) == 2
    plain, _ = run_transform(spans[1:], mixed, materialize=False)
    assert plain.content_digest == graph.content_digest


def test_only_changed_analyzers_are_computed_again(
    spans: list[Any], mixed: Any, two_spans: dict[str, Any], run_transform: Run
) -> None:
    """A changed function is given what another one found."""

    def changed(inputs: Any) -> Any:
        import tensorflow_transform as tft

        outputs = mixed(inputs)
        outputs["unit"] = tft.scale_to_0_1(inputs["fare"] * 2.0)
        return outputs

    made: dict[str, Any] = {}
    cache = {"analyzer_cache": two_spans["updated_analyzer_cache"]}
    graph, _ = run_transform(
        spans[:2], changed, inputs=cache, outputs=OUTPUT, made=made, materialize=False
    )
    assert made["recorded"]["rows_read_to_analyze"] == 350
    plain, _ = run_transform(spans[:2], changed, materialize=False)
    assert plain.content_digest == graph.content_digest


def test_a_damaged_cache_is_not_used(
    spans: list[Any], mixed: Any, two_spans: dict[str, Any], run_transform: Run, tmp_path: Path
) -> None:
    """A damaged cache ends the run, or gets into the features."""
    import shutil

    copy = tmp_path / "cache"
    shutil.copytree(two_spans["updated_analyzer_cache"].uri, copy)
    for folder in copy.iterdir():
        if folder.is_dir():
            victim = sorted(folder.iterdir())[0]
            victim.write_bytes(victim.read_bytes()[:-3] + b"!!!")
    made: dict[str, Any] = {}
    cache = {"analyzer_cache": TransformCache(str(copy))}
    graph, _ = run_transform(
        spans[:2], mixed, inputs=cache, outputs=OUTPUT, made=made, materialize=False
    )
    assert made["recorded"]["rows_read_to_analyze"] == 350
    plain, _ = run_transform(spans[:2], mixed, materialize=False)
    assert plain.content_digest == graph.content_digest
    (copy / "manifest.json").write_text("{")
    again, _ = run_transform(spans[:2], mixed, inputs=cache, outputs=OUTPUT, materialize=False)
    assert again.content_digest == graph.content_digest


def test_what_python_computes_is_not_kept(spans: list[Any], run_transform: Run) -> None:
    """Python code, which the key of an entry does not see, changed, and the old result counts."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_transform as tft

    def times(factor: int) -> Any:
        def preprocessing_fn(inputs: Any) -> Any:
            def compute(fare: Any) -> Any:
                return tf.numpy_function(lambda x: np.float32(x * factor), [fare], tf.float32)

            fare = tf.ensure_shape(tf.map_fn(compute, inputs["fare"]), [None, 1])
            return {"largest": tf.zeros_like(fare) + tft.max(fare)}

        return preprocessing_fn

    made: dict[str, Any] = {}
    run_transform(spans[2], times(1), outputs=OUTPUT, made=made, materialize=False)
    cache = {"analyzer_cache": made["updated_analyzer_cache"]}
    manifest = json.loads(Path(cache["analyzer_cache"].path("manifest.json")).read_text())
    assert manifest["datasets"] == {}
    run_transform(spans[2], times(2), inputs=cache, outputs=OUTPUT, made=made, materialize=False)
    assert made["recorded"]["rows_read_to_analyze"] == 50


def test_the_same_data_twice_counts_twice(spans: list[Any], run_transform: Run) -> None:
    """Two artifacts with equal content are taken for one."""
    import tensorflow_transform as tft

    def size(inputs: Any) -> Any:
        import tensorflow as tf

        fare = inputs["fare"]
        return {"size": tf.zeros_like(fare) + tf.cast(tft.size(fare), tf.float32)}

    from penstock.components.ingest.examples_reader import read_table

    _, examples = run_transform([spans[2], spans[2]], size, outputs=OUTPUT)
    assert set(read_table(examples, "eval")["size"].to_pylist()) == {100.0}


def test_accumulators_come_back_as_they_were() -> None:
    """A type that gets lost on the way changes the last digits of a result."""
    import numpy as np
    import pyarrow as pa
    from tensorflow_transform import analyzers
    from tfx_bsl import sketches

    from penstock.components.transform.analyzer_state import decode, encode

    mean = analyzers.WeightedMeanAndVarCombiner.accumulator_class(
        np.array(3), np.float32([0.1, np.nan]), np.zeros((2, 2), np.float32), np.array(1.5)
    )
    values = [[np.float32(0.1), b"\xff", None], mean, ("key", np.array([b"a", b""], object))]
    found = decode(encode(values))
    assert type(found[0][0]) is np.float32
    assert found[0] == values[0]
    assert type(found[1]) is type(mean)
    for ours, theirs in zip(found[1], mean, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert found[2][1].tolist() == [b"a", b""]
    words = [(b"b", 2), (b"a", 1)]
    assert sorted(decode(encode(words))) == sorted(words)
    sketch = sketches.QuantilesSketch(0.01, 1 << 32, 1)
    sketch.AddValues(pa.array(np.arange(1000.0)))
    encoded = encode([sketch])
    assert b"pickle" not in encoded
    (again,) = decode(encoded)
    assert again.GetQuantiles(7) == sketch.GetQuantiles(7)
    with pytest.raises(TypeError, match="object"):
        encode([object()])
