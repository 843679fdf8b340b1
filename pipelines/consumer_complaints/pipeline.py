# SPDX-License-Identifier: Apache-2.0
"""The pipeline: from monthly files of complaints to a pushed model.

penstock run penstock.pipelines.consumer_complaints.pipeline
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import (
    Channel,
    Cond,
    CsvExampleGen,
    EvalConfig,
    Evaluator,
    ExampleValidator,
    Filesystem,
    InputConfig,
    InputSplit,
    LatestBlessedModelStrategy,
    Model,
    ModelBlessing,
    OutputConfig,
    OutputSplit,
    Pipeline,
    PushDestination,
    Pusher,
    RangeConfig,
    Resolver,
    RollingRange,
    SchemaGen,
    SplitConfig,
    StatisticsGen,
    Trainer,
    Transform,
)

from .canary import canary
from .columns import LABEL, ZIP_CODE
from .labelling import label
from .settings import HERE, EvaluationSettings, Settings, load_settings


def create_pipeline(settings: Settings | None = None) -> Pipeline:
    """The pipeline with the settings of `config.yaml`, or with others."""
    settings = settings or load_settings()
    data = settings.data
    example_gen = CsvExampleGen(
        input_base=str(HERE / data.folder),
        input_config=InputConfig(splits=[InputSplit(name="all", pattern=data.pattern)]),
        range_config=RangeConfig(rolling_range=RollingRange(num_spans=data.months)),
        output_config=OutputConfig(
            split_config=SplitConfig(
                splits=[
                    OutputSplit(name="train", hash_buckets=data.train_buckets),
                    OutputSplit(name="eval", hash_buckets=data.eval_buckets),
                ]
            )
        ),
        # Numbers in this publication; texts in others, which mask the last two digits.
        column_types={ZIP_CODE: "string"},
    )
    labelled = label(examples=example_gen.outputs["examples"])
    statistics_gen = StatisticsGen(examples=labelled.outputs["labelled"])
    schema_gen = SchemaGen(
        statistics=statistics_gen.outputs["statistics"], infer_feature_shape=False
    )
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
        fail_on_anomalies=settings.fail_on_anomalies,
    )
    transform = Transform(
        examples=labelled.outputs["labelled"],
        schema=schema_gen.outputs["schema"],
        module_file=str(HERE / "features.py"),
    ).add_upstream_nodes([example_validator])
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        module_file=str(HERE / "model.py"),
        custom_config=settings.training.model_dump(exclude={"seed"}),
        seed=settings.training.seed,
    )
    last_blessed = (
        Resolver(
            strategy=LatestBlessedModelStrategy,
            model=Channel(Model),
            model_blessing=Channel(ModelBlessing),
        )
        .excluding(trainer.outputs["model"])
        .with_id("LastBlessed")
    )
    evaluator = Evaluator(
        examples=labelled.outputs["labelled"],
        model=trainer.outputs["model"],
        baseline_model=last_blessed.outputs["model"],
        schema=schema_gen.outputs["schema"],
        eval_config=EvalConfig.model_validate(_eval_config(settings.evaluation)),
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=PushDestination(
            filesystem=Filesystem(base_directory=str(Path(settings.serving).resolve()))
        ),
    )
    pushed = pusher.outputs["pushed_model"]
    with Cond(pushed.future().custom_property("pushed") == 1):
        asked = canary(pushed_model=pushed, record=settings.canary)
    return Pipeline(
        settings.name,
        settings.root,
        [
            example_gen,
            labelled,
            statistics_gen,
            schema_gen,
            example_validator,
            transform,
            trainer,
            last_blessed,
            evaluator,
            pusher,
            asked,
        ],
        description="Will the consumer dispute the company's response?",
    )


def _eval_config(settings: EvaluationSettings) -> dict[str, Any]:
    # On all complaints together: single products are too few to judge a model by.
    overall = {
        "slicing_specs": [{}],
        "threshold": {
            "value_threshold": {"lower_bound": settings.min_auc},
            "change_threshold": {
                "direction": "HIGHER_IS_BETTER",
                "absolute": -settings.max_auc_loss,
            },
        },
    }
    metrics = [
        {"class_name": "ExampleCount"},
        {"class_name": "AUC", "per_slice_thresholds": [overall]},
        {"class_name": "AUCPrecisionRecall"},
        {"class_name": "BinaryCrossentropy"},
        {"class_name": "MeanLabel"},
        {"class_name": "MeanPrediction"},
    ]
    return {
        "model_specs": [{"label_key": LABEL}],
        "slicing_specs": [{}, *({"feature_keys": [name]} for name in settings.slice_by)],
        "metrics_specs": [{"metrics": metrics}],
    }
