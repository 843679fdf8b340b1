# SPDX-License-Identifier: Apache-2.0
"""How the pipeline that a command line names is found, and what is said where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.user_project import forgetting_imports, write_project

from penstock import Pipeline
from penstock.orchestration.ir import PipelineIR
from penstock.orchestration.pipeline_loader import load_pipeline, split_target
from penstock.utils.errors import (
    CodeError,
    GraphError,
    IRError,
    PenstockError,
    UserCodeError,
    WiringError,
)

PREFIX = "from penstock import Pipeline\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, which is the current one; imports from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    with forgetting_imports():
        yield tmp_path


def write(path: str, text: str) -> str:
    """Writes a file in the current folder. Its path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return path


def name_of(target: str) -> str:
    """The name of the pipeline that a target stands for."""
    return load_pipeline(target).name


@pytest.mark.parametrize(
    ("target", "place", "attribute"),
    [
        ("pipeline.py", "pipeline.py", ""),
        ("pipeline.py:make", "pipeline.py", "make"),
        ("a.b:make.small", "a.b", "make.small"),
        ("s3://bucket/pipeline.json", "s3://bucket/pipeline.json", ""),
        ("odd:name/pipeline.py", "odd:name/pipeline.py", ""),
    ],
)
def test_targets_are_split_at_the_colon_that_names_something(
    target: str, place: str, attribute: str
) -> None:
    """If it fails, a URL or an odd folder name is taken for a name in a module."""
    assert split_target(target) == (place, attribute)


def test_create_pipeline_comes_before_variables() -> None:
    """If it fails, a module's helper pipeline is run instead of its main one."""
    write(
        "p1.py", PREFIX + "pipeline = Pipeline('v')\ndef create_pipeline(n='f'): return Pipeline(n)"
    )
    assert name_of("p1.py") == "f"
    assert name_of("p1.py:pipeline") == "v"
    assert name_of("p1:create_pipeline") == "f"
    assert name_of("p1") == "f"


def test_variable_named_pipeline_comes_before_others() -> None:
    """If it fails, the usual name for a pipeline has no meaning."""
    write("p2.py", PREFIX + "other = Pipeline('o')\npipeline = Pipeline('v')")
    assert name_of("p2.py") == "v"


def test_only_pipeline_is_found_and_nested_ones_do_not_count() -> None:
    """If it fails, a module with one obvious pipeline has to be spelt out."""
    write(
        "p3.py",
        PREFIX + "inner = Pipeline('i')\nouter = Pipeline('o', components=[inner])\nsame = outer",
    )
    assert name_of("p3.py") == "o"


def test_folder_stands_for_its_pipeline_file() -> None:
    """If it fails, `penstock run my_project` does not run the project."""
    write("project/pipeline.py", PREFIX + "pipeline = Pipeline('v')")
    assert name_of("project") == "v"


def test_module_of_a_package_is_imported_as_such() -> None:
    """If it fails, a project whose files import each other relatively cannot be run."""
    write("outer/__init__.py", "")
    write("outer/names.py", "NAME = 'from_names'")
    write("outer/inner/__init__.py", "")
    file = write(
        "outer/inner/p4.py", PREFIX + "from ..names import NAME\npipeline = Pipeline(NAME)"
    )
    assert name_of(file) == "from_names"
    assert "outer.inner.p4" in sys.modules
    assert name_of("outer.inner.p4") == "from_names"


def test_plain_file_finds_its_neighbours_from_anywhere() -> None:
    """If it fails, a script's helper modules are found only from its own folder."""
    write("scripts/p5_names.py", "NAME = 'neighbour'")
    write("scripts/p5.py", PREFIX + "import p5_names\npipeline = Pipeline(p5_names.NAME)")
    assert name_of("scripts/p5.py") == "neighbour"


def test_our_own_examples_are_not_imported_a_second_time() -> None:
    """If it fails, an example run by its file meets a second copy of Penstock's classes."""
    import penstock.pipelines.consumer_complaints.pipeline as example

    file = os.path.abspath(example.__file__)
    assert isinstance(load_pipeline(file), Pipeline)
    assert sys.modules["penstock.pipelines.consumer_complaints.pipeline"] is example


def test_compiled_pipeline_is_read(folder: Path) -> None:
    """If it fails, what `penstock compile` wrote cannot be run."""
    file = write_project(folder, "compiled_toy")
    pipeline = load_pipeline(str(file))
    assert isinstance(pipeline, Pipeline)
    pipeline.compile().save("toy.json")
    loaded = load_pipeline("toy.json")
    assert isinstance(loaded, PipelineIR)
    assert loaded.name == "toy"
    with pytest.raises(IRError, match="is not JSON"):
        load_pipeline(write("bad.json", "{"))


