# SPDX-License-Identifier: Apache-2.0
"""LightTransform: what is fitted, written, saved and loaded, in both forms."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skops")

import numpy as np
import pyarrow as pa

from penstock.components.ingest.examples_reader import read_table
from penstock.components.serve.feature_columns import feature_columns
from penstock.components.transform.light.raw_columns import RawColumn, RawColumns
from penstock.components.transform.light.saved import attach, load
from penstock.utils.errors import CodeError, DataError
from penstock.utils.hashing import digest_tree
from penstock.utils.user_code import collect, load_function, materialize, preserved_imports

Run = Callable[..., tuple[Any, Any]]

#: Fits in a process of its own, and prints both digests.
SCRIPT = """
import sys
from penstock.components.base.artifact_types import Examples, TransformGraph
from penstock.components.base.executor import Task
from penstock.components.transform.light.light_transform_executor import LightTransformExecutor
from penstock.utils.hashing import digest_tree
import house_features

raw = Examples(sys.argv[1])
raw.splits = ["train", "eval"]
graph, rows = TransformGraph(sys.argv[2]), Examples(sys.argv[3])
LightTransformExecutor().execute(Task(
    {"examples": [raw]}, {"transform_graph": [graph], "transformed_examples": [rows]},
    {"label_key": "sold", "materialize": True}, {"preprocess": house_features.preprocess}))
print(digest_tree(graph.uri), digest_tree(rows.uri))
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"tensorflow", "tfx_bsl", "apache_beam", "keras"}, loaded
"""


def forms(module: ModuleType) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The user's functions, and the parameters that go with them."""
    config = {"custom_config": {"edges": [0.25, 0.5, 0.75]}}
    return {
        "matrix": ({"preprocess": module.preprocess}, {"passthrough": ["key"]}),
        "frames": ({"preprocess": module.preprocess_frames}, {}),
        "labels": ({"preprocess": module.preprocess_with_labels}, {}),
        "own": ({"preprocess": module.preprocess_own}, {}),
        "functions": ({"fit": module.fit, "transform": module.transform}, config),
    }


@pytest.fixture(params=["matrix", "frames", "labels", "own", "functions"])
def fitted(
    request: pytest.FixtureRequest,
    house_examples: Any,
    house_features: ModuleType,
    run_light: Run,
) -> tuple[str, Any, Any]:
    """The form, the transform and the transformed examples."""
    code, parameters = forms(house_features)[request.param]
    return (request.param, *run_light(house_examples, code, **parameters))


def rows_of(table: pa.Table) -> pa.RecordBatch:
    """A table as one batch."""
    return table.combine_chunks().to_batches()[0]


def test_loaded_transform_does_what_training_did(
    fitted: tuple[str, Any, Any], houses: pa.Table
) -> None:
    """If it fails, serving gives a model other features than it was trained on."""
    _, graph, transformed = fitted
    transform = load(graph.uri, trusted=["code"])
    raw = rows_of(houses.slice(200).drop(["sold"]))
    written = rows_of(read_table(transformed, "eval"))
    served = transform.transform(raw)
    for name, column in zip(served.schema.names, served.columns, strict=True):
        assert column.equals(written.column(written.schema.get_field_index(name))), name
    # One by one, as plain columns and, in another order, as TensorFlow's libraries have them.
    for row in (0, 17, 99):
        one = raw.slice(row, 1)
        values = {name: column[0] for name, column in one.to_pydict().items()}
        lists = [pa.array([None if each is None else [each]]) for each in values.values()]
        listed = pa.RecordBatch.from_arrays(lists[::-1], names=list(values)[::-1])
        for found in (transform.transform(one), transform.transform(listed)):
            for name, column in zip(found.schema.names, found.columns, strict=True):
                expected = written.column(written.schema.get_field_index(name))[row].as_py()
                assert column[0].as_py() == pytest.approx(expected), name


