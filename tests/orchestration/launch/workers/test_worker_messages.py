# SPDX-License-Identifier: Apache-2.0
"""What crosses between processes crosses whole, as JSON."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from penstock.components.base.artifact_types import Examples
from penstock.orchestration.launch.workers.failure_codec import error_from_dict, error_to_dict
from penstock.orchestration.launch.workers.messages import CodeRef, WorkResult, WorkSpec
from penstock.utils.errors import DataError, ExecutionError, UserCodeError


def test_a_spec_is_the_same_after_crossing():
    """A worker runs something other than what the launcher meant."""
    spec = WorkSpec(
        executor="a.b:C",
        node_id="Node",
        inputs={"x": [Examples("/data", id=3).to_dict()]},
        parameters={"deep": [1, {"text": "é", "none": None}], "float": 0.1},
        code={"run_fn": CodeRef("/bundle", "module", "run_fn")},
        executor_code=CodeRef("/other", "mine", "Own"),
        env={"A": "b"},
        heavy=True,
    )
    assert WorkSpec.from_bytes(spec.to_bytes()) == WorkSpec(
        **{**vars(spec), "beam_pipeline_args": []}
    )
    assert spec.bundle_paths == ("/bundle", "/other")


def test_any_mapping_and_sequence_crosses():
    """A read-only mapping from the IR makes a node fail before it starts."""
    spec = WorkSpec(executor="a:B", node_id="n", parameters=MappingProxyType({"a": (1, 2)}))
    assert WorkSpec.from_bytes(spec.to_bytes()).parameters == {"a": [1, 2]}


def test_what_is_not_json_is_refused():
    """An object would be turned into something else without anyone noticing."""
    with pytest.raises(TypeError, match="not JSON-compatible"):
        WorkSpec(executor="a:B", node_id="n", parameters={"a": {1, 2}}).to_bytes()


def test_a_result_gives_artifacts_of_their_own_type():
    """The launcher publishes plain artifacts instead of examples."""
    result = WorkResult(outputs={"x": [Examples("/data").to_dict()]}, properties={})
    (artifact,) = result.output_artifacts()["x"]
    assert isinstance(artifact, Examples)


@pytest.mark.parametrize(
    "error",
    [
        DataError("bad", node="n", expected="a", got="b", suggestion="c", location="d", fix="e"),
        UserCodeError("ValueError: x", node="n", frames=["a.py:3 in f", "b.py:4 in g"]),
    ],
)
def test_errors_cross_with_all_their_parts(error):
    """The part of a message that says how to mend it is lost on the way."""
    found = error_from_dict(error_to_dict(error))
    assert type(found) is type(error)
    assert vars(found) == vars(error)


def test_an_error_of_unknown_kind_is_still_an_error():
    """An answer from a newer worker makes the launcher fail in another way."""
    found = error_from_dict({"kind": "nearest", "what": "strange"})
    assert type(found) is ExecutionError
