# SPDX-License-Identifier: Apache-2.0
"""Analyzers that this process drives itself, against TensorFlow Transform's Beam pipeline."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_transform")

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def every_analyzer() -> Any:
    """The module `every_analyzer.py`."""
    folder = Path(__file__).parent
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location(
            "every_analyzer", folder / "every_analyzer.py"
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


@pytest.fixture(scope="module")
def analyze(tmp_path_factory: pytest.TempPathFactory, schema_artifact: Any) -> Callable[..., Any]:
    """Analyzes files; gives the engine that did it, and the folder with the graph."""

    def run(
        function: Callable[..., Any],
        files: Sequence[str],
        engine: str = "auto",
        schema: Any = None,
    ) -> tuple[str, str]:
        from penstock.components.transform.analysis import Analysis, write_transform_graph
        from penstock.components.transform.feature_reader import FeatureReader
        from penstock.components.transform.preprocessing import Preprocessing
        from penstock.components.transform.transform_executor import read_schema

        folder = str(tmp_path_factory.mktemp("graph"))
        preprocessing = Preprocessing(function, None, "node", shared=True)
        reader = FeatureReader(read_schema(schema or schema_artifact), "node")
        work = str(tmp_path_factory.mktemp("work"))
        try:
            used, _ = write_transform_graph(
                folder, Analysis(preprocessing, reader, {"all": files}, work), engine=engine
            )
        finally:
            preprocessing.close()
        return used, folder

    return run


def _files(examples: Any, split: str = "train") -> list[str]:
    return sorted(str(path) for path in Path(examples.split_uri(split)).iterdir())


def _transformed(folder: str, schema: Any, path: str) -> dict[str, list[Any]]:
    from penstock.components.transform.feature_reader import FeatureReader
    from penstock.components.transform.graph_application import GraphApplication
    from penstock.components.transform.transform_executor import read_schema

    reader = FeatureReader(read_schema(schema))
    (batch,) = reader(path)
    columns: dict[str, list[Any]] = GraphApplication(folder, reader).transform(batch).to_pydict()
    return columns


def _flat(values: Any) -> Any:
    return np.array([x for v in values for x in (v if isinstance(v, list) else [v])])


@pytest.mark.slow
def test_every_analyzer_finds_what_beam_finds(
    analyze: Callable[..., Any], every_analyzer: Any, raw_examples: Any, schema_artifact: Any
) -> None:
    """An analyzer gives other features here than in TensorFlow Transform."""
    import tensorflow_transform as tft

    here, ours = analyze(every_analyzer.preprocessing_fn, _files(raw_examples))
    there, theirs = analyze(every_analyzer.preprocessing_fn, _files(raw_examples), "beam")
    assert (here, there) == ("local", "beam")
    (path,) = _files(raw_examples, "eval")
    found = _transformed(ours, schema_artifact, path)
    expected = _transformed(theirs, schema_artifact, path)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert [np.shape(v) for v in found[name]] == [np.shape(v) for v in values], name
        np.testing.assert_allclose(_flat(found[name]), _flat(values), rtol=2e-5, atol=2e-5)
    assets = sorted(os.listdir(os.path.join(ours, "transform_fn", "assets")))
    assert assets == sorted(os.listdir(os.path.join(theirs, "transform_fn", "assets")))
    assert "zipped.tfrecord.gz" in assets
    mine, original = tft.TFTransformOutput(ours), tft.TFTransformOutput(theirs)
    assert mine.vocabulary_by_name("nothing") == original.vocabulary_by_name("nothing")
    for name in assets:
        asset = name.removesuffix(".tfrecord.gz")
        if asset in ("weighted", "adjusted", "informative", "moments", "ranges"):
            _same_measures(mine.vocabulary_by_name(asset), original.vocabulary_by_name(asset))
        else:
            assert mine.vocabulary_by_name(asset) == original.vocabulary_by_name(asset), name
    schemas = [Path(f, "transformed_metadata", "schema.pbtxt").read_text() for f in (ours, theirs)]
    assert schemas[0] == schemas[1]


@pytest.mark.slow
def test_analyzers_in_a_chain_find_what_beam_finds(
    analyze: Callable[..., Any], every_analyzer: Any, raw_examples: Any, schema_artifact: Any
) -> None:
    """Five dependent passes do not end, or give something else than on Beam's slow runner."""
    (path,) = _files(raw_examples, "eval")
    found = []
    for engine, expected in (("auto", "local"), ("beam", "beam")):
        used, folder = analyze(every_analyzer.chained, _files(raw_examples), engine)
        assert used == expected
        found.append(_transformed(folder, schema_artifact, path)["chain"])
    np.testing.assert_allclose(*found, atol=1e-5)
    assert len(set(found[0])) == 8


