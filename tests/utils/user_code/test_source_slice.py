# SPDX-License-Identifier: Apache-2.0
"""Which edits change a function's fingerprint, and which do not."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.utils.errors import CodeError
from penstock.utils.user_code import (
    CodeBundle,
    defined_names,
    describe_changes,
    fingerprint,
    slice_report,
)

Files = dict[str, str]


def bundle_of(files: Files) -> CodeBundle:
    """A bundle of indented texts."""
    return CodeBundle({name: textwrap.dedent(text) for name, text in files.items()})


def changes(files: Files, old: str, new: str, entry: str = "f", module: str = "main") -> bool:
    """Whether replacing `old` by `new` in the one file that holds it changes `entry`."""
    edited = {name: text.replace(old, new) for name, text in files.items()}
    assert edited != files, "the edit must change something"
    before, after = bundle_of(files), bundle_of(edited)
    differs = fingerprint(before, module, entry) != fingerprint(after, module, entry)
    reported = slice_report(before, module, entry) != slice_report(after, module, entry)
    assert differs == reported
    return differs


MAIN: Files = {
    "main.py": '''
        """Module docstring."""
        import os
        import features
        import numpy as np
        from constants import LIMIT, UNUSED
        from shapes.round import circle

        SCALE = 3
        OTHER = 4

        def helper(value):
            return value * SCALE

        def unused(value):
            return value + OTHER

        def f(values):
            """Docstring."""
            first = helper(values)  # a comment
            return np.sum(first) + features.g(values) + LIMIT + circle(1)

        def second():
            from late import thing
            import late2
            return thing() + late2.used()
    ''',
    "features.py": """
        import math

        def g(x):
            return deeper(x)

        def deeper(x):
            return math.floor(x)

        def not_used(x):
            return x - 100
    """,
    "constants.py": "LIMIT = 5\nUNUSED = 6\n",
    "shapes/__init__.py": "NAME = 'shapes'\n",
    "shapes/round.py": "def circle(r): return 2 * r\ndef oval(r): return 9 * r\n",
    "late.py": "def thing(): return 11\ndef nothing(): return 12\n",
    "late2.py": "def used(): return 13\ndef left(): return 14\n",
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("values):", "values, more=1):"),
        ("value * SCALE", "value + SCALE"),
        ("SCALE = 3", "SCALE = 30"),
        ("math.floor", "math.ceil"),
        ("LIMIT = 5", "LIMIT = 50"),
        ("2 * r", "3 * r"),
        ("import numpy as np", "import cupy as np"),
    ],
)
def test_edits_of_what_is_used(old: str, new: str) -> None:
    """A missed change is a stale result that looks right."""
    assert changes(MAIN, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value + OTHER", "value - OTHER"),
        ("OTHER = 4", "OTHER = 40"),
        ("x - 100", "x - 200"),
        ("UNUSED = 6", "UNUSED = 60"),
        ("9 * r", "8 * r"),
        ("NAME = 'shapes'", "NAME = 'forms'"),
        ("11", "110"),
        ("import os", "import sys"),
        ("  # a comment", ""),
        ('"""Docstring."""', '"""Another."""'),
        ('"""Module docstring."""', ""),
        ("value * SCALE", "(value    *\n                SCALE)"),
        ("'shapes'", '"shapes"'),
        ("first = helper", "\n\n            first = helper"),
    ],
)
def test_edits_of_what_is_not_used(old: str, new: str) -> None:
    """Nodes would run again for nothing."""
    assert not changes(MAIN, old, new)


def test_imports_inside_functions() -> None:
    """Function components import inside their bodies; these imports count, and only these."""
    assert changes(MAIN, "11", "110", "second")
    assert changes(MAIN, "13", "130", "second")
    assert not changes(MAIN, "12", "120", "second")
    assert not changes(MAIN, "14", "140", "second")
    assert not changes(MAIN, "value * SCALE", "value", "second")


@pytest.mark.parametrize(
    "statement",
    [
        "setup(1)",
        "if FLAG:\n    X = 1",
        "for i in range(3):\n    TABLE[i] = 1",
        "while False:\n    pass",
        "try:\n    import fast\nexcept ImportError:\n    fast = 1",
        "with open('x') as X:\n    pass",
        "TABLE = build(1)",
        "TABLE: dict = build(1)",
        "TABLE['a'] = 1",
        "np.x = 1",
        "COUNT += 1",
        "del TABLE",
        "assert 1",
        "@register(1)\ndef other(): pass",
        "@registry.add\nclass Other: pass",
        "def other(x=build(1)): pass",
        "def other():\n    global STATE\n    STATE = 1",
        "class Other:\n    x = build(1)",
        "class Base:\n    def __init_subclass__(cls): pass\nclass Other(Base):\n    x = 1",
        "class Other(metaclass=Meta):\n    x = 1",
        "from elsewhere import *",
        "from __future__ import annotations",
        "X = (y := 1)",
        "X = sorted(y, key=build)",
        "[build(1)]",
    ],
)
def test_statements_with_effects_belong_to_every_slice(statement: str) -> None:
    """What runs on import may change what any function does."""
    main = f"def f(): return 1\n{statement}\n"
    before = fingerprint(CodeBundle({"main.py": main}), "main", "f")
    without = fingerprint(CodeBundle({"main.py": "def f(): return 1\n"}), "main", "f")
    assert before != without
    if "1" in statement:
        edited = "def f(): return 1\n" + statement.replace("1", "2") + "\n"
        assert fingerprint(CodeBundle({"main.py": edited}), "main", "f") != before


@pytest.mark.parametrize(
    "statement",
    [
        "X = 1",
        "X, Y = 1, [2, {3: 4}]",
        "X: int = 1",
        "X = frozenset({1})",
        "import re\nPATTERN = re.compile('a1')",
        "import logging\nlogger = logging.getLogger(__name__)",
        "from pathlib import Path\nHERE = Path(__file__).parent / '1'",
        "import functools\n@functools.lru_cache(maxsize=1)\ndef other(): return 1",
        "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    x: list = field()",
        "class C:\n    @property\n    def x(self): return 1\n    @x.setter\n    def x(self, v): 2",
        "class C(ValueError):\n    x = 1",
        "from enum import Enum\nclass C(Enum):\n    X = 1",
        "from pydantic import BaseModel, Field\nclass C(BaseModel):\n    x: int = Field(gt=1)",
        "import tensorflow as tf\n@tf.function\ndef other(x): return 1",
        "if __name__ == '__main__':\n    build(1)",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from x import y",
        "def other(x: Annotated[int, Field(1)] = 3) -> OutputDict(a=1): ...",
        "X = lambda: build(1)",
        "'a note'",
    ],
)
def test_statements_without_effects_stay_out(statement: str) -> None:
    """Constants and definitions would otherwise drag each other into every slice."""
    bare = fingerprint(CodeBundle({"main.py": "def f(): return 1\n"}), "main", "f")
    assert (
        fingerprint(CodeBundle({"main.py": f"def f(): return 1\n{statement}\n"}), "main", "f")
        == bare
    )


PIPELINE: Files = {
    "main.py": """
        from penstock import Pipeline, component, container_component, tfx
        from penstock import CsvExampleGen as Gen
        from parts import evaluate

        DATA = "data"

        @component
        def statistics(examples, schema): return 1

        @component(preload=("tensorflow",))
        def train(examples, statistics): return helper(2)

        def helper(x): return x

        gen = Gen(input_base=DATA).with_id("gen")
        stats = statistics(examples=gen.outputs["examples"])
        trainer = train(examples=gen.outputs["examples"], statistics=stats.outputs["x"])
        trainer.add_upstream_nodes([stats])
        judged = evaluate(model=trainer.outputs["model"])
        steps = [gen, stats]
        steps.append(trainer)
        for number in range(2):
            steps.append(train(examples=gen.outputs["examples"]).with_id(f"t{number}"))
        with tfx.dsl.Cond(judged.outputs["ok"].future() == 1):
            pushed = tfx.Pusher(model=trainer.outputs["model"])
        pipeline = Pipeline("p", components=[*steps, judged, pushed])

        def create_pipeline(name):
            found = []
            step = statistics(examples=3)
            found.append(step)
            if name:
                found += [train(examples=step.outputs["x"])]
            return Pipeline(name, components=found)

        another = create_pipeline("other")
    """,
    "parts.py": """
        from penstock import component

        @component
        def evaluate(model): return 7
    """,
}


def test_components_of_one_pipeline_file_are_independent() -> None:
    """Editing one component must not run its siblings again."""
    for old, new in [("return 1", "return 9"), ("return 7", "return 9"), ('"data"', '"more"')]:
        assert not changes(PIPELINE, old, new, "train")
    assert changes(PIPELINE, "helper(2)", "helper(3)", "train")
    assert changes(PIPELINE, "return x", "return -x", "train")
    for old, new in [("helper(2)", "helper(3)"), ("return x", "return -x"), ('"p"', '"q"')]:
        assert not changes(PIPELINE, old, new, "statistics")


def test_a_builder_with_effects_counts() -> None:
    """A function that also changes the module's state is no mere builder."""
    files = {
        "main.py": PIPELINE["main.py"].replace(
            "found.append(step)", "found.append(step); STATE.update(x=1)"
        ),
        "parts.py": PIPELINE["parts.py"],
    }
    assert changes(files, "x=1", "x=2", "train")