def test_labels_and_keys_come_out_as_they_are(
    fitted: tuple[str, Any, Any], houses: pa.Table
) -> None:
    """If it fails, rows lose their labels, or get those of others."""
    form, _, transformed = fitted
    assert transformed.splits == ["train", "eval"]
    for split, rows in (("train", houses.slice(0, 200)), ("eval", houses.slice(200))):
        found = read_table(transformed, split)
        assert found["sold"].to_pylist() == rows["sold"].to_pylist()
        assert ("key" in found.schema.names) == (form == "matrix")


def test_values_are_those_of_the_library(
    house_examples: Any, house_features: ModuleType, houses: pa.Table, run_light: Run
) -> None:
    """If it fails, the transformer is fitted to other rows or columns than it should be."""
    _, transformed = run_light(house_examples, {"preprocess": house_features.preprocess})
    frame = houses.to_pandas().drop(columns=["sold"])
    model = house_features.preprocess().fit(frame[:200])
    expected = model.transform(frame[200:])
    table = read_table(transformed, "eval").drop(["sold"])
    assert table.schema.names == list(model.get_feature_names_out())
    dense = expected.toarray() if hasattr(expected, "toarray") else expected
    np.testing.assert_array_equal(table.to_pandas().to_numpy(), dense)


def test_equal_input_gives_equal_bytes(
    house_examples: Any, house_features: ModuleType, run_light: Run, tmp_path: Path
) -> None:
    """If it fails, a transform that runs again makes everything below it run again."""
    first = run_light(house_examples, {"preprocess": house_features.preprocess})
    expected = [digest_tree(artifact.uri) for artifact in first]
    for name in ("graph", "rows"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, house_examples.uri, tmp_path / "graph", tmp_path / "rows"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == expected


def test_code_runs_only_where_it_is_trusted(
    house_examples: Any,
    house_features: ModuleType,
    run_light: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it fails, whoever can write a model's folder can run code on the server."""
    code, parameters = forms(house_features)["functions"]
    graph, _ = run_light(house_examples, code, **parameters)
    with pytest.raises(CodeError, match="not trusted here"):
        load(graph.uri)
    (name,) = attach(graph.uri, str(tmp_path))
    monkeypatch.setenv("PENSTOCK_TRUSTED_TYPES", name)
    assert load(str(tmp_path / "transform")).output_schema.names == ["bucket", "area", "kind"]
    saved = tmp_path / "transform" / "code.json"
    saved.write_text(saved.read_text().replace("searchsorted", "digitize"))
    with pytest.raises(CodeError, match="does not fit its digest"):
        load(str(tmp_path / "transform"))


def test_transform_of_scikit_learn_alone_needs_no_trust(
    house_examples: Any, house_features: ModuleType, run_light: Run
) -> None:
    """If it fails, everybody has to trust code that is not there."""
    graph, _ = run_light(house_examples, {"preprocess": house_features.preprocess})
    assert sorted(os.listdir(graph.uri)) == ["light_transform.json", "transformer.skops"]
    features = {each.name: each.required for each in load(graph.uri).input_features()}
    assert features == {
        "area": True, "rooms": False, "kind": True, "advert": True, "key": False,
    }  # fmt: skip


def test_two_models_with_modules_of_one_name_do_not_meet(
    house_examples: Any, run_light: Run, tmp_path: Path
) -> None:
    """If it fails, one server mixes up the features of two models."""
    loaded = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "factor.py").write_text(f"FACTOR = {number}\n")
        (folder / "scaling.py").write_text(
            "import pyarrow as pa\n"
            "def fit(table):\n    return {}\n"
            "def transform(table, state):\n"
            "    from factor import FACTOR\n"
            "    return pa.table({'area': table['area'].to_numpy() * FACTOR})\n"
        )
        with preserved_imports():
            found = collect(folder / "scaling.py")
            path = materialize(found.bundle, tmp_path / "code")
            code = {name: load_function(path, found.module, name) for name in ("fit", "transform")}
            graph, _ = run_light(house_examples, code)
        loaded.append(load(graph.uri, trusted=["code"]))
    raw = rows_of(read_table(house_examples, "eval"))
    ones, twos, again = (loaded[n].transform(raw).column(0).to_numpy() for n in (0, 1, 0))
    np.testing.assert_array_equal(twos, 2 * ones)
    np.testing.assert_array_equal(again, ones)
    assert "factor" not in sys.modules and "scaling" not in sys.modules


def test_spans_are_fitted_together_and_splits_can_be_chosen(
    houses: pa.Table, write_houses: Callable[..., Any], house_features: ModuleType, run_light: Run
) -> None:
    """If it fails, only one span counts, or splits are written that nobody asked for."""
    spans = [write_houses(houses.slice(0, 150), 100), write_houses(houses.slice(150), 100)]
    code = {"preprocess": house_features.preprocess_frames}
    wanted = {"analyze": ["train", "eval"], "transform": ["eval"]}
    graph, transformed = run_light(spans, code, splits_config=wanted)
    assert transformed.splits == ["eval"]
    assert read_table(transformed, "eval").num_rows == 100
    whole = load(graph.uri).transform(rows_of(houses))
    assert float(np.mean(whole.column(0).to_numpy())) == pytest.approx(0, abs=1e-9)
    graph, transformed = run_light(spans, code, materialize=False)
    assert transformed.splits == [] and load(graph.uri).input_features()


def test_lists_can_be_asked_about() -> None:
    """A model whose transform takes a list predicts in bulk, and cannot be served."""
    kinds = {
        "window": pa.list_(pa.float64()),
        "pair": pa.list_(pa.float32(), 2),
        "name": pa.string(),
    }
    features = [RawColumn(name, kind, True, False).feature() for name, kind in kinds.items()]
    assert [each.type for each in features] == ["list<double>", "list<float>", "string"]
    columns = feature_columns(features)
    assert columns["window"].array([[1, 2.5], [3]]).type == pa.list_(pa.float64())
    assert columns["pair"].length == 2


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32()])
def test_moments_are_asked_about_as_texts(kind: pa.DataType) -> None:
    """A model whose data have a date cannot be served: JSON has none."""
    column = RawColumn("when", kind, True, False)
    assert column.feature().type == "string"
    for texts in (pa.array(["2024-02-01", None]), pa.array([[b"2024-02-01"], None])):
        batch = pa.RecordBatch.from_arrays([texts], names=["when"])
        (found,) = RawColumns([column]).fit(batch)
        assert found.type == kind and found.cast(pa.timestamp("s")).to_pylist() == [
            datetime(2024, 2, 1),
            None,
        ]
    with pytest.raises(DataError, match="another type") as caught:
        RawColumns([column]).fit(pa.RecordBatch.from_pydict({"when": ["soon"]}))
    assert "soon" in str(caught.value.got)


def test_raw_columns_are_checked(
    house_examples: Any, house_features: ModuleType, run_light: Run, houses: pa.Table
) -> None:
    """If it fails, a client's mistake gives a wrong prediction in place of an error."""
    graph, _ = run_light(house_examples, {"preprocess": house_features.preprocess})
    transform = load(graph.uri)
    with pytest.raises(DataError, match="needs the column 'area'"):
        transform.transform(rows_of(houses.drop(["area"])))
    texts = houses.set_column(0, "area", houses["area"].cast(pa.string()))
    with pytest.raises(DataError, match="'area' has another type"):
        transform.transform(rows_of(texts))
    # Whole numbers stand for others, as JSON has them; gaps are gaps, absent or not.
    whole = houses.set_column(0, "area", pa.array([30] * houses.num_rows))
    assert transform.transform(rows_of(whole)).num_rows == houses.num_rows
    gaps = houses.set_column(1, "rooms", pa.nulls(houses.num_rows, pa.int64()))
    assert transform.transform(rows_of(gaps)).equals(
        transform.transform(rows_of(houses.drop(["rooms"])))
    )
