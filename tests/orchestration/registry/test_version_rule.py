# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.orchestration.metadata.records import ExecutionRecord, ExecutionState
from penstock.orchestration.registry.recipe import Recipe
from penstock.orchestration.registry.schema_interface import interface_of
from penstock.orchestration.registry.serving_signature import signature_of
from penstock.orchestration.registry.version_rule import Change, bump_for, changes_between

SCHEMA = """
feature {
  name: "age" type: INT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }
}
feature { name: "city" type: BYTES domain: "city" presence { min_count: 1 } }
string_domain { name: "city" value: "Rome" }
"""


def execution(number: int, node: str, parts: dict[str, str], **given: Any) -> ExecutionRecord:
    """An execution with what its cache key was made of."""
    kept = {"cache_ingredients": json.dumps(parts)}
    if "statements" in given:
        kept["cache_statements"] = json.dumps({"run_fn": given["statements"]})
    return ExecutionRecord(
        number, "p", "r", node, "T", ExecutionState.COMPLETE,
        parameters=given.get("parameters", {}), custom_properties=kept,
    )  # fmt: skip


def changes(
    old: dict[str, str], new: dict[str, str], node: str = "Trainer", **given: Any
) -> list[Change]:
    """What changed, where one node's ingredients did."""
    before = execution(1, node, old, **given.get("before", {}))
    after = execution(2, node, new, **given.get("after", {}))
    data = {f"{node}.examples": {"digest": "d"}} if given.get("source") else {}
    return changes_between(
        Recipe(executions={node: 1}, data=data),
        Recipe(executions={node: 2}, data=data),
        lambda ids: {each.id: each for each in (before, after) if each.id in ids},
    )


def told(found: list[Change]) -> list[tuple[str, str, str]]:
    """Changes without their nodes."""
    return [(each.bump, each.kind, each.what) for each in found]


def schema(text: str, folder: Path, *, inferred: bool = False) -> dict[str, Any]:
    """A schema as a recipe has it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.pbtxt").write_text(text)
    interface = interface_of(str(folder), inferred=inferred)
    return {"digest": text, "inferred": inferred, "interface": interface}


def test_code_is_named_by_function_and_parameters_by_leaf() -> None:
    """People would have to find out themselves what they changed."""
    before = {"statements": {"m.py: fit()": "1", "m.py: old()": "1"},
              "parameters": {"custom_config": {"rate": 0.1, "epochs": 3}}}  # fmt: skip
    after = {"statements": {"m.py: fit()": "2", "m.py: new()": "1"},
             "parameters": {"custom_config": {"rate": 0.2, "epochs": 3}}}  # fmt: skip
    found = changes(
        {"code.run_fn": "a", "parameter.custom_config": "a", "input.examples": "a"},
        {"code.run_fn": "b", "parameter.custom_config": "b", "input.examples": "b"},
        before=before,
        after=after,
    )
    assert told(found) == [
        ("minor", "code", "Trainer: m.py: fit() changed"),
        ("minor", "code", "Trainer: m.py: new() is new"),
        ("minor", "code", "Trainer: m.py: old() is gone"),
        ("minor", "parameter", "Trainer: custom_config.rate: 0.1 → 0.2"),
    ]


@pytest.mark.parametrize(
    ("part", "source", "expected"),
    [
        ("external./data/x.csv", True, []),
        ("parameter.input_base", True, []),
        ("parameter.range_config", True, []),
        ("parameter.output_config", True, ["minor"]),
        ("parameter.input_config", False, ["minor"]),
        ("executor", True, ["minor"]),
        ("component", False, ["minor"]),
        ("input.examples", False, []),
    ],
)
def test_what_is_read_is_data_and_how_is_not(part: str, source: bool, expected: list[str]) -> None:
    """Another folder of data would be a new minor version; another split none."""
    found = changes({part: "a"}, {part: "b"}, source=source)
    assert [each.bump for each in found] == expected


def test_data_nodes_and_beginnings() -> None:
    """New data would look like no change; a new node like new data."""
    old = Recipe(
        executions={"A": 1, "B": 1}, data={"A.examples": {"digest": "1", "span": 3}},
        given={"Trainer.base_model": "x"},
    )  # fmt: skip
    new = Recipe(
        executions={"A": 1, "C": 1}, data={"A.examples": {"digest": "2", "span": 4}},
        given={"Trainer.base_model": "y"},
    )  # fmt: skip
    assert told(changes_between(old, new, lambda ids: {})) == [
        ("minor", "nodes", "node C is new"),
        ("minor", "nodes", "node B is gone"),
        ("patch", "data", "the data changed (A.examples, span 3 → 4)"),
        ("patch", "data", "what Trainer.base_model began with changed"),
    ]


@pytest.mark.parametrize(
    ("edit", "inferred", "expected"),
    [
        (("Rome", "Bonn"), True, []),
        (("Rome", "Bonn"), False, ["minor"]),
        (("min_fraction: 1 ", ""), True, []),
        (("min_fraction: 1 ", ""), False, ["major"]),
        (("dim { size: 1 }", "dim { size: 2 }"), False, ["major"]),
        (("type: INT", "type: FLOAT"), True, ["major"]),
        (('"age"', '"years"'), True, ["major", "major"]),
    ],
)
def test_schema_counts_as_far_as_callers_depend_on_it(
    tmp_path: Path, edit: tuple[str, str], inferred: bool, expected: list[str]
) -> None:
    """Every day's data would be a major version; or a changed type a patch."""
    old = schema(SCHEMA, tmp_path / "old", inferred=inferred)
    new = schema(SCHEMA.replace(*edit), tmp_path / "new", inferred=inferred)
    found = changes_between(Recipe(schemas={"S": old}), Recipe(schemas={"S": new}), lambda ids: {})
    assert [each.bump for each in found] == expected