def test_changes_of_a_part_count_for_those_who_use_it() -> None:
    """A configuration object of the framework may be filled after it is made."""
    files = {
        "main.py": """
            from penstock import EvalConfig, Slice
            config = EvalConfig()
            config.slices.append(Slice(1))
            config.limit = 5
            def f(): return config
            def g(): return 3
        """
    }
    assert changes(files, "Slice(1)", "Slice(2)", "f")
    assert changes(files, "limit = 5", "limit = 6", "f")
    assert not changes(files, "Slice(1)", "Slice(2)", "g")


def test_effects_of_imported_modules_count() -> None:
    """A module may patch another when it is imported, even where nothing of it is used."""
    files = {"main.py": "import patches\ndef f(): return 1\n", "patches.py": "install(1)\nX = 2\n"}
    assert changes(files, "install(1)", "install(2)")
    assert not changes(files, "X = 2", "X = 3")


@pytest.mark.parametrize(
    "body",
    [
        "return globals()['a']()",
        "return eval('a')()",
        "exec('a()')",
        "return locals()",
        "return vars()",
        "import importlib; return importlib.import_module('main').a()",
        "import sys; return sys.modules[__name__].a()",
        "return __import__('main').a()",
        "from importlib import import_module as load; return load(x)",
    ],
)
def test_dynamic_access_takes_the_whole_module(body: str) -> None:
    """What cannot be followed must be taken whole."""
    files = {"main.py": f"def f(x=1):\n    {body}\ndef a(): return 5\n"}
    assert changes(files, "return 5", "return 6")


