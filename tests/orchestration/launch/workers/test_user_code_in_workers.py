# SPDX-License-Identifier: Apache-2.0
"""User code in workers: loaded from its bundle, kept apart, and blamed by its own name."""

from __future__ import annotations

import sys

import pytest

from penstock.orchestration.launch.workers.in_process import InProcessWorker
from penstock.orchestration.launch.workers.messages import CodeRef
from penstock.utils.errors import CodeError, UserCodeError
from penstock.utils.user_code import CodeBundle, materialize


@pytest.fixture
def bundle(tmp_path):
    """Writes out a bundle with one module `features`, and refers to a name in it."""

    def make(text, attribute="function"):
        found = CodeBundle({"features.py": text}, {"features.py": "my/features.py"})
        return CodeRef(materialize(found, tmp_path / "code"), "features", attribute)

    return make


def test_bundles_with_the_same_names_do_not_mix(pool, make_spec, bundle):
    """A node runs the code of another node, or of another version."""
    answers, pids = [], []
    for number in (1, 2, 1):
        ref = bundle(f"VALUE = {number}\ndef function():\n    return VALUE\n")
        found = pool.execute(make_spec("Caller", code={"function": ref})).properties
        answers.append(found["answer"])
        pids.append(found["pid"])
    assert answers == [1, 2, 1]
    assert pids[0] == pids[2] != pids[1]
    plain = pool.execute(make_spec("Modules", parameters={"module": "features"})).properties
    assert plain["loaded"] is False
    assert plain["pid"] not in pids


@pytest.mark.parametrize("heavy", [False, True])
def test_an_error_in_user_code_names_the_authors_file(pool, make_spec, bundle, heavy):
    """One reads a traceback through the framework, with the names of temporary files."""
    text = "def helper(row):\n    return row['x']\ndef function():\n    return helper({})\n"
    spec = make_spec("Caller", code={"function": bundle(text)}, heavy=heavy)
    with pytest.raises(UserCodeError, match="KeyError: 'x'") as found:
        pool.execute(spec)
    assert found.value.node == "Node"
    assert found.value.frames == (
        "my/features.py:4 in function",
        "my/features.py:2 in helper",
    )
    assert found.value.location == "my/features.py:2"


def test_a_library_missing_in_user_code_says_what_to_install(pool, make_spec, bundle):
    """One does not learn which package brings the module."""
    text = "def function():\n    import sklearn_absent.part\n"
    with pytest.raises(UserCodeError, match="sklearn_absent") as found:
        pool.execute(make_spec("Caller", code={"function": bundle(text)}))
    assert "pip install sklearn_absent" in found.value.fix


def test_a_missing_function_is_named(pool, make_spec, bundle):
    """A misspelt function fails with an AttributeError inside the framework."""
    ref = bundle("def functoin():\n    pass\n")
    with pytest.raises(CodeError, match="defines no function") as found:
        pool.execute(make_spec("Caller", code={"function": ref}))
    assert found.value.suggestion == "functoin"
    assert found.value.node == "Node"


def test_what_a_module_sets_up_when_loaded_stays(pool, make_spec, bundle):
    """A setting made at the top of a module is gone for the second node that uses it."""
    text = "import os\nos.environ['SET_UP'] = 'yes'\n"
    text += "def function():\n    return os.environ.get('SET_UP', 'no')\n"
    spec = make_spec("Caller", code={"function": bundle(text)})
    assert [pool.execute(spec).properties["answer"] for _ in range(2)] == ["yes", "yes"]


def test_an_executor_may_be_user_code(pool, make_spec, bundle):
    """A component with an executor of its own runs what is on disk, not what was compiled."""
    text = "class Own:\n    def execute(self, task):\n        return {'own': True}\n"
    spec = make_spec("Ignored", executor_code=bundle(text, "Own"))
    assert pool.execute(spec).properties == {"own": True}


@pytest.mark.parametrize("own", [False, True])
def test_inputs_have_the_users_artifact_type(pool, make_spec, bundle, own):
    """An executor meets a plain artifact where it declared a type of its own."""
    raw = {
        "type": "Counted",
        "uri": "/data",
        "id": 1,
        "name": "",
        "properties": {"count": 3},
        "custom_properties": {},
    }
    text = (
        "from penstock.components.base.artifact import Artifact, PropertyType\n"
        "class Counted(Artifact):\n"
        "    TYPE_NAME = 'Counted'\n"
        "    PROPERTIES = {'count': PropertyType.INT}\n"
    )
    spec = make_spec(
        "TypeOfInput",
        inputs={"found": [raw]},
        artifact_types={"Counted": {"count": "int"}},
        code={"function": bundle(text, "Counted")} if own else {},
    )
    found = pool.execute(spec).properties
    assert found["count"] == 3
    assert (found["module"] == "features") is own


def test_in_process_execution_leaves_no_user_modules(make_spec, bundle):
    """After debugging a node in a notebook, old user code answers later imports."""
    path = list(sys.path)
    for number in (1, 2):
        ref = bundle(f"def function():\n    return {number}\n")
        found = InProcessWorker().execute(make_spec("Caller", code={"function": ref}))
        assert found.properties["answer"] == number
    assert "features" not in sys.modules
    assert sys.path == path
