# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.serve.answer_writing import write_v1, write_v2
from penstock.components.serve.example_record import example_record
from penstock.components.serve.feature_columns import RequestError, feature_columns
from penstock.components.serve.request_reading import RequestReader
from penstock.components.serve.request_schema import RequestSchema
from penstock.components.train.flavors.predictor import InputFeature, ModelError

FEATURES = [
    InputFeature("age", "int64"),
    InputFeature("score", "float", required=False),
    InputFeature("city", "string", required=False),
    InputFeature("member", "bool", required=False),
    InputFeature("image", "binary", required=False),
    InputFeature("vector", "list<float>", required=False, length=3),
    InputFeature("words", "list<string>", required=False),
    InputFeature("open", "any", required=False),
]


def reader(features: list[InputFeature] = FEATURES) -> RequestReader:
    """A reader for models with these features."""
    return RequestReader(feature_columns(features), max_rows=5)


def tensor(name: str, shape: list[int], datatype: str, data: list[Any]) -> Any:
    """An input of a V2 request."""
    return SimpleNamespace(name=name, shape=shape, datatype=datatype, data=data)


def test_rows_become_columns_of_the_features_types() -> None:
    """If it fails, a model gets values of another type, or in another column, than were sent."""
    batch = reader().read_v1(
        {
            "instances": [
                {"age": 3, "score": 1, "city": "Ulm", "image": {"b64": "AAE="}, "open": 1},
                {"age": 4, "vector": [1, 2.5, 3], "words": [], "member": True, "open": 2.5},
            ]
        }
    )
    assert batch.schema.names == [feature.name for feature in FEATURES]
    assert batch.to_pydict() == {
        "age": [3, 4],
        "score": [1.0, None],
        "city": ["Ulm", None],
        "member": [None, True],
        "image": [b"\x00\x01", None],
        "vector": [None, [1.0, 2.5, 3.0]],
        "words": [None, []],
        "open": [1.0, 2.5],
    }
    assert batch.schema.field("score").type == pa.float32()


def test_columns_and_v2_tensors_mean_the_same_as_rows() -> None:
    """If it fails, the answer depends on the form of the request."""
    rows = reader().read_v1(
        {"instances": [{"age": 1, "vector": [1.0, 2.0, 3.0]}, {"age": 2, "vector": [4.0, 5, 6]}]}
    )
    columns = reader().read_v1({"inputs": {"age": [1, 2], "vector": [[1, 2, 3], [4, 5, 6]]}})
    tensors = reader().read_v2(
        [
            tensor("age", [2, 1], "INT64", [1, 2]),
            tensor("vector", [2, 3], "FP32", [1, 2, 3, 4, 5, 6]),
        ]
    )
    assert rows.equals(columns)
    assert rows.equals(tensors)


def test_a_value_alone_is_a_list_of_one() -> None:
    """If it fails, models that parse `tf.Example`s want `["Ulm"]` for each text."""
    instances = [{"age": 1, "words": "Ulm"}, {"age": 2, "words": ["Bonn", "Rom"]}, {"age": 3}]
    batch = reader().read_v1({"instances": instances})
    assert batch.column("words").to_pylist() == [["Ulm"], ["Bonn", "Rom"], None]
    one = reader().read_v2(
        [tensor("age", [1], "INT64", [1]), tensor("words", [1], "BYTES", ["Ulm"])]
    )
    assert one.column("words").to_pylist() == [["Ulm"]]