@pytest.mark.parametrize("use", ["take(features)", "getattr(features, 'g')", "vars(features)"])
def test_module_passed_as_a_value_is_taken_whole(use: str) -> None:
    """Whoever gets the module may use anything in it."""
    files = {"main.py": f"import features\ndef f(): return {use}\n", "features.py": "def g(): 5\n"}
    files["features.py"] = "def g(): return 5\nfrom deep import h\n"
    files["deep.py"] = "def h(): return 6\n"
    assert changes(files, "return 5", "return 7")
    assert changes(files, "return 6", "return 7")


def test_star_import_takes_the_whole_module() -> None:
    """A star import binds names that cannot be told apart."""
    files = {"main.py": "from features import *\ndef f(): return g()\n"}
    files["features.py"] = "def g(): return 5\ndef h(): return 6\n"
    assert changes(files, "return 5", "return 7")
    assert changes(files, "return 6", "return 7")


@pytest.mark.parametrize(
    ("main", "entry"),
    [
        ("from .features import g\ndef f(): return g()", "f"),
        ("from . import features\ndef f(): return features.g()", "f"),
        ("from . import features as x\ndef f():\n    y = x\n    return x.g()", "f"),
        ("def f():\n    from . import features\n    return features.g()", "f"),
        ("def f():\n    from .features import g as h\n    return h()", "f"),
        ("import shop.features\ndef f(): return shop.features.g()", "f"),
        ("import shop.features as s\ndef f(): return s.g()", "f"),
        ("from shop import features\nclass A:\n    def m(self): return features.g()", "A"),
        ("from . import again\ndef f(): return again()", "f"),
        ("from . import *\ndef f(): return again()", "f"),
        ("from .features import g\nALIAS = g\ndef f(): return ALIAS()", "f"),
        ("from .features import g\ndef f(x=g): return x()", "f"),
        ("from .features import g\ndef f(x: 'g'): return x", "f"),
        ("from .features import g\ndef f():\n    def inner(): return g()\n    return inner()", "f"),
        ("from .features import g\ndef f(): return [g() for g in [g]]", "f"),
        ("from .features import g\ndef f():\n    class C:\n        g = g\n    return C", "f"),
        (
            "try:\n    from .features import g\nexcept ImportError:\n    g = 1\ndef f(): g()",
            "f",
        ),
    ],
)
def test_ways_to_reach_a_helper(main: str, entry: str) -> None:
    """However a helper is reached, an edit of it must count."""
    files = {
        "shop/__init__.py": "from .features import g as again\n",
        "shop/main.py": main,
        "shop/features.py": "def g(): return 5\ndef unused(): return 6\n",
    }
    assert changes(files, "return 5", "return 7", entry, "shop.main")
    if "y = x" not in main and "*" not in main:
        assert not changes(files, "return 6", "return 7", entry, "shop.main")


