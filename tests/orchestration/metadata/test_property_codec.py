# SPDX-License-Identifier: Apache-2.0
"""Values survive the metadata store exactly, whatever ML Metadata does to them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from penstock.components.base.artifact import Artifact, PropertyType, PropertyValue
from penstock.components.base.artifact_types import Examples
from penstock.orchestration.metadata.codec import Sidecar, read_properties, write_properties
from penstock.orchestration.metadata.library import library
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError

NODE = NodeKey("codec", "run", "n", "test.Codec")


class Measured(Artifact):
    """An artifact type with one property of each type."""

    TYPE_NAME = "test.Measured"
    PROPERTIES = {
        "count": PropertyType.INT,
        "score": PropertyType.FLOAT,
        "label": PropertyType.STRING,
    }


@pytest.fixture(scope="module")
def memory() -> MetadataStore:
    """One store for many values; it ends with the process."""
    store = MetadataStore("sqlite:///:memory:")
    store.begin_run("codec", "run")
    return store


texts = st.text(st.characters(exclude_categories=[]), max_size=20)
values = st.one_of(st.integers(), st.floats(), st.booleans(), texts, st.just("__MLMD_NULL__"))
names = st.from_regex(r"[a-z][a-z0-9_./ ]{0,20}", fullmatch=True)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in type, sign and NaN too."""
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, float) and one == 0:
        return math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and one == other


@given(custom=st.dictionaries(names, values, max_size=4), count=st.integers(), score=st.floats(),
       label=texts, results=st.dictionaries(names, values, max_size=4),
       parameters=st.dictionaries(names, values, max_size=4))  # fmt: skip
@hypothesis_settings(max_examples=100)
def test_every_value_comes_back_as_it_was(
    memory: MetadataStore,
    custom: dict[str, PropertyValue],
    count: int,
    score: float,
    label: str,
    results: dict[str, PropertyValue],
    parameters: dict[str, PropertyValue],
) -> None:
    """Fails if a metric, a parameter or a property is rounded, cut or refused."""
    artifact = Measured("/m", custom_properties=custom)
    artifact.count, artifact.score, artifact.label = count, score, label
    expected = dict(artifact.properties)
    execution_id = memory.register_execution(NODE, {}, parameters, {"kept": label})
    memory.publish_execution(NODE, execution_id, {"out": [artifact]}, properties=results)
    record = memory.get_execution(execution_id)
    (found,) = record.outputs["out"]
    recorded = (found.custom_properties, found.properties, record.results, record.parameters)
    for given_values, kept in zip((custom, expected, results, parameters), recorded, strict=True):
        assert set(given_values) == set(kept)
        for name, value in given_values.items():
            assert same(value, kept[name]), (name, value, kept[name])
    assert same(record.custom_properties["kept"], label)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=json_values)
@hypothesis_settings(max_examples=50)
def test_structured_parameters_come_back_as_they_were(memory: MetadataStore, value: Any) -> None:
    """Fails if a list or dict parameter is read back as text or altered."""
    execution_id = memory.register_execution(NODE, {}, {"config": value})
    found = memory.get_execution(execution_id).parameters
    assert found == ({} if value is None else {"config": value})


def test_small_floats_are_not_zero(memory: MetadataStore) -> None:
    """Fails if a learning rate of 1e-7 is recorded as 0.0, as ML Metadata alone does."""
    memory.begin_run("codec", "rates", properties={"rate": 1e-7})
    assert memory.get_run("rates").properties == {"rate": 1e-7}
    execution_id = memory.register_execution(NODE, {}, {"rate": 1e-7})
    assert memory.get_execution(execution_id).parameters == {"rate": 1e-7}


def raw_execution(store: MetadataStore, execution_id: int) -> dict[str, Any]:
    """Custom properties of an execution as ML Metadata has them."""
    (found,) = store._connection.read("get_executions_by_id", [execution_id])
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in found.custom_properties.items()
    }


def test_parameters_are_written_as_tfx_writes_them(memory: MetadataStore) -> None:
    """Fails if a reader of TFX executions does not see parameters as TFX shows them."""
    parameters = {
        "flag": True, "steps": 100, "rate": 0.5, "module_file": "m.py", "unset": None,
        "splits": ["eval"], "sizes": {"train": 2}, "nested": {"a": [1]}, "choices": [True],
    }  # fmt: skip
    raw = raw_execution(memory, memory.register_execution(NODE, {}, parameters))
    assert (raw["steps"], raw["rate"], raw["module_file"]) == (100, 0.5, "m.py")
    assert "unset" not in raw
    # tfx/orchestration/data_types_utils.py, set_parameter_value
    assert (raw["flag"], raw["splits"], raw["sizes"]) == ("true", '["eval"]', '{"train": 2}')
    schemas = {
        name: json.loads(raw[f"__schema__{name}__"])["value_type"]
        for name in ("flag", "splits", "sizes", "choices")
    }
    assert schemas == {
        "flag": {"boolean_type": {}},
        "splits": {"list_type": {}},
        "sizes": {"dict_type": {}},
        "choices": {"list_type": {"boolean_type": {}}},
    }
    assert raw["nested"] == '{"a": [1]}'