def test_one_feature_needs_no_name() -> None:
    """If it fails, TensorFlow Serving's short form of requests is refused."""
    single = reader([InputFeature("x", "list<double>")])
    assert single.read_v1({"instances": [[1.0], [2.0]]}).to_pydict() == {"x": [[1.0], [2.0]]}
    assert single.read_v1({"inputs": [[1.0]]}).to_pydict() == {"x": [[1.0]]}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ([], "JSON object"),
        ({}, "either the key 'instances' or the key 'inputs'"),
        ({"instances": [], "inputs": {}}, "either the key"),
        ({"instance": []}, "unknown key 'instance'; did you mean 'instances'"),
        ({"instances": {}}, "'instances' must be a list"),
        ({"instances": []}, "no records"),
        ({"instances": [{"age": 1}] * 6}, "at most 5"),
        ({"instances": [1]}, "record 0 must be an object"),
        ({"instances": [{"age": 1}, {"ago": 1}]}, "record 1: the model has no feature 'ago'; did"),
        ({"instances": [{"score": 1.0}]}, "record 0: the feature 'age' is missing"),
        ({"instances": [{"age": None}]}, "'age' is missing or null"),
        ({"instances": [{"age": "3"}]}, "'age' must be a whole number, got a text: '3'"),
        ({"instances": [{"age": 3.5}]}, "must be a whole number, got a number: 3.5"),
        ({"instances": [{"age": True}]}, "got a truth value"),
        ({"instances": [{"age": 1}, {"age": [1, 2]}]}, "record 1: .* got a list of 2"),
        ({"instances": [{"age": 2**63}]}, "feature 'age'"),
        ({"instances": [{"age": 1, "city": 5}]}, "'city' must be a text"),
        ({"instances": [{"age": 1, "member": 1}]}, "'member' must be a truth value"),
        ({"instances": [{"age": 1, "image": {"b64": "?"}}]}, "not base64"),
        ({"instances": [{"age": 1, "vector": [1, 2]}]}, "a list of 3 numbers, got a list of 2"),
        ({"instances": [{"age": 1, "vector": 1}]}, "got a whole number: 1"),
        ({"instances": [{"age": 1, "vector": [1, 2, "x"]}]}, "'vector' must be a list of 3"),
        ({"instances": [{"age": 1, "words": ["a", None]}]}, "'words' must be a list of texts"),
        ({"instances": [{"age": 1, "words": 5}]}, "'words' must be a list of texts"),
        ({"instances": [{"age": 1, "open": {}}]}, "'open' must be a number, a text"),
        ({"instances": [{"age": 1, "open": 1}, {"age": 1, "open": "a"}]}, "values of one type"),
        ({"inputs": {"age": 1}}, "'age' must be a list with a value for each record"),
        ({"inputs": {"age": [1, 2], "score": [1]}}, "different numbers of records"),
        ({"inputs": {}}, "no records"),
    ],
)
def test_what_is_wrong_is_said(payload: Any, reason: str) -> None:
    """If it fails, a request that is wrong is answered, or refused without saying why."""
    with pytest.raises(RequestError, match=reason):
        reader().read_v1(payload)


def test_text_may_come_as_base64() -> None:
    """If it fails, clients cannot send bytes for a string, such as an image."""
    batch = reader().read_v1(
        {"instances": [{"age": 1, "words": ["Ulm", {"b64": "/w=="}]}, {"age": 2, "words": None}]}
    )
    assert batch.column("words").to_pylist() == [[b"Ulm", b"\xff"], None]
    with pytest.raises(RequestError, match="must be a text, got an object"):
        reader().read_v1({"instances": [{"age": 1, "city": {"a": 1}}]})
    with pytest.raises(RequestError, match="must be a list of texts, got an object"):
        reader().read_v1({"instances": [{"age": 1, "words": {"b64": "AA=="}}]})
    with pytest.raises(RequestError, match="not base64"):
        reader().read_v1({"instances": [{"age": 1, "city": {"b64": "%"}}]})


def test_only_the_served_signature_answers() -> None:
    """If it fails, a request for another signature is answered by the wrong one."""
    instances = {"instances": [{"age": 1}]}
    assert reader().read_v1({"signature_name": "serving_default", **instances}).num_rows == 1
    with pytest.raises(RequestError, match="signature 'serving_default', not by 'other'"):
        reader().read_v1({"signature_name": "other", **instances})
    other = RequestReader(feature_columns(FEATURES), 5, signature="other")
    assert other.read_v1({"signature_name": "other", **instances}).num_rows == 1


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ([], "'inputs' is empty"),
        ([tensor("age", [1], "INT64", [1])] * 2, "stands twice"),
        ([tensor("x", [1], "INT64", [1])], "no feature 'x'"),
        ([tensor("age", [1], "INT", [1])], "unknown datatype"),
        ([tensor("age", [1], "BYTES", ["a"])], "BYTES does not fit"),
        ([tensor("age", [2], "INT64", [1])], "means 2 values, but 'data' has 1"),
        ([tensor("age", [], "INT64", [])], "the shape"),
        ([tensor("age", [-1], "INT64", [1])], "the shape"),
        ([tensor("age", [1, 2], "INT64", [1, 2])], "must have a whole number"),
        ([tensor("age", [1], "INT64", [[1]])], "nested deeper"),
        ([tensor("age", [1], "INT64", ["a"])], "must be a whole number"),
        ([tensor("age", [1], "INT64", None)], "as a list"),  # type: ignore[arg-type]
        (
            [tensor("age", [1], "INT64", [1]), tensor("vector", [1, 2], "FP32", [1, 2])],
            "a list of 3 numbers",
        ),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said(tensors: list[Any], reason: str) -> None:
    """If it fails, a V2 request that is wrong is answered, or refused without saying why."""
    with pytest.raises(RequestError, match=reason):
        reader().read_v2(tensors)