def test_a_parameter_hides_a_function_of_its_name() -> None:
    """Component functions take parameters called like the components that feed them."""
    files = {"main.py": "def statistics(): return 5\ndef f(statistics): return statistics\n"}
    assert not changes(files, "return 5", "return 6")


def test_several_entry_points() -> None:
    """A node with two functions depends on both."""
    bundle = bundle_of({"main.py": "def a(): return 1\ndef b(): return 2\ndef c(): return 3\n"})
    edited = bundle_of({"main.py": "def a(): return 1\ndef b(): return 9\ndef c(): return 9\n"})
    assert fingerprint(bundle, "main", ["a", "b"]) == fingerprint(bundle, "main", ("b", "a"))
    assert fingerprint(bundle, "main", ["a", "b"]) != fingerprint(edited, "main", ["a", "b"])
    assert fingerprint(bundle, "main", ["a"]) == fingerprint(edited, "main", ["a"])
    assert fingerprint(bundle, "main") != fingerprint(edited, "main")


def test_the_folder_s_name_does_not_count() -> None:
    """A checkout under another name must find its cache entries."""
    files = {"p/main.py": "from .b import x\ndef f(): return x", "p/b.py": "x = 1"}
    moved = {name.replace("p/", "q/"): text for name, text in files.items()}
    assert fingerprint(bundle_of(files), "p.main", "f") == fingerprint(
        bundle_of(moved), "q.main", "f"
    )


