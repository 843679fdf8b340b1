# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.golden import check_golden
from support.pipelines import (
    chain,
    conditional,
    diamond,
    extend,
    nested,
    pass_on,
    start,
    unreliable,
)

from penstock import (
    FAILED_NODES,
    Channel,
    Cond,
    Examples,
    Importer,
    Model,
    OutputDict,
    Pipeline,
    Pusher,
    RuntimeParameter,
    Trainer,
    component,
)
from penstock.utils.errors import CodeError, GraphError, ParameterError

GOLDEN = Path(__file__).parent / "golden"


@component
def gather(items: list[str]) -> OutputDict(out=int):
    """Counts."""
    return {"out": len(items)}


def _without_sources(text: str) -> str:
    """The IR without source texts and digests, which tests of their own cover."""
    raw = json.loads(text)
    raw["penstock_version"] = ""
    raw["code"] = sorted(path for bundle in raw["code"].values() for path in bundle["files"])
    for node in raw["nodes"]:
        node["executor"]["source"] = node["location"] = ""
        for code in node["code"].values():
            code.update(bundle="", fingerprint="", statements=sorted(code["statements"]))
    return json.dumps(raw, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("diamond", lambda: diamond(Path("/root-folder"))),
        ("conditional", lambda: conditional(Path("/root-folder"))),
        ("nested", lambda: nested(Path("/root-folder"))),
        ("unreliable", lambda: unreliable(Path("/root-folder"), Path("/marker"), 2, 3)),
    ],
)
def test_compiled_pipelines_are_as_kept(name: str, build: Callable[[], Pipeline]) -> None:
    """Without it, the IR could change without anyone noticing."""
    check_golden(GOLDEN / f"{name}.json", _without_sources(build().compile().to_json()))


def test_nodes_come_after_their_predecessors(tmp_path: Path) -> None:
    """Without it, a runner that goes through the nodes in order would fail."""
    first = start(word="x")
    last = extend(text=first.outputs["text"], suffix="y")
    compiled = Pipeline("p", str(tmp_path), [last, first]).compile()
    assert [node.id for node in compiled.nodes] == ["start", "extend"]


def test_what_a_run_names_is_compiled_the_same_each_time() -> None:
    """Without it, equal pipelines would have different IRs, from process to process."""

    def compiled() -> str:
        found = Importer(RuntimeParameter("place", str, "here"), Model)
        return Pipeline("p", "root", [found]).compile().nodes[0].description

    assert compiled() == compiled() == "Imports what the run names."


def test_code_travels_once_and_by_content(tmp_path: Path) -> None:
    """Without it, the compiled file would hold a copy of the module for each node."""
    compiled = chain(tmp_path, 50).compile()
    assert len(compiled.code) == 1
    (bundle,) = compiled.code.values()
    assert "support/pipelines.py" in bundle["files"]


def test_overrides_reach_into_structured_parameters(tmp_path: Path) -> None:
    """Without it, `--set Trainer.train_args.num_steps=5` would not work."""
    pipeline = _training(tmp_path, "def run_fn(fn_args): pass\n")
    pipeline.override({"Trainer.train_args.num_steps": 5, "Trainer.custom_config": {"a": 1}})
    node = pipeline.compile().node("Trainer")
    assert node.parameters["train_args"] == {"splits": ["train"], "num_steps": 5}
    assert node.parameters["custom_config"] == {"a": 1}


