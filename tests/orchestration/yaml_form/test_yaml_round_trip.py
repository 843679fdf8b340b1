# SPDX-License-Identifier: Apache-2.0
"""Pipelines written as YAML and read again: they compile to the same, and run the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.pipelines import (
    Text,
    chain,
    conditional,
    contained,
    diamond,
    extend,
    fan_out,
    guarded,
    join,
    linear,
    nested,
    parametrised,
    start,
    tell_end,
    unreliable,
)
from support.runner_contract import Ran, RunnerContract

from penstock import (
    RUN_ID,
    AirflowDagRunner,
    Channel,
    Cond,
    Importer,
    Input,
    LatestArtifactStrategy,
    LocalRunner,
    Output,
    Pipeline,
    PipelineInputs,
    Resolver,
    Resources,
    RuntimeParameter,
    SqlExampleGen,
    component,
)
from penstock.cli import cli
from penstock.components.base.expression import Expression, Literal, Logic
from penstock.orchestration.pipeline_loader import load_pipeline
from penstock.orchestration.yaml_form.expression_text import expression_text, parse_expression
from penstock.orchestration.yaml_form.json_schema import yaml_schema
from penstock.orchestration.yaml_form.reader import read_yaml_pipeline
from penstock.orchestration.yaml_form.sameness import check_same, without_places
from penstock.orchestration.yaml_form.writer import export_yaml, yaml_text
from penstock.utils.errors import CodeError, GraphError, PenstockError
from penstock.utils.plain_yaml import read_yaml

BUILDERS: dict[str, Callable[[Path], Pipeline]] = {
    "linear": linear,
    "diamond": diamond,
    "fan_out": fan_out,
    "nested": nested,
    "conditional": conditional,
    "parametrised": parametrised,
    "chain": lambda root: chain(root, 5),
    "contained": lambda root: contained(root, "image"),
    "unreliable": lambda root: unreliable(root, root / "marker", 2, 1),
    "guarded": lambda root: guarded(root, root / "marker", 2),
}


def everything(root: Path) -> Pipeline:
    """What the contract's pipelines do not have."""
    word = RuntimeParameter("word", str, "w", "What to say.")
    first = start(word="pre-" + word + "-" + RUN_ID)
    brought = Importer("s3://b/x", Text, reimport=True, custom_properties={"n": 1, "f": 0.5})
    last = Resolver(
        strategy=LatestArtifactStrategy,
        config={"desired_num_of_artifacts": 2},
        text=Channel(Text),
        seen=first.outputs["text"],
    ).excluding(first.outputs["text"])
    length = first.outputs["length"].future().value
    with Cond((length > 2) & ~(length == 5) | (word != "no ${x} 'quote\"")):
        inputs = PipelineInputs(text=brought.outputs["result"], other=last.outputs["text"])
        one = extend(text=inputs["text"], suffix=first.outputs["text"].future().uri).with_id("one")
        with Cond(one.outputs["longer"].future()[1].custom_property("a.b c") == "x"):
            deep = Pipeline(
                "deep",
                components=[
                    join(left=one.outputs["longer"], right=inputs["other"]).with_id("join"),
                ],
                cache="off",
            )
        inner = Pipeline(
            "inner", components=[one, deep], inputs=inputs,
            outputs={"text": one.outputs["longer"]}, description="Inside: # not a comment",
        )  # fmt: skip
    rows = SqlExampleGen(
        connection="postgresql+psycopg://me:${NO_SUCH}@h/db", query="select 1 -- ${here}"
    ).with_policy(
        retries=3, retry_delay_s=0.5, timeout_s=60, cache="read_only",
        resources=Resources(cpu=2, gpu=1),
    )  # fmt: skip
    after = extend(text=inner.outputs["text"], suffix="0o17").with_id("after.all")
    after.add_upstream_nodes([inner, rows])
    told = tell_end(failed="1e5", first=first.outputs["text"], shaky=None)
    return Pipeline(
        "everything", root=str(root) + "/" + RuntimeParameter("place", str, "here"),
        components=[first, brought, last, inner, rows, after], on_exit=told, cache="read_only",
        beam_pipeline_args=["--runner=DirectRunner"], description="no: 'yes'\nand more",
        metadata="sqlite:////x/y",
    )  # fmt: skip


