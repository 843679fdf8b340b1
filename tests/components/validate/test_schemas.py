# SPDX-License-Identifier: Apache-2.0
"""`SchemaGen` and `ImportSchemaGen`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import ExampleStatistics
from penstock.components.base.channel import Channel
from penstock.components.validate.example_validator import ExampleValidator
from penstock.components.validate.import_schema_gen import ImportSchemaGen
from penstock.components.validate.schema_file import external_inputs
from penstock.components.validate.schema_gen import SchemaGen
from penstock.utils.errors import DataError, GateError, ParameterError

CURATED = '# The label.\nfeature { name: "y" type: INT }\n'


@pytest.mark.heavy
def test_schema_fits_all_splits(execute: Any, statistics: Any) -> None:
    """Values of a later split are anomalies by the inferred schema."""
    tfdv = pytest.importorskip("tensorflow_data_validation")
    found = statistics(
        train={"s": ["a", "b"] * 20, "n": [1, 2] * 20},
        eval={"s": ["a", "c"] * 20, "n": [None, 3] * 20},
    )
    artifact = execute(SchemaGen, {"statistics": found})["schema"]
    schema = tfdv.load_schema_text(artifact.path("schema.pbtxt"))
    assert [f.name for f in schema.feature] == ["s", "n"]
    assert sorted(tfdv.get_domain(schema, "s").value) == ["a", "b", "c"]
    train_only = execute(SchemaGen, {"statistics": found}, exclude_splits=["eval"])["schema"]
    narrow = tfdv.load_schema_text(train_only.path("schema.pbtxt"))
    assert sorted(tfdv.get_domain(narrow, "s").value) == ["a", "b"]
    assert narrow.feature[1].shape.dim[0].size == 1
    shapeless = execute(SchemaGen, {"statistics": found}, infer_feature_shape=False)["schema"]
    assert not tfdv.load_schema_text(shapeless.path("schema.pbtxt")).feature[0].HasField("shape")
    with pytest.raises(ParameterError, match=r"did you mean: *eval"):
        execute(SchemaGen, {"statistics": found}, exclude_splits=["eva"])


@pytest.mark.heavy
def test_damaged_statistics(execute: Any, statistics: Any) -> None:
    """Statistics that cannot be read give a bare traceback."""
    found = statistics(train={"n": [1]})
    Path(found.path("Split-train", "FeatureStats.pb")).write_bytes(b"\xff\xff")
    with pytest.raises(DataError, match="split 'train' cannot"):
        execute(SchemaGen, {"statistics": found})


def test_curated_schema_is_kept_as_it_is(execute: Any, tmp_path: Path) -> None:
    """Comments in a curated schema are lost, or the file is not noticed to change."""
    pytest.importorskip("tensorflow_metadata")
    file = tmp_path / "schema.pbtxt"
    file.write_text(CURATED)
    artifact = execute(ImportSchemaGen, schema_file=str(file))["schema"]
    assert Path(artifact.path("schema.pbtxt")).read_text() == CURATED
    assert external_inputs({"schema_file": str(file)}).files == [str(file)]


def test_schema_file_with_a_mistake(execute: Any, tmp_path: Path) -> None:
    """A mistake in a schema shows only where the schema is used, without its line."""
    pytest.importorskip("tensorflow_metadata")
    file = tmp_path / "schema.pbtxt"
    file.write_text('feature { name: "y" type: INT }\nfeature { nome: "x" }\n')
    with pytest.raises(DataError, match="not a schema") as raised:
        execute(ImportSchemaGen, schema_file=str(file))
    assert raised.value.location == f"{file}:2" and "nome" in str(raised.value)
    file.write_text("")
    with pytest.raises(DataError, match="has no features"):
        execute(ImportSchemaGen, schema_file=str(file))


def test_schema_file_that_is_not_there(tmp_path: Path) -> None:
    """A misspelt path leaves the user guessing."""
    (tmp_path / "schema.pbtxt").write_text(CURATED)
    with pytest.raises(DataError, match=r"did you mean: *schema.pbtxt"):
        external_inputs({"schema_file": str(tmp_path / "schema.pbtx")})
    with pytest.raises(DataError, match="no folder"):
        external_inputs({"schema_file": "/no/such/schema.pbtxt"})


@pytest.mark.heavy
def test_curated_schema_is_compared_with_the_data(
    execute: Any, statistics: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A curated schema that no longer fits the data goes unnoticed, or is changed."""
    file = tmp_path / "schema.pbtxt"
    file.write_text(
        """feature { name: "s" type: BYTES domain: "s" presence { min_fraction: 1.0 } }
        feature { name: "n" type: FLOAT } feature { name: "gone" type: INT }
        string_domain { name: "s" value: "a" value: "b" value: "rare" }"""
    )
    found = statistics(train={"s": ["a", "z", None, "a"], "n": [1, 2, 3, 4], "new": [1.5] * 4})
    artifact = execute(ImportSchemaGen, {"statistics": found}, schema_file=str(file))["schema"]
    assert Path(artifact.path("schema.pbtxt")).read_text() == file.read_text()
    assert json.loads(artifact.custom_properties["differences"]) == [
        "gone: feature: the schema says there is one, the data nothing",
        "n: type: the schema says FLOAT, the data INT",
        "new: feature: the schema says nothing, the data there is one, FLOAT",
        "s: presence: the schema says in at least 100.0% of records, "
        "the data in at least 0.0% of records",
        "s: values: the schema says 3 values without them, the data has also z",
    ]
    assert "n: type: the schema says FLOAT" in caplog.text
    heavy = ImportSchemaGen(schema_file=str(file), statistics=Channel(ExampleStatistics))
    assert heavy.preload and not ImportSchemaGen(schema_file=str(file)).preload


@pytest.mark.heavy
def test_schema_has_environments(execute: Any, statistics: Any) -> None:
    """Serving data, which has no label, cannot be validated with an inferred schema."""
    found = statistics(train={"s": ["a", "b"] * 9, "y": [0, 1] * 9})
    environments = {"TRAINING": [], "SERVING": ["y"]}
    schema = execute(SchemaGen, {"statistics": found}, environments=environments)["schema"]
    inputs = {"statistics": statistics(train={"s": ["a", "b"] * 9}), "schema": schema}
    execute(ExampleValidator, inputs, fail_on="any", environment="SERVING")
    with pytest.raises(GateError, match="1 anomaly"):
        execute(ExampleValidator, inputs, fail_on="any", environment="TRAINING")
    with pytest.raises(ParameterError, match="no feature anyway"):
        execute(SchemaGen, {"statistics": found}, environments={"SERVING": ["label"]})
    narrow = execute(SchemaGen, {"statistics": found}, max_string_domain_size=1)["schema"]
    assert "string_domain" not in Path(narrow.path("schema.pbtxt")).read_text()
