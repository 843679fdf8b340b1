# SPDX-License-Identifier: Apache-2.0
"""The pipelines that are measured, with Penstock's components and its local runner.

The same nodes, data, module files, settings and slices as in `benchmarks/tfx_side`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import penstock
from penstock import (
    Channel,
    CsvExampleGen,
    EvalConfig,
    Evaluator,
    Examples,
    ExampleValidator,
    Filesystem,
    Importer,
    LatestBlessedModelStrategy,
    LocalRunner,
    Model,
    ModelBlessing,
    OutputConfig,
    OutputSplit,
    Pipeline,
    PushDestination,
    Pusher,
    Resolver,
    SchemaGen,
    SplitConfig,
    StatisticsGen,
    Trainer,
    Transform,
)

from ..idle_nodes import idle, nap

Answer = dict[str, Any]

TRAINING = {
    "epochs": 4,
    "batch_size": 256,
    "learning_rate": 0.001,
    "embedding_size": 8,
    "hidden_units": [64, 32],
    "dropout": 0.3,
}
NAPS = 4


def _pipeline(name: str, folder: str, nodes: list[Any]) -> Pipeline:
    return Pipeline(name, os.path.join(folder, "root"), nodes)


def _run(pipeline: Pipeline) -> Answer:
    """Runs it; the seconds of each node, and where what it wrote lies."""
    started = time.perf_counter()
    result = LocalRunner().run(pipeline).raise_for_failure()
    answer: Answer = {"seconds": time.perf_counter() - started}
    outcomes = result.outcomes
    answer["nodes"] = {name: found.seconds for name, found in outcomes.items()}
    answer["reused"] = [name for name, found in outcomes.items() if found.state.value == "cached"]
    for name, node in (
        ("examples", "CsvExampleGen"),
        ("schema", "SchemaGen"),
        ("model", "Trainer"),
    ):
        if node in outcomes and name in outcomes[node].outputs:
            artifact = outcomes[node].outputs[name][0]
            answer[name] = {"uri": artifact.uri}
    return answer


def _chain(folder: str, length: int) -> Pipeline:
    nodes: list[Any] = []
    for number in range(length):
        before = nodes[-1].outputs["out"] if nodes else None
        nodes.append(idle(number=number, after=before).with_id(f"n{number}"))
    return _pipeline("idle", folder, nodes)


def _data(given: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    """The nodes from the file to the transformed examples."""
    splits = [OutputSplit(name="train", hash_buckets=2), OutputSplit(name="eval", hash_buckets=1)]
    examples = CsvExampleGen(
        input_base=given.data,
        output_config=OutputConfig(split_config=SplitConfig(splits=splits)),
    )
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=False)
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=os.path.join(given.modules, "features.py"),
    ).add_upstream_nodes([validator])
    by_name = {"examples": examples, "schema": schema, "transform": transform}
    return [examples, statistics, schema, validator, transform], by_name


def _eval_config() -> EvalConfig:
    overall = {
        "slicing_specs": [{}],
        "threshold": {
            "value_threshold": {"lower_bound": 0.5},
            "change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": -0.005},
        },
    }
    names = ("AUCPrecisionRecall", "BinaryCrossentropy", "MeanLabel", "MeanPrediction")
    metrics: list[dict[str, Any]] = [
        {"class_name": "ExampleCount"},
        {"class_name": "AUC", "per_slice_thresholds": [overall]},
        *({"class_name": name} for name in names),
    ]
    return EvalConfig.model_validate(
        {
            "model_specs": [{"label_key": "disputed"}],
            "slicing_specs": [{}, {"feature_keys": ["Product"]}],
            "metrics_specs": [{"metrics": metrics}],
        }
    )


def complaints(given: argparse.Namespace) -> Answer:
    """The consumer-complaints pipeline: nine nodes, from the file to the pushed model."""
    nodes, by_name = _data(given)
    examples, schema, transform = (by_name[name] for name in ("examples", "schema", "transform"))
    trainer = Trainer(
        module_file=os.path.join(given.modules, "model.py"),
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        custom_config=TRAINING,
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
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=last_blessed.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=_eval_config(),
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=PushDestination(
            filesystem=Filesystem(base_directory=os.path.join(given.folder, "serving"))
        ),
    )
    nodes += [trainer, last_blessed, evaluator, pusher]
    return _run(_pipeline("complaints", given.folder, nodes))


def million(given: argparse.Namespace) -> Answer:
    """Ingest, statistics, schema, validation and transformation."""
    nodes, _ = _data(given)
    return _run(_pipeline("million", given.folder, nodes))


def _imported(given: argparse.Namespace) -> list[Any]:
    """Examples and a model of earlier runs."""
    examples = Importer(
        given.examples, Examples, properties={"split_names": '["train", "eval"]'}
    ).with_id("examples")
    return [examples, Importer(given.model, Model).with_id("model")]


def evaluator(given: argparse.Namespace) -> Answer:
    """An Evaluator over all examples, with slices by product."""
    examples, model = _imported(given)
    node = Evaluator(
        examples=examples.outputs["result"],
        model=model.outputs["result"],
        eval_config=_eval_config(),
        example_splits=["train", "eval"],
    )
    return _run(_pipeline("evaluate", given.folder, [examples, model, node]))


def bulk_inference(given: argparse.Namespace) -> Answer:
    """Predictions for all examples, through the model's serving signature."""
    examples, model = _imported(given)
    node = penstock.BulkInferrer(  # type: ignore[attr-defined]
        examples=examples.outputs["result"], model=model.outputs["result"]
    )
    return _run(_pipeline("infer", given.folder, [examples, model, node]))


def compile_500(given: argparse.Namespace) -> Answer:
    """Declares and compiles a chain of 500 nodes."""
    started = time.perf_counter()
    _chain(given.folder, 500).compile()
    return {"seconds": time.perf_counter() - started}


def fan_out(given: argparse.Namespace) -> Answer:
    """Four nodes of two seconds that do not depend on each other."""
    nodes = [nap(number=number).with_id(f"nap{number}") for number in range(NAPS)]
    return _run(_pipeline("naps", given.folder, nodes))


SCENARIOS: dict[str, Callable[[argparse.Namespace], Answer]] = {
    "chain-20": lambda given: _run(_chain(given.folder, 20)),
    "chain-60": lambda given: _run(_chain(given.folder, 60)),
    "fan-out": fan_out,
    "compile-500": compile_500,
    "complaints": complaints,
    "million": million,
    "evaluator": evaluator,
    "bulk-inference": bulk_inference,
}