def test_report_names_file_and_function() -> None:
    """A user wants to read which function changed, not a digest."""
    edited = {n: t.replace("math.floor", "math.ceil") for n, t in MAIN.items()}
    before = slice_report(bundle_of(MAIN), "main", "f")
    after = slice_report(bundle_of(edited), "main", "f")
    assert describe_changes(before, after) == ["features.py: deeper() changed"]
    assert "main.py: helper()" in before
    assert "main.py: SCALE" in before
    assert "main.py: unused()" not in before
    grown = {**edited, "constants.py": "LIMIT = MORE\nMORE = 7\n"}
    assert describe_changes(after, slice_report(bundle_of(grown), "main", "f")) == [
        "constants.py: LIMIT changed",
        "constants.py: MORE is new",
    ]


def test_unknown_entry_names_the_nearest() -> None:
    """A misspelt function should be found when the pipeline compiles."""
    bundle = bundle_of({"main.py": "def preprocessing_fn(): ...\n"})
    with pytest.raises(CodeError, match="defines no preprocesing_fn") as raised:
        fingerprint(bundle, "main", "preprocesing_fn")
    assert raised.value.suggestion == "preprocessing_fn"
    with pytest.raises(CodeError, match="no module mian"):
        fingerprint(bundle, "mian", "x")
    assert defined_names(bundle, "main") == {"preprocessing_fn"}


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[tuple[str, set[str]]], dict[str, str]]:
    """Functions in two modules that call each other at random, with their sources."""
    count = draw(st.integers(2, 7))
    functions = []
    for number in range(count):
        callees = draw(st.sets(st.integers(0, count - 1), max_size=3))
        functions.append((f"f{number}", {f"f{callee}" for callee in callees}))
    home = {name: draw(st.sampled_from(["main", "other"])) for name, _ in functions}
    home["f0"] = "main"
    return functions, home


def write(functions: list[tuple[str, set[str]]], home: dict[str, str], edited: str = "") -> Files:
    """Sources of the functions; the one called `edited` returns something else."""
    texts = {"main.py": "import other\n", "other.py": "import main\n"}
    for name, callees in functions:
        calls = [c if home[c] == home[name] else f"{home[c]}.{c}" for c in sorted(callees)]
        value = 2 if name == edited else 1
        body = " + ".join([str(value), *(f"{call}()" for call in calls)])
        texts[home[name] + ".py"] += f"def {name}():\n    return {body}\n"
    return texts


def reachable(functions: list[tuple[str, set[str]]]) -> set[str]:
    """Names of the functions that f0 calls, at any depth."""
    calls = dict(functions)
    found, pending = set(), ["f0"]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(calls[name])
    return found


@given(programs(), st.data())
def test_exactly_the_reachable_functions_count(
    program: tuple[list[tuple[str, set[str]]], dict[str, str]], data: st.DataObject
) -> None:
    """For any call graph: an edit counts if and only if the function can be reached."""
    functions, home = program
    edited = data.draw(st.sampled_from([name for name, _ in functions]))
    before = fingerprint(CodeBundle(write(functions, home)), "main", "f0")
    after = fingerprint(CodeBundle(write(functions, home, edited)), "main", "f0")
    assert (before != after) == (edited in reachable(functions))


@given(
    st.lists(st.sampled_from(["", "# note", "    # indented note", "\f"]), max_size=4), st.data()
)
def test_comments_and_blank_lines_never_count(noise: list[str], data: st.DataObject) -> None:
    """Wherever comments and blank lines are put, nothing runs again."""
    lines = textwrap.dedent(MAIN["main.py"]).split("\n")
    place = data.draw(st.integers(0, len(lines)))
    noisy = "\n".join([*lines[:place], *noise, *lines[place:]])
    files = {name: textwrap.dedent(text) for name, text in MAIN.items()}
    for entry in ("f", "second"):
        assert fingerprint(CodeBundle({**files, "main.py": noisy}), "main", entry) == fingerprint(
            CodeBundle(files), "main", entry
        )