def same(pipeline: Pipeline, path: Path) -> Pipeline:
    """The pipeline as YAML made it; asserts that it compiles to the same."""
    # Checks by itself that what it wrote compiles to the same.
    export_yaml(pipeline, str(path))
    loaded = load_pipeline(str(path))
    assert isinstance(loaded, Pipeline)
    assert [i for i, _ in loaded.nodes()] == [i for i, _ in pipeline.nodes()]
    assert all(node.location.startswith(str(path)) for _, node in loaded.nodes())
    assert loaded.metadata == pipeline.metadata
    return loaded


@pytest.mark.parametrize("name", BUILDERS)
def test_pipelines_compile_to_the_same(name: str, tmp_path: Path) -> None:
    """Fails if YAML loses or changes a part of a pipeline."""
    pipeline = BUILDERS[name](tmp_path / "root")
    loaded = same(pipeline, tmp_path / "pipeline.yaml")
    assert without_places(loaded.compile()) == without_places(pipeline.compile())


def test_every_feature_compiles_to_the_same(tmp_path: Path) -> None:
    """Fails if nesting, conditions, resolvers, importers, policies or odd texts get lost."""
    pipeline = everything(tmp_path / "root")
    loaded = same(pipeline, tmp_path / "deep" / "pipeline.yaml")
    assert loaded.find("inner.deep.join") is not None
    # What YAML made can be written again, to the same text.
    text = (tmp_path / "deep" / "pipeline.yaml").read_text()
    assert yaml_text(loaded, str(tmp_path / "deep" / "pipeline.yaml")) == text


def test_complaints_pipeline_compiles_to_the_same(tmp_path: Path) -> None:
    """Fails if a whole, real pipeline cannot be had as YAML."""
    from penstock.pipelines.consumer_complaints.pipeline import create_pipeline

    pipeline = create_pipeline()
    same(pipeline, tmp_path / "complaints.yaml")
    schema = json.loads(yaml_schema())
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    document = read_yaml((tmp_path / "complaints.yaml").read_text(), source="")
    jsonschema.validate(document, schema)
    document["nodes"]["Trainer"]["with"]["exmples"] = "${x.outputs.y}"
    with pytest.raises(jsonschema.ValidationError, match="exmples"):
        jsonschema.validate(document, schema)


class TestYamlOnLocal(RunnerContract):
    """The contract's pipelines, as YAML, on this machine."""

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        path = Path(str(pipeline.root)).parent / "written" / "pipeline.yaml"
        loaded = same(pipeline, path)
        result = LocalRunner().run(loaded, parameters=parameters, resume=resume)
        return Ran(result.run.id, result.metadata)


def test_outside_engines_get_the_same_files(tmp_path: Path) -> None:
    """Fails if a pipeline in YAML becomes another DAG than the same pipeline in Python."""
    pipeline = conditional(tmp_path / "root")
    loaded = same(pipeline, tmp_path / "pipeline.yaml")
    for name, each in (("python", pipeline), ("yaml", loaded)):
        AirflowDagRunner(dag_id="c").compile(each, str(tmp_path / name))
    python, yaml = ((tmp_path / name / "c.py").read_text() for name in ("python", "yaml"))
    assert python == yaml


