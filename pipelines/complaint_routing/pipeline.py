# SPDX-License-Identifier: Apache-2.0
"""The pipeline: from complaints in the consumers' words to a pushed model, the better of two.

penstock run penstock.pipelines.complaint_routing.pipeline
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import (
    Cond,
    CsvExampleGen,
    EvalConfig,
    Evaluator,
    ExampleValidator,
    Filesystem,
    InputConfig,
    InputSplit,
    OutputConfig,
    OutputSplit,
    Pipeline,
    PushDestination,
    Pusher,
    SchemaGen,
    SplitConfig,
    StatisticsGen,
    Trainer,
    Transform,
)

from .canary import canary
from .columns import LABEL, LABEL_ID
from .preparation import prepare
from .selection import choose
from .settings import HERE, Settings, load_settings


def create_pipeline(settings: Settings | None = None) -> Pipeline:
    """The pipeline with the settings of `config.yaml`, or with others."""
    settings = settings or load_settings()
    example_gen = _example_gen(settings)
    prepared = prepare(examples=example_gen.outputs["examples"], products=settings.products)
    complaints = prepared.outputs["prepared"]
    statistics_gen = StatisticsGen(examples=complaints)
    # Each complaint has all three columns: `prepare` sees to it.
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
        fail_on_anomalies=settings.fail_on_anomalies,
    )
    transform = Transform(
        examples=complaints,
        schema=schema_gen.outputs["schema"],
        module_file=str(HERE / "features.py"),
    ).add_upstream_nodes([example_validator])
    network = _network(settings, transform, schema_gen)
    baseline = _baseline(settings, complaints).add_upstream_nodes([example_validator])
    evaluators = [
        Evaluator(
            examples=complaints,
            model=trainer.outputs["model"],
            schema=schema_gen.outputs["schema"],
            eval_config=EvalConfig.model_validate(_eval_config(settings, label)),
        ).with_id(f"evaluate_{trainer.id}")
        # The network knows products by their ids, the baseline by their names.
        for trainer, label in ((network, LABEL_ID), (baseline, LABEL))
    ]
    chosen = _choice(settings, network, baseline, *evaluators)
    pusher = _pusher(settings, chosen)
    pushed = pusher.outputs["pushed_model"]
    with Cond(pushed.future().custom_property("pushed") == 1):
        asked = canary(
            pushed_model=pushed, narrative=settings.canary.strip(), products=settings.names
        )
    return Pipeline(
        settings.name,
        settings.root,
        [
            example_gen,
            prepared,
            statistics_gen,
            schema_gen,
            example_validator,
            transform,
            network,
            baseline,
            *evaluators,
            chosen,
            pusher,
            asked,
        ],
        description="Which product is a complaint about?",
    )


def _example_gen(settings: Settings) -> CsvExampleGen:
    data = settings.data
    return CsvExampleGen(
        input_base=str(HERE / data.folder),
        input_config=InputConfig(splits=[InputSplit(name="all", pattern=data.pattern)]),
        output_config=OutputConfig(
            split_config=SplitConfig(
                splits=[
                    OutputSplit(name="train", hash_buckets=data.train_buckets),
                    OutputSplit(name="eval", hash_buckets=data.eval_buckets),
                ]
            )
        ),
    )


def _network(settings: Settings, transform: Transform, schema_gen: SchemaGen) -> Trainer:
    trained = settings.network.model_dump(exclude={"seed"})
    return Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        module_file=str(HERE / "network.py"),
        custom_config={"products": settings.names, **trained},
        seed=settings.network.seed,
    ).with_id("network")


def _baseline(settings: Settings, complaints: Any) -> Trainer:
    trained = settings.baseline.model_dump(exclude={"seed"})
    return Trainer(
        examples=complaints,
        module_file=str(HERE / "baseline.py"),
        custom_config={"products": settings.names, **trained},
        seed=settings.baseline.seed,
    ).with_id("baseline")


def _choice(
    settings: Settings,
    network: Trainer,
    baseline: Trainer,
    evaluated_network: Evaluator,
    evaluated_baseline: Evaluator,
) -> Any:
    return choose(
        network=network.outputs["model"],
        network_evaluation=evaluated_network.outputs["evaluation"],
        network_blessing=evaluated_network.outputs["blessing"],
        baseline=baseline.outputs["model"],
        baseline_evaluation=evaluated_baseline.outputs["evaluation"],
        baseline_blessing=evaluated_baseline.outputs["blessing"],
        products=len(settings.products),
        choose_by=settings.evaluation.choose_by,
        min_macro_f1=settings.evaluation.min_macro_f1,
    )


def _pusher(settings: Settings, chosen: Any) -> Pusher:
    return Pusher(
        model=chosen.outputs["model"],
        model_blessing=chosen.outputs["blessing"],
        push_destination=PushDestination(
            filesystem=Filesystem(base_directory=str(Path(settings.serving).resolve()))
        ),
    )


def _eval_config(settings: Settings, label: str) -> dict[str, Any]:
    accuracy = {
        "class_name": "SparseCategoricalAccuracy",
        "threshold": {"value_threshold": {"lower_bound": settings.evaluation.min_accuracy}},
    }
    # Of each product against the rest, where the most probable product is the answer. Without
    # the threshold TFMA counts a product that is never the answer as if it always were.
    by_product = [
        {"class_name": name, "config": {"top_k": 1, "thresholds": 0.0}}
        for name in ("F1Score", "Precision", "Recall")
    ]
    return {
        "model_specs": [{"label_key": label, "prediction_key": "probabilities"}],
        "slicing_specs": [{}],
        "metrics_specs": [
            {"metrics": [{"class_name": "ExampleCount"}, accuracy]},
            {
                "binarize": {"class_ids": {"values": list(range(len(settings.products)))}},
                "metrics": by_product,
            },
        ],
    }