FILES = {
    "my_project/pipeline.py": PREFIX + "a = Pipeline('a')",
    "two.py": PREFIX + "a = Pipeline('a')\nb = Pipeline('b')",
    "typo.py": "def create_pipline(): pass",
    "args.py": "def create_pipeline(month): pass",
    "nothing.py": "def create_pipeline(): pass",
    "number.py": "create_pipeline = 3\npipeline = 4",
    "wiring.py": PREFIX + "Pipeline('x', components=[1])",
    "syntax.py": "def f(:\n",
    "exits.py": "import sys\nsys.exit(2)",
    "absent.py": "import tensorflw_x",
    "misspelt.py": "import noting",
    "raises.py": "def inner():\n    raise ValueError('no data')\n\ninner()",
    "factory.py": "def create_pipeline():\n    return {}['x']",
    "setting.py": "from penstock import RuntimeParameter, StaticRange\n"
    "StaticRange(start_span_number=RuntimeParameter('span', int, 1), end_span_number=2)",
    "noting_.py": "",
    "bad-dir/__init__.py": "",
    "bad-dir/p.py": PREFIX + "pipeline = Pipeline('v')",
    "no-module.py": "",
    "json.py": PREFIX + "pipeline = Pipeline('v')",
}


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        ("tow.py", CodeError, "there is no tow.py.*did you mean: two.py"),
        ("nowhere/two.py", CodeError, "there is no nowhere"),
        ("bad-dir/pp.py", CodeError, "did you mean: bad-dir/p.py"),
        ("two.py", CodeError, "several pipelines.*got: +a, b.*two.py:a"),
        ("two.py:c", CodeError, "two.py defines no c.*expected: +a, b"),
        ("typo.py", CodeError, "defines no pipeline.*did you mean: typo.py:create_pipline"),
        ("noting_.py", CodeError, "defines no pipeline"),
        ("args.py", GraphError, "needs arguments.*a default for month.*at: +args.py:1"),
        ("nothing.py", GraphError, "did not return a pipeline.*return Pipeline"),
        ("number.py", CodeError, "defines no pipeline"),
        ("number.py:pipeline", GraphError, "pipeline is not a pipeline"),
        ("wiring.py", WiringError, "holds something that is not a node"),
        ("syntax.py", UserCodeError, "SyntaxError.*at: +syntax.py:1"),
        ("exits.py", UserCodeError, r"sys.exit\(2\).*exits.py:2.*__main__"),
        ("absent.py", UserCodeError, "tensorflw_x.*pip install tensorflw_x"),
        ("misspelt.py", UserCodeError, "noting.*did you mean: noting_"),
        ("raises.py", UserCodeError, "no data.*at: +raises.py:2.*raises.py:4.*raises.py:2 in i"),
        ("factory.py", UserCodeError, r"create_pipeline\(\) failed: KeyError.*factory.py:2"),
        ("setting.py", UserCodeError, "StaticRange is not acceptable.*start_span_number: Input.*"
         "got RuntimeParameter.*at: +setting.py:2.*a dict instead of StaticRange"),
        ("bad-dir/p.py", CodeError, "package by its __init__.py.*did you mean: bad_dir"),
        ("no-module.py", CodeError, "cannot be imported"),
        ("json.py", CodeError, "module named json is already loaded.*rename the file"),
        ("nosuch.module", CodeError, "there is no module nosuch"),
        ("my_projet", CodeError, "there is no module my_projet.*did you mean: my_project$"),
        ("two words", CodeError, "names no pipeline"),
        ("missing.json", CodeError, "there is no missing.json"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_explained(
    target: str, error: type[PenstockError], said: str
) -> None:
    """If it fails, a newcomer's mistake gets a traceback, or a message that does not help."""
    import re

    for path, text in FILES.items():
        write(path, text)
    with pytest.raises(error) as caught:
        load_pipeline(target)
    assert re.search(said, str(caught.value), re.DOTALL), str(caught.value)


def test_same_file_name_in_another_folder_is_refused_not_confused() -> None:
    """If it fails, a process that loads two pipelines may get the first one twice."""
    write("a/p6.py", PREFIX + "pipeline = Pipeline('a')")
    write("b/p6.py", PREFIX + "pipeline = Pipeline('b')")
    assert name_of("a/p6.py") == "a"
    with pytest.raises(CodeError, match="a module named p6 is already loaded"):
        load_pipeline("b/p6.py")
