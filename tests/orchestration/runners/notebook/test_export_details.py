# SPDX-License-Identifier: Apache-2.0
"""What exported files say of parameters with models in them, and of a node's policy."""

from __future__ import annotations

from pathlib import Path

from penstock import (
    CsvExampleGen,
    EvalConfig,
    Evaluator,
    InteractiveContext,
    Pipeline,
    Resources,
    SlicingConfig,
    SlicingSpec,
    StatisticsGen,
    StatsOptions,
    Trainer,
)
from penstock.orchestration.pipeline_loader import load_pipeline
from penstock.orchestration.runners.notebook.pipeline_source import PipelineSource
from penstock.orchestration.yaml_form.sameness import without_places


def test_two_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """The file would fail to load: the slices of an evaluation are not those of statistics."""
    (tmp_path / "train.py").write_text("def run_fn(fn_args):\n    pass\n")
    read = CsvExampleGen(input_base="data")
    sliced = SlicingConfig(slicing_specs=[SlicingSpec(feature_keys=["State"])])
    counted = StatisticsGen(
        examples=read.outputs["examples"], stats_options=StatsOptions(slicing_config=sliced)
    )
    trainer = Trainer(
        examples=read.outputs["examples"], module_file=str(tmp_path / "train.py")
    ).with_policy(retries=2, resources=Resources(cpu=2, memory_gb=4))
    config = {
        "model_specs": [{"label_key": "sold"}],
        "slicing_specs": [{}, {"feature_keys": ["State"]}],
        "metrics_specs": [{"metrics": [{"class_name": "AUC"}, {"class_name": "MeanLabel"}]}],
    }
    evaluator = Evaluator(
        examples=read.outputs["examples"],
        model=trainer.outputs["model"],
        eval_config=EvalConfig.model_validate(config),
    )
    pipeline = Pipeline("told", "root", [read, counted, trainer, evaluator])
    text = PipelineSource(pipeline).text("Told apart.", "told.py")
    assert 'SlicingSpec(feature_keys=["State"])' in text
    assert '{"feature_keys": ["State"]}' in text
    assert "resources=Resources(cpu=2, memory_gb=4)" in text
    assert max(map(len, text.split("\n"))) <= 100 + len(str(tmp_path))
    path = tmp_path / "told.py"
    path.write_text(text)
    written = load_pipeline(str(path))
    assert isinstance(written, Pipeline)
    assert without_places(written.compile()) == without_places(pipeline.compile())


def test_the_store_is_known_before_anything_ran(tmp_path: Path) -> None:
    """`context.metadata` and `context.store()` would fail with an error about empty pipelines."""
    context = InteractiveContext("quiet", str(tmp_path / "root"))
    assert context.metadata == str(tmp_path / "root" / "metadata.sqlite")
    assert InteractiveContext("quiet", "", "sqlite:///x.sqlite").metadata.endswith("x.sqlite")
