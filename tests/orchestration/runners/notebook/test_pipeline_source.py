# SPDX-License-Identifier: Apache-2.0
"""Pipelines written as Python files: they compile to the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
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

from penstock import (
    RUN_ID,
    Channel,
    Cond,
    CsvExampleGen,
    Importer,
    IntRange,
    LatestArtifactStrategy,
    OutputConfig,
    Pipeline,
    PipelineInputs,
    Resolver,
    Resources,
    RuntimeParameter,
    Schema,
    SplitConfig,
    StoreImporter,
    TrainArgs,
    Trainer,
)
from penstock.orchestration.runners.notebook.export import export
from penstock.orchestration.runners.notebook.kept_nodes import KeptNodes, variable_name
from penstock.utils.errors import GraphError, ParameterError

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


@pytest.mark.parametrize("name", BUILDERS)
def test_pipelines_compile_to_the_same(name: str, tmp_path: Path) -> None:
    """If it fails, an exported file loses or changes a part of a pipeline."""
    # What was written is loaded, compiled and compared by the export itself.
    pipeline = BUILDERS[name](tmp_path / "root")
    path = export(pipeline, str(tmp_path / f"exported_{name}.py"), KeptNodes())
    assert "def create_pipeline() -> Pipeline:" in Path(path).read_text()


def test_conditions_policies_and_resolvers_are_written(tmp_path: Path) -> None:
    """If it fails, what a notebook set on its nodes does not get into production."""
    word = RuntimeParameter("word", str, "w\"'", "What to say.")
    first = start(word="pre-" + word + "-" + RUN_ID)
    brought = Importer("s3://b/x", Text, reimport=True, custom_properties={"n": 1, "f": 0.5})
    last = Resolver(
        strategy=LatestArtifactStrategy,
        config={"desired_num_of_artifacts": 2},
        text=Channel(Text),
        seen=first.outputs["text"],
    ).excluding(first.outputs["text"])
    length = first.outputs["length"].future().value
    with Cond((length > 2) & ~(length == 5) | (word != "no 'quote\"")):
        inputs = PipelineInputs(text=brought.outputs["result"], other=last.outputs["text"])
        one = extend(text=inputs["text"], suffix=first.outputs["text"].future().uri).with_id("one")
        with Cond(one.outputs["longer"].future()[1].custom_property("a.b c") == "x"):
            joined = join(left=one.outputs["longer"], right=inputs["other"]).with_id("lambda")
        inner = Pipeline(
            "inner", components=[one, joined], inputs=inputs, cache="off",
            outputs={"text": one.outputs["longer"]}, description="Inside: # not a comment",
        )  # fmt: skip
    after = extend(text=inner.outputs["text"], suffix="0o17").with_policy(
        retries=3, timeout_s=60, cache="read_only", resources=Resources(cpu=2, gpu=1)
    )
    after.add_upstream_nodes([inner, last])
    after.with_search_space(suffix=["a", "b"])
    told = tell_end(failed="1e5", first=first.outputs["text"], shaky=None)
    pipeline = Pipeline(
        "everything", root=str(tmp_path), components=[first, brought, last, inner, after],
        on_exit=told, cache="read_only", beam_pipeline_args=["--runner=DirectRunner"],
        description="no: 'yes'\nand more",
    )  # fmt: skip
    path = export(pipeline, str(tmp_path / "exported_everything.py"), KeptNodes())
    text = Path(path).read_text()
    assert text.count('RuntimeParameter("word"') == 1 and "on_exit=tell_end_node" in text


def test_structured_parameters_are_written_as_their_models(tmp_path: Path) -> None:
    """If it fails, an exported file holds dicts where people would write models."""
    config = OutputConfig(
        split_config=SplitConfig(splits=[{"name": "train", "hash_buckets": 4},
                                         {"name": "eval", "hash_buckets": 1}])
    )  # fmt: skip
    read = CsvExampleGen(input_base="data", output_config=config)
    (tmp_path / "training.py").write_text("def run_fn(fn_args):\n    pass\n")
    trained = Trainer(
        examples=read.outputs["examples"],
        module_file=str(tmp_path / "training.py"),
        train_args=TrainArgs(num_steps=7),
        custom_config={"rate": 0.5, "nested": {"a": [1, None, True]}},
    ).with_search_space({"custom_config.rate": IntRange(1, 4)})
    pipeline = Pipeline("models", str(tmp_path), [read, trained])
    text = Path(export(pipeline, str(tmp_path / "exported_models.py"), KeptNodes())).read_text()
    assert "train_args=TrainArgs(num_steps=7)" in text
    assert "SplitConfig(" in text and "OutputConfig(" in text


def test_a_file_that_was_there_stays_if_the_export_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, an export that goes wrong destroys what was exported before."""
    path = tmp_path / "exported_again.py"
    path.write_text("old = 1\n")
    pipeline = linear(tmp_path / "root")
    monkeypatch.setattr(
        "penstock.orchestration.runners.notebook.pipeline_source.PipelineSource._finished",
        lambda source, node, made, is_last: f"{made}.with_id('other_{node.id}')",
    )
    with pytest.raises(GraphError, match=r"would not say the same"):
        export(pipeline, str(path), KeptNodes())
    assert path.read_text() == "old = 1\n"


def test_importers_are_written(tmp_path: Path) -> None:
    """If it fails, what came from outside the notebook does not get into the file."""
    found = StoreImporter("other.db", Schema, pipeline="taxi", where={"span": 3}, required=False)
    brought = Importer("schema", Schema, output_key="schema")
    place = RuntimeParameter("place", str, "here")
    given = Importer("s3://b/" + place, Schema).with_id("given")
    pipeline = Pipeline("importers", str(tmp_path), [found, brought, given])
    text = Path(export(pipeline, str(tmp_path / "exported_importers.py"), KeptNodes())).read_text()
    assert 'Importer("schema", Schema, output_key="schema")' in text and "required=False" in text


@pytest.mark.parametrize("path", ["a b.py", "pipeline.txt", "1st.py"])
def test_a_path_that_python_cannot_import_is_refused(path: str, tmp_path: Path) -> None:
    """If it fails, a file is written that nothing can load."""
    with pytest.raises(ParameterError, match=r"pipeline\.py or pipeline\.yaml"):
        export(linear(tmp_path), str(tmp_path / path), KeptNodes())


def test_variables_are_called_after_nodes() -> None:
    """If it fails, an exported file reads badly."""
    names = [variable_name(each) for each in ("CsvExampleGen", "TFTrainer", "a.b-c", "1x", "x y")]
    assert names == ["csv_example_gen", "tftrainer", "a_b_c", "", ""]