def test_other_readers_see_the_nearest_value(memory: MetadataStore) -> None:
    """Fails if what only we can read exactly is invisible to everybody else."""
    raw = raw_execution(
        memory,
        memory.register_execution(
            NODE, {}, {"nan": math.nan, "third": 1 / 3, "cut": "a\0b", "big": 2**70, "ok": 0.5}
        ),
    )
    assert raw["nan"] == "nan"
    assert raw["third"] == pytest.approx(1 / 3, abs=1e-6)
    assert raw["cut"] == "a\ufffdb"
    assert raw["big"] == str(2**70)
    assert raw["ok"] == 0.5
    assert set(json.loads(raw["__exact__"])["custom_properties"]) == {"nan", "third", "cut", "big"}


def test_results_do_not_replace_parameters(memory: MetadataStore) -> None:
    """Fails if an executor that reports a value hides the parameter of the same name."""
    execution_id = memory.register_execution(NODE, {}, {"steps": 100, "result_steps": 1})
    memory.publish_execution(NODE, execution_id, {}, properties={"steps": 73, "__odd": 1})
    record = memory.get_execution(execution_id)
    assert record.parameters == {"steps": 100, "result_steps": 1}
    assert record.results == {"steps": 73, "__odd": 1}


@pytest.mark.parametrize(
    ("register", "said"),
    [
        ({"__reserved": 1}, "cannot be named"),
        ({"function": print}, "'function' cannot be recorded"),
        ({"x" * 256: 1}, "cannot be recorded(?s:.*)255 characters"),
        ({"nul\0": 1}, "cannot be recorded"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    memory: MetadataStore, register: dict[str, Any], said: str
) -> None:
    """Fails if a parameter is dropped silently or stops the run without a reason."""
    with pytest.raises(MetadataError, match=said):
        memory.register_execution(NODE, {}, register)


def test_uri_that_databases_cannot_keep_is_refused(memory: MetadataStore) -> None:
    """Fails if an artifact would be recorded at another place than where it is."""
    execution_id = memory.register_execution(NODE, {}, {})
    with pytest.raises(MetadataError, match="URI holds characters"):
        memory.publish_execution(NODE, execution_id, {"out": [Examples("/x\udcff")]})
    memory.publish_execution(NODE, execution_id, {"out": [Examples("/x")]})


def test_unknown_types_are_read_with_their_properties(
    memory: MetadataStore, request: pytest.FixtureRequest
) -> None:
    """Fails if a process that lacks an artifact type's class cannot read its artifacts."""
    protos = pytest.importorskip("ml_metadata.proto.metadata_store_pb2")
    made = protos.ArtifactType(
        name="test.Foreign", properties={"p": protos.STRING, "s": protos.STRUCT, "b": 6}
    )
    type_id = memory._connection.write("put_artifact_type", made)
    foreign = protos.Artifact(type_id=type_id, uri="/f", state=protos.Artifact.LIVE)
    foreign.properties["p"].string_value = "text"
    foreign.properties["s"].struct_value.update({"__value__": [1, 2]})
    foreign.properties["b"].bool_value = True
    (artifact_id,) = memory._connection.write("put_artifacts", [foreign])
    found = memory.get_artifact(artifact_id).artifact
    assert found.TYPE_NAME == "test.Foreign"
    assert found.properties == {"p": "text", "s": "[1.0, 2.0]", "b": True}


def test_type_may_gain_properties_but_not_change_them(
    store: MetadataStore, execute: Callable[..., int]
) -> None:
    """Fails if a newer version of a type cannot be used, or a changed one corrupts the store."""
    execute("r", outputs={"a": [type("V1", (Artifact,), {
        "TYPE_NAME": "test.Evolving", "PROPERTIES": {"a": PropertyType.INT}})("/1")]})  # fmt: skip
    newer = type("V2", (Artifact,), {"TYPE_NAME": "test.Evolving",
                 "PROPERTIES": {"a": PropertyType.INT, "b": PropertyType.STRING}})  # fmt: skip
    execute("r", outputs={"a": [newer("/2", properties={"a": 1, "b": "x"})]})
    assert store.latest_artifacts("test.Evolving")[0].properties == {"a": 1, "b": "x"}
    changed = type("V3", (Artifact,), {
        "TYPE_NAME": "test.Evolving", "PROPERTIES": {"a": PropertyType.STRING}})  # fmt: skip
    with pytest.raises(MetadataError, match=r"'test.Evolving' with other properties"):
        execute("r", outputs={"a": [changed("/3", properties={"a": "text"})]})
    store.end_run("r", RunState.FAILED)


@given(error=st.text(max_size=3000), unit=st.sampled_from(["x", "é", "𝔘", '"', "\0"]),
       length=st.integers(0, 9000))  # fmt: skip
@hypothesis_settings(max_examples=40)
def test_long_texts_fit_into_the_index_of_postgresql(error: str, unit: str, length: int) -> None:
    """Fails if PostgreSQL would refuse a long error or parameter, or keep only a part of it."""
    protos = library().protos
    text = error + unit * length
    sidecar = Sidecar(2000)
    made = protos.Execution()
    write_properties({"text": text}, made.custom_properties, sidecar, "custom_properties")
    sidecar.write(made.custom_properties)
    for name, value in made.custom_properties.items():
        assert len(name) + len(value.string_value.encode()) <= 2100
    again = protos.Execution.FromString(made.SerializeToString())
    found = read_properties(again.custom_properties, "custom_properties", again.custom_properties)
    assert found == {"text": text}
    shown = made.custom_properties["text"].string_value
    assert text.replace("\0", "\ufffd").startswith(shown) or text == "__MLMD_NULL__"