def _same_measures(found: Sequence[bytes], expected: Sequence[bytes]) -> None:
    """Lines of a number (or several) and a token, equal but for rounding."""
    ours, theirs = (
        {token: number for number, token in map(_pair, lines)} for lines in (found, expected)
    )
    assert list(ours) == list(theirs)
    for token, numbers in theirs.items():
        np.testing.assert_allclose(ours[token], numbers, rtol=1e-3, atol=1e-4)


def _pair(line: bytes) -> tuple[list[float], bytes]:
    numbers, _, token = line.partition(b" ")
    return [float(number) for number in numbers.split(b",")], token


@pytest.mark.slow
def test_the_graph_has_the_digest_that_beam_writes(
    analyze: Callable[..., Any], taxi_preprocessing_fn: Any, raw_examples: Any
) -> None:
    """The two engines' graphs differ, and everything below runs again when one takes over."""
    from penstock.components.transform.saved_model_digest import tree_digest

    def vocabularies(inputs: Any) -> Any:
        outputs = taxi_preprocessing_fn(inputs)
        # A mean is a sum, whose last digit depends on who takes it.
        del outputs["fare_z"]
        return outputs

    _, ours = analyze(vocabularies, _files(raw_examples))
    _, theirs = analyze(vocabularies, _files(raw_examples), engine="beam")
    assert tree_digest(ours) == tree_digest(theirs)


@pytest.mark.slow
def test_what_only_beam_can_run_is_left_to_beam(
    analyze: Callable[..., Any], raw_examples: Any
) -> None:
    """An analyzer of the user's own, made of Beam transforms, is an error."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft

    class Largest(beam.PTransform):
        def expand(self, batches: Any) -> Any:
            return batches | beam.Map(lambda batch: batch[0].max()) | beam.CombineGlobally(max)

    def preprocessing_fn(inputs: Any) -> Any:
        largest = tft.experimental.ptransform_analyzer(
            [inputs["fare"]], Largest(), [tf.float32], [[]]
        )
        return {"share": inputs["fare"] / largest[0]}

    used, folder = analyze(preprocessing_fn, _files(raw_examples))
    assert used == "beam"
    assert os.path.isdir(os.path.join(folder, "transform_fn"))


def test_only_what_is_needed_is_decoded(
    analyze: Callable[..., Any], raw_examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wide data costs as much as all of it, where a function uses two columns."""
    from penstock.components.transform.feature_reader import FeatureReader

    asked = []
    only = FeatureReader.only

    def noted(self: Any, names: Any) -> Any:
        asked.append(sorted(names))
        return only(self, names)

    import tensorflow_transform as tft

    monkeypatch.setattr(FeatureReader, "only", noted)
    analyze(lambda i: {"x": tft.scale_to_0_1(i["fare"]), "tip": i["tip"]}, _files(raw_examples))
    assert asked == [["fare"]]


def test_checks_in_the_graph_see_all_their_features(
    analyze: Callable[..., Any], raw_examples: Any
) -> None:
    """An assertion about a feature that nothing is computed from is left out, or fails."""
    import tensorflow as tf
    import tensorflow_transform as tft

    from penstock.utils.errors import DataError

    def preprocessing_fn(inputs: Any, most: int) -> Any:
        tf.debugging.assert_less(inputs["hour"], tf.constant(most, tf.int64), "so late")
        return {"x": tft.scale_to_0_1(inputs["fare"])}

    analyze(lambda inputs: preprocessing_fn(inputs, 24), _files(raw_examples))
    with pytest.raises(DataError) as caught:
        analyze(lambda inputs: preprocessing_fn(inputs, 3), _files(raw_examples))
    assert "so late" in str(caught.value.got)