def test_unreadable_schema_counts_as_a_whole(tmp_path: Path) -> None:
    """A schema of another kind would never count."""
    old, new = (schema(text, tmp_path / text) for text in ("{]", "{["))
    found = changes_between(Recipe(schemas={"S": old}), Recipe(schemas={"S": new}), lambda ids: {})
    assert [each.bump for each in found] == ["major"]
    assert interface_of(str(tmp_path / "nowhere"), inferred=False) == {}


def test_highest_change_decides_and_is_told_first() -> None:
    """A breaking change would hide behind a small one."""
    found = [Change("major", "schema", "a"), Change("minor", "code", "b"), *(
        Change("major", "schema", str(number)) for number in range(4)
    )]  # fmt: skip
    assert bump_for(sorted(found, key=lambda each: each.bump)) == ("major", "a; 0; 1 and 2 more")
    assert bump_for([])[0] == "patch"


def test_recipe_survives_the_store() -> None:
    """Versions could not be compared any more once they are read back."""
    recipe = Recipe({"A": 1}, {"g": "x"}, {"d": {"digest": "1"}}, {}, {"t": "2"}, {"s": [1]})
    raw = {**json.loads(json.dumps(recipe.to_dict())), "of_a_later_version": 1}
    assert Recipe.from_dict(raw) == recipe


def test_signatures_of_models_that_are_json(tmp_path: Path) -> None:
    """A model that takes other columns would be a patch."""
    learner = {
        "feature_names": ["a", "b"], "feature_types": ["float", "int"],
        "objective": {"name": "binary:logistic"}, "learner_model_param": {"num_class": "0"},
    }  # fmt: skip
    (tmp_path / "model.json").write_text(json.dumps({"learner": learner}))
    assert signature_of(str(tmp_path)) == {
        "features": ["a", "b"], "types": ["float", "int"], "objective": "binary:logistic",
        "classes": "0",
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"not a model", b"\x12\x05\x2a\x7f"])
def test_files_that_say_nothing_are_left_uncompared(tmp_path: Path, content: bytes) -> None:
    """A damaged or foreign file would stop a push with a traceback."""
    assert signature_of(str(tmp_path)) is None
    for name in ("saved_model.pb", "model.keras", "model.json"):
        (tmp_path / name).write_bytes(content)
        assert signature_of(str(tmp_path)) is None


@pytest.mark.heavy
def test_signature_of_a_saved_model_is_what_tensorflow_says(tmp_path: Path) -> None:
    """The reader of the file would see changes where there are none, or none where there are."""
    import tensorflow as tf

    class Scale(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
        def score(self, x: Any) -> Any:
            return {"y": tf.reduce_sum(x, axis=1), "shape": tf.shape(x)}

        @tf.function(input_signature=[tf.TensorSpec(None, tf.string, name="examples")])
        def transform(self, examples: Any) -> Any:
            return {"inside": examples}

    module = Scale()
    signatures = {"serving_default": module.score, "transform_features": module.transform}
    tf.saved_model.save(module, str(tmp_path), signatures)
    assert signature_of(str(tmp_path)) == {
        "signatures": {
            "serving_default": {
                "inputs": {"x": {"dtype": tf.float32.as_datatype_enum, "shape": [-1, 3]}},
                "outputs": {
                    "y": {"dtype": tf.float32.as_datatype_enum, "shape": [-1]},
                    "shape": {"dtype": tf.int32.as_datatype_enum, "shape": [2]},
                },
            }
        }
    }


@pytest.mark.heavy
def test_signature_of_a_keras_file_names_its_inputs(tmp_path: Path) -> None:
    """A Keras model that takes other inputs would be a patch."""
    import keras

    inputs = [keras.Input((1,), name="a"), keras.Input((2,), name="b", dtype="int32")]
    output = keras.layers.Dense(1, name="score")(keras.layers.Concatenate()(inputs))
    keras.Model(inputs, output).save(tmp_path / "model.keras")
    found = signature_of(str(tmp_path))
    assert found is not None
    assert found["inputs"] == {
        "a": {"dtype": "float32", "shape": [None, 1]},
        "b": {"dtype": "int32", "shape": [None, 2]},
    }
    assert "score" in json.dumps(found["outputs"])