@pytest.mark.kubeflow
def test_kubeflow_gets_the_same_graph(tmp_path: Path) -> None:
    """Fails if a pipeline in YAML cannot be compiled for Kubeflow."""
    pytest.importorskip("kfp")
    (tmp_path / "kubeflow.yaml").write_text(
        "image: registry.example/p:1\nmetadata: mysql://u@h/db\nroot: s3://b/root\n"
    )
    written = tmp_path / "pipeline.yaml"
    same(conditional(tmp_path / "root"), written)
    target = tmp_path / "kfp.yaml"
    words = ["compile", str(written), "--runner", "kubeflow", "-o", str(target)]
    answer = CliRunner().invoke(cli, [*words, "--runner-config", str(tmp_path / "kubeflow.yaml")])
    assert answer.exit_code == 0, answer.output
    for node in ("start", "extend", "needs", "join"):
        assert node in target.read_text()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(
        ["${x}", "$${", "no", "on", "0o17", "1e5", "2015-06-01", "~", "<<", "${here}", "a\nb", "\t"]
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abc $:{}#", min_size=1), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@component
def keep(value: dict[str, Any], text: Input[Text], longer: Output[Text]) -> None:
    """Has a parameter of any value."""


@given(plain)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_values_of_parameters_survive(tmp_path: Path, value: Any) -> None:
    """Fails if a value reads otherwise than it was: a ZIP code, a date, a `no`, a `${`."""
    first = start(word="w")
    kept = keep(value={"v": value}, text=first.outputs["text"])
    pipeline = Pipeline("values", str(tmp_path), [first, kept])
    written = yaml_text(pipeline, str(tmp_path / "p.yaml"))
    loaded = read_yaml_pipeline(written, str(tmp_path / "p.yaml"))
    assert loaded.find("keep").parameters["value"] == {"v": value}


def _expressions() -> st.SearchStrategy[Expression]:
    channel = start(word="w").outputs["length"]
    names: st.SearchStrategy[Expression] = st.sampled_from(
        [channel.future().value, channel.future()[2].uri, RuntimeParameter("p", int, 1), RUN_ID]
    )
    values = names | st.builds(
        Literal,
        st.booleans() | st.none() | st.integers() | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
    )  # fmt: skip
    sums = st.builds(lambda a, b: a + b, names, values)
    predicates = st.builds(
        lambda a, b, f: f(a, b), names | sums, values,
        st.sampled_from([lambda a, b: a == b, lambda a, b: a < b, lambda a, b: a >= b]),
    )  # fmt: skip
    return st.recursive(
        predicates,
        lambda inner: (
            st.builds(lambda a: ~a, inner)
            | st.builds(
                lambda a, b, o: Logic(o, [a, b]), inner, inner, st.sampled_from(["and", "or"])
            )
        ),
        max_leaves=6,
    )


@given(_expressions())
@settings(max_examples=150, deadline=None)
def test_expressions_survive(expression: Expression) -> None:
    """Fails if a condition in YAML decides otherwise than the one it was written from."""
    known: dict[str, Any] = {"run.run_id": RUN_ID, "parameters.p": RuntimeParameter("p", int, 1)}

    def name_of(channel: Channel) -> str:
        return f"{channel.producer.id}.outputs.{channel.key}"  # type: ignore[union-attr]

    def resolve(text: str) -> Any:
        if text in known:
            return known[text]
        channel = start(word="w").outputs["length"]
        future = channel.future()[2] if "[2]" in text else channel.future()
        return future.uri if text.endswith(".uri") else future.value

    encode = lambda channel: (channel.producer.id, channel.key)  # noqa: E731
    again = parse_expression(expression_text(expression, name_of), resolve)
    assert again.encode(encode) == expression.encode(encode)


def test_what_yaml_cannot_name_is_refused(tmp_path: Path) -> None:
    """Fails if a notebook's function is written as a name that leads nowhere."""

    @component
    def local(word: str, text: Output[Text]) -> None:
        """Inside a function."""

    pipeline = Pipeline("p", str(tmp_path), [local(word="w")])
    with pytest.raises(PenstockError, match="defined inside"):
        export_yaml(pipeline, str(tmp_path / "p.yaml"))
    lonely = component(eval("lambda: None", {"__name__": "__notebook__"}))
    lonely.function.__qualname__, lonely.function.__module__ = "cell", "__notebook__"
    from penstock.orchestration.yaml_form.named_objects import name_of_object

    with pytest.raises(CodeError, match=r"in a notebook(?s:.*)into a \.py file"):
        name_of_object(lonely, str(tmp_path), "the function")
    assert not (tmp_path / "p.yaml").exists()


def test_command_line_exports_runs_and_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the commands do not take YAML, or `export` writes what they cannot take."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "exported_toy.py").write_text(
        "from penstock import Output, Artifact, OutputDict, Pipeline, component\n\n\n"
        "@component\n"
        "def say(word: str) -> OutputDict(said=str):\n    return {'said': word}\n\n\n"
        "def create_pipeline():\n    return Pipeline('toy', 'root', [say(word='hello')])\n"
    )

    def call(*words: str, code: int = 0) -> str:
        answer = CliRunner().invoke(cli, list(words))
        assert answer.exit_code == code, answer.output
        return answer.output

    call("export", "--yaml", "exported_toy.py", "-o", "pipeline.yaml")
    assert "exported_toy.py:say" in (tmp_path / "pipeline.yaml").read_text()
    assert "say" in call("plan")
    call("run", "-q", "--set", "say.word=hi")
    assert "reuse" in call("plan", "pipeline.yaml", "--set", "say.word=hi")
    call("compile", "pipeline.yaml", "-o", "pipeline.json")
    assert "no longer knows" in call("export", "pipeline.json", code=2)
    assert json.loads(call("export", "--schema"))["title"] == "A Penstock pipeline"
    with pytest.raises(GraphError):
        one = linear(tmp_path / "a").compile()
        check_same(one, diamond(tmp_path / "a").compile())
