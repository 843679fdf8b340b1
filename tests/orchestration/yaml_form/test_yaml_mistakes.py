# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a YAML pipeline is said with file, line and the nearest right name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.user_project import forgetting_imports

from penstock.components.base.expression import RuntimeParameter
from penstock.orchestration.pipeline_loader import load_pipeline
from penstock.orchestration.yaml_form.expression_text import parse_expression
from penstock.utils.errors import ParameterError, PenstockError
from penstock.utils.yaml_places import read_places

STEPS = '''
from penstock import Artifact, Input, Output, OutputDict, Pipeline, component

class Words(Artifact):
    """Words."""

@component
def speak(word: str, words: Output[Words]) -> OutputDict(length=int):
    return {"length": len(word)}

@component
def shout(words: Input[Words], times: int = 2, loud: Output[Words] = None) -> None:
    pass

def plain():
    pass
'''

GOOD = """\
pipeline: p
root: root
parameters:
  depth: 3
nodes:
  speak:
    component: yaml_steps.py:speak
    with: {word: "w${parameters.depth}"}
  shout:
    component: yaml_steps.py:shout
    with:
      words: ${speak.outputs.words}
      times: ${speak.outputs.length}
    when: ${speak.outputs.length} > 2
    after: [speak]
    policy:
      retries: 2
      resources: {cpu: 1}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of components, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "yaml_steps.py").write_text(STEPS)
    with forgetting_imports():
        yield tmp_path


def test_the_good_one_is_good() -> None:
    """Fails if the mistakes below are not the only ones."""
    Path("p.yaml").write_text(GOOD)
    assert load_pipeline("p.yaml").name == "p"


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("root: root", "rot: root", 2, "no setting 'rot'(?s:.*)did you mean: +root"),
        ("pipeline: p", "pipeline: a/b", 1, "cannot be a pipeline name"),
        ("root: root", "cache: maybe", 2, "cache policy is unknown"),
        ("root: root", "root: '${parameters.dept}'", 2, "did you mean: +depth"),
        ("root: root", "root: '${where}'", 2, r"means nothing(?s:.*)\$\$\{where\}"),
        ("root: root", "on_exit: shot", 2, "no node 'shot'(?s:.*)did you mean: +shout"),
        ("depth: 3", "depth: [1]", 4, "unsupported type"),
        ("depth: 3", "depth: {type: int, default: x}", 4, "has the wrong type"),
        ("depth: 3", "depth: 3\n  more: 1", 5, "nothing uses it"),
        ("yaml_steps.py:speak", "CsvExamplGen", 7, "did you mean: +CsvExampleGen"),
        ("yaml_steps.py:speak", "yaml_steps.py:speek", 7, "did you mean: +speak"),
        ("yaml_steps.py:speak", "yaml_stps.py:speak", 7, "did you mean: +(.*/)?yaml_steps.py"),
        ("yaml_steps.py:speak", "yaml_steps.py:plain", 7, "@component above it"),
        ("yaml_steps.py:speak", "yaml_steps.py:Words", 7, "is no component"),
        ("component: yaml_steps.py:speak", "componet: x", 7, "did you mean: +component"),
        ("component: yaml_steps.py:speak", "after: []", 6, "made from one thing"),
        ('{word: "w${parameters.depth}"}', "{wrd: a}", 8, "(?s).*did you mean: +wrd"),
        ('{word: "w${parameters.depth}"}', "{word: a, wod: b}", 8, "unknown argument 'wod'"),
        ('{word: "w${parameters.depth}"}', "{word: 3}", 8, "'word' is not acceptable(?s:.*)got 3"),
        ('{word: "w${parameters.depth}"}', "{}", 8, "parameter 'word' is missing"),
        ("words: ${speak.outputs.words}", "words: ${speek.outputs.words}", 12,
         "no node 'speek'(?s:.*)did you mean: +speak"),
        ("words: ${speak.outputs.words}", "words: ${speak.outputs.wrds}", 12,
         "no output 'wrds'(?s:.*)did you mean: +words"),
        ("words: ${speak.outputs.words}", "words: ${speak.outputs.length}", 12,
         "wrong artifact type(?s:.*)did you mean: +speak.words"),
        ("words: ${speak.outputs.words}", "words: text", 12, "needs an output of another node"),
        ("times: ${speak.outputs.length}", "times: ${speak.outputs.length.urk}", 13,
         "an output has no 'urk'"),
        ("times: ${speak.outputs.length}", "times: {$expression: '1 +'}", 13, "cannot be read"),
        ("times: ${speak.outputs.length}", "times: many", 13, "'times' has the wrong type"),
        ("${speak.outputs.length} > 2", "${speak.outputs.length} >< 2", 14, "cannot be read"),
        ("${speak.outputs.length} > 2", "${speak.outputs.length}", 14, "true or false"),
        ("${speak.outputs.length} > 2", "exit() > 2", 14, r"'exit\(\)' is not understood"),
        ("${speak.outputs.length} > 2", "${shout.outputs.loud.uri} == 2", 14, "in a circle"),
        ("after: [speak]", "after: [speek]", 15, "did you mean: +speak"),
        ("after: [speak]", "excluding: ${speak.outputs.words}", 15, "is for resolvers"),
        ("retries: 2", "retires: 2", 17, "did you mean: +retries"),
        ("retries: 2", "retries: -2", 17, "not negative"),
        ("{cpu: 1}", "{cpus: 1}", 18, "did you mean: +cpu"),
        ("pipeline: p", "pipeline: p\npipeline: q", 2, "occurs twice"),
    ],
)  # fmt: skip
def test_mistakes_are_placed_and_explained(right: str, wrong: str, line: int, said: str) -> None:
    """Fails if somebody has to search a YAML file for what is wrong with it."""
    assert GOOD.count(right) == 1
    Path("p.yaml").write_text(GOOD.replace(right, wrong))
    with pytest.raises(PenstockError) as caught:
        load_pipeline("p.yaml")
    assert caught.value.location == f"p.yaml:{line}", str(caught.value)
    assert re.search(said, str(caught.value)), str(caught.value)


def test_errors_within_structured_values_are_placed() -> None:
    """Fails if a wrong field deep in a setting is only known to be somewhere in the node."""
    Path("p.yaml").write_text(
        "pipeline: p\nnodes:\n  gen:\n    component: CsvExampleGen\n    with:\n"
        "      input_base: data\n      output_config:\n        split_config:\n"
        "          splits:\n          - name: train\n            hash_buckets: 2\n"
        "            pattrn: x\n"
    )
    with pytest.raises(ParameterError, match=r"one of (?s:.*)pattrn") as caught:
        load_pipeline("p.yaml")
    assert caught.value.location == "p.yaml:12"


@pytest.mark.parametrize("text", ["- p", "", "5", "pipeline: p", "pipeline: p\nnodes: [a]"])
def test_what_is_no_pipeline_at_all(text: str) -> None:
    """Fails if some other YAML file ends in a traceback."""
    Path("p.yaml").write_text(text)
    with pytest.raises(ParameterError) as caught:
        load_pipeline("p.yaml")
    assert str(caught.value.location).startswith("p.yaml:")


def test_an_error_in_the_users_module_keeps_its_own_place(folder: Path) -> None:
    """Fails if a mistake in Python is blamed on the YAML that names the file."""
    (folder / "broken_steps.py").write_text("x = 1\nraise ValueError('no')\n")
    Path("p.yaml").write_text(GOOD.replace("yaml_steps.py:speak", "broken_steps.py:speak"))
    with pytest.raises(PenstockError, match="no") as caught:
        load_pipeline("p.yaml")
    assert caught.value.location == "broken_steps.py:2"


def test_graph_checks_name_the_line(folder: Path) -> None:
    """Fails if what is only found when compiling is told without its place."""
    Path("p.yaml").write_text(GOOD.replace("    with: {word", "    after: shout\n    with: {word"))
    pipeline = load_pipeline("p.yaml")
    with pytest.raises(PenstockError, match="in a circle") as caught:
        pipeline.compile()  # type: ignore[union-attr]
    assert str(caught.value.location).startswith("p.yaml:")


def test_user_functions_are_found_beside_the_yaml(folder: Path) -> None:
    """Fails if module files are looked for where the command was typed."""
    (folder / "sub").mkdir()
    (folder / "sub" / "features_y.py").write_text("def preprocessing_fn(inputs):\n    return 1\n")
    (folder / "sub" / "p.yaml").write_text(
        "pipeline: p\nnodes:\n"
        "  gen: {component: CsvExampleGen, with: {input_base: '${here}/data'}}\n"
        "  schema: {component: Importer, with: {source_uri: s, artifact_type: Schema}}\n"
        "  one:\n    component: Transform\n    with:\n"
        "      examples: ${gen.outputs.examples}\n      schema: ${schema.outputs.result}\n"
        "      module_file: features_y.py\n"
        "  two:\n    component: Transform\n    with:\n"
        "      examples: ${gen.outputs.examples}\n      schema: ${schema.outputs.result}\n"
        "      preprocessing_fn: features_y.py:preprocessing_fn\n"
    )
    ir = load_pipeline("sub/p.yaml").compile()  # type: ignore[union-attr]
    one, two = ir.node("one"), ir.node("two")
    assert one.parameters["module_file"] == "sub/features_y.py"
    codes = [node.code["preprocessing_fn"] for node in (one, two)]
    assert {code.attribute for code in codes} == {"preprocessing_fn"}
    assert {code.fingerprint for code in codes} == {codes[0].fingerprint}
    assert ir.node("gen").parameters["input_base"] == str(folder / "sub" / "data")
    # Reading a function's source is enough: its module, which may load TensorFlow, is not.
    assert "features_y" not in sys.modules


def test_lines_of_places() -> None:
    """Fails if errors name the wrong line, with anchors and merges too."""
    place = read_places("a: &x\n  b: 1\nc:\n  <<: *x\n  d: [1,\n      2]\n", source="f")
    assert (place.at("a", "b"), place.at("c", "d", 1), place.at("c", "nope")) == (
        "f:2", "f:6", "f:3",
    )  # fmt: skip
    assert place.at("c", "b") == "f:2"
    assert place["c"]["d"].value == [1, 2]
    assert read_places("", source="f").location == "f:1"


def test_texts_with_references() -> None:
    """Fails if what stands around a reference, or escapes it, is read wrongly."""
    parameter = RuntimeParameter("p", str, "x")
    made = parse_expression("'a' + ${p} == 'b' and not (1 < -2)", lambda name: parameter)
    assert made.encode(lambda channel: ("", ""))["operator"] == "and"
    with pytest.raises(ParameterError, match="cannot be read"):
        parse_expression("${p}.uri == 'b'", lambda name: parameter)
    with pytest.raises(ParameterError, match="neither true nor false"):
        parse_expression("${p} and 1", lambda name: parameter)