def test_a_new_key_that_is_like_an_old_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without it, a misspelt key costs a training that nobody wanted, in silence."""
    pipeline = _training(tmp_path, "def run_fn(fn_args): pass\n")
    pipeline.override({"Trainer.custom_config": {"epochs": 1}})
    pipeline.override({"Trainer.custom_config.rate": 2})
    assert not caplog.records
    pipeline.override({"Trainer.custom_config.epoch": 2})
    assert "did you mean epochs" in caplog.text
    pipeline.override({"Trainer.custom_config.epoch": 3})  # as the next trial of a search does
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("path", "value", "suggestion"),
    [
        ("Trainr.seed", 1, "Trainer.seed"),
        ("Trainer.sead", 1, "seed"),
        ("Trainer.train_args.num_step", 1, "num_steps"),
    ],
)
def test_wrong_overrides_name_the_nearest(
    tmp_path: Path, path: str, value: object, suggestion: str
) -> None:
    """Without it, a misspelt `--set` would be ignored or unexplained."""
    pipeline = _training(tmp_path, "def run_fn(fn_args): pass\n")
    with pytest.raises(ParameterError) as caught:
        pipeline.override({path: value})
    assert caught.value.suggestion == suggestion


def _training(folder: Path, module: str) -> Pipeline:
    (folder / "model.py").write_text(module, encoding="utf-8")
    importer = Importer("/data", Examples)
    trainer = Trainer(
        examples=importer.outputs["result"],
        module_file=str(folder / "model.py"),
        train_args={"num_steps": 1},
    )
    return Pipeline("training", str(folder / "root"), [importer, trainer])


def test_a_module_file_without_the_function_is_refused(tmp_path: Path) -> None:
    """Without it, a misspelt `run_fn` would show only after the data was transformed."""
    pipeline = _training(tmp_path, "def run_fun(fn_args): pass\n")
    with pytest.raises(CodeError, match="defines no run_fn") as caught:
        pipeline.compile()
    assert (caught.value.node, caught.value.suggestion) == ("Trainer", "run_fun")


def test_a_missing_module_file_is_refused(tmp_path: Path) -> None:
    """Without it, a misspelt path would show only when the node runs."""
    pipeline = _training(tmp_path, "def run_fn(fn_args): pass\n")
    pipeline.find("Trainer").parameters["module_file"] = str(tmp_path / "modle.py")
    with pytest.raises(CodeError, match=r"modle\.py") as caught:
        pipeline.compile()
    assert "model.py" in str(caught.value)


def test_entry_points_are_required(tmp_path: Path) -> None:
    """Without it, a Trainer without code would fail in its worker."""
    importer = Importer("/data", Examples)
    trainer = Trainer(examples=importer.outputs["result"])
    with pytest.raises(CodeError, match="run_fn is missing"):
        Pipeline("p", str(tmp_path), [importer, trainer]).compile()


def _cycle(root: Path) -> Pipeline:
    first, second = start(word="x"), start(word="y").with_id("second")
    first.add_upstream_nodes([second])
    second.add_upstream_nodes([first])
    return Pipeline("p", str(root), [first, second])


def _not_listed(root: Path) -> Pipeline:
    first = start(word="x")
    return Pipeline("p", str(root), [extend(text=first.outputs["text"], suffix="y")])


def _upstream_not_listed(root: Path) -> Pipeline:
    node = start(word="x").add_upstream_nodes([start(word="y").with_id("other")])
    return Pipeline("p", str(root), [node])


def _two_defaults(root: Path) -> Pipeline:
    nodes = [
        pass_on(number=RuntimeParameter("n", int, default)).with_id(f"n{default}")
        for default in (1, 2)
    ]
    return Pipeline("p", str(root), nodes)


def _text_for_a_number(root: Path) -> Pipeline:
    return Pipeline("p", str(root), [pass_on(number=RuntimeParameter("n", str, "1"))])


def _text_for_a_list(root: Path) -> Pipeline:
    return Pipeline("p", str(root), [gather(items=FAILED_NODES)])


def _output_for_a_text(root: Path) -> Pipeline:
    first = pass_on(number=1)
    return Pipeline("p", str(root), [first, start(word=first.outputs["out"])])


def _value_of_a_text(root: Path) -> Pipeline:
    first = start(word="x")
    with Cond(first.outputs["text"].future().value > 1):
        second = pass_on(number=1)
    return Pipeline("p", str(root), [first, second])


def _nobody_produces(root: Path) -> Pipeline:
    return Pipeline(
        "p",
        str(root),
        [Pusher(model=Channel(Model), push_destination={"filesystem": {"base_directory": "/s"}})],
    )


GRAPH_MISTAKES = {
    "cycle": (_cycle, ["in a circle", "start -> second -> start"]),
    "empty": (lambda root: Pipeline("p", str(root), []), ["has no nodes"]),
    "same id": (
        lambda root: Pipeline("p", str(root), [start(word="x"), start(word="y")]),
        ["two nodes with the id 'start'", "test_compiler.py", ".with_id("],
    ),
    "not listed": (_not_listed, ["extend", "a node that is not in the pipeline", "add start"]),
    "upstream not listed": (_upstream_not_listed, ["an upstream node is not", "add other"]),
    "runtime parameter declared twice": (_two_defaults, ["'n' is declared in two ways"]),
    "text for a number": (
        _text_for_a_number,
        ["'number' cannot take the runtime parameter 'n'", "of type int", "of type str"],
    ),
    "text for a list": (
        _text_for_a_list,
        ["'items' cannot take the run's failed_nodes", "of type list", "of type str"],
    ),
    "number for a text": (
        _output_for_a_text,
        ["'word' cannot take the value of an output of type Integer", "of type str"],
    ),
    "value of what is none": (
        _value_of_a_text,
        ["an output of type Text has no value", "pass_on", ".future().uri"],
    ),
    "no producer": (_nobody_produces, ["Pusher", "a channel that no node produces"]),
}


@pytest.mark.parametrize("name", GRAPH_MISTAKES)
def test_graph_mistakes_are_named_at_compile_time(name: str, tmp_path: Path) -> None:
    """Without it, a graph that cannot run would start to."""
    build, wanted = GRAPH_MISTAKES[name]
    with pytest.raises(GraphError) as caught:
        build(tmp_path).compile()
    for text in wanted:
        assert text in str(caught.value)


def test_a_function_defined_inside_another_is_refused(tmp_path: Path) -> None:
    """Without it, code that a worker cannot import would compile."""
    from penstock import component

    @component
    def local() -> None:
        pass

    with pytest.raises(CodeError, match="local"):
        Pipeline("p", str(tmp_path), [local()]).compile()