def test_a_made_up_record_is_taken() -> None:
    """If it fails, the example that `penstock serve` prints is refused by its own server."""
    columns = feature_columns([each for each in FEATURES])
    batch = RequestReader(columns, 1).read_v1({"instances": [example_record(columns)]})
    assert batch.num_rows == 1


def test_a_type_that_json_has_not_is_an_error_of_the_model() -> None:
    """If it fails, a server starts with a model that nobody can ask."""
    with pytest.raises(ModelError, match="'when' has a type"):
        feature_columns([InputFeature("when", "timestamp[ms]")])


def test_a_schema_says_what_a_model_does_not() -> None:
    """If it fails, values outside their domain reach the model, or good ones are refused."""
    schema = text_format.Parse(
        'feature { name: "open" type: INT int_domain { min: 3 max: 5 } } '
        'feature { name: "city" type: BYTES domain: "cities" presence { min_fraction: 1 } } '
        'feature { name: "seen" type: BYTES domain: "cities" } '
        'feature { name: "years" type: INT int_domain { max: 9 } } '
        'string_domain { name: "cities" value: "Ulm" value: "Bonn" }',
        schema_pb2.Schema(),
    )
    checks = RequestSchema(schema)
    features = [InputFeature("city", "string", required=False), InputFeature("open", "any")]
    features += [InputFeature(name, f"list<{kind}>", required=False)
                 for name, kind in (("seen", "string"), ("years", "int64"))]  # fmt: skip
    columns = checks.typed(feature_columns(features))
    typed = RequestReader(columns, 9, checks)
    batch = typed.read_v1({"instances": [example_record(columns)]})
    assert batch.to_pylist() == [{"city": "Ulm", "open": 3, "seen": ["Ulm"], "years": [1]}]
    for wrong, reason in [
        ({"city": "Rom", "open": 3}, "record 0: the feature 'city' must be one of Ulm, Bonn"),
        ({"city": "Ulm", "open": 6}, "must be at most 5, got 6"),
        ({"city": "Ulm", "open": 2}, "must be at least 3"),
        ({"city": "Ulm", "open": "x"}, "must be a whole number"),
        ({"open": 3}, "'city' is missing"),
        ({"city": "Ulm", "open": 3, "seen": ["Bonn", "Rom"]}, "0: .*'seen' must be one of Ulm"),
        ({"city": "Ulm", "open": 3, "years": [2, 10]}, "'years' must be at most 9, got 10"),
    ]:
        with pytest.raises(RequestError, match=reason):
            typed.read_v1({"instances": [wrong]})


def test_answers_of_both_protocols() -> None:
    """If it fails, clients read other numbers than the model predicted."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1, 2]), pa.array([[0.5, 0.5], [0.1, 0.9]]), pa.array([b"a", b"\xff"])],
        names=["prediction", "probabilities", "name"],
    )
    assert write_v1(batch)[1] == {
        "prediction": 2,
        "probabilities": [0.1, 0.9],
        "name": {"b64": "/w=="},
    }
    assert write_v1(pa.RecordBatch.from_arrays([batch.column(0)], names=["x"])) == [1, 2]
    assert write_v2(batch)[:2] == [
        ("prediction", [2], "INT64", [1, 2]),
        ("probabilities", [2, 2], "FP64", [0.5, 0.5, 0.1, 0.9]),
    ]
    ragged = pa.RecordBatch.from_arrays([pa.array([[1], [1, 2]])], names=["words"])
    with pytest.raises(ValueError, match="different lengths"):
        write_v2(ragged)
