# SPDX-License-Identifier: Apache-2.0
"""The pipelines that are measured, with TFX's components and its local runner.

Written as TFX's guide has it (https://www.tensorflow.org/tfx/guide), with the defaults that
TFX has, the same data, module files, settings and slices as the other side. Annotations are
not deferred, since TFX reads those of components.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import tensorflow_model_analysis as tfma
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration.portable import launcher as node_launcher
from tfx.types import standard_artifacts

from tfx import v1 as tfx

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
NAP_S = 2.0


class Number(TypedDict):
    """What the nodes below give."""

    out: int


@component
def idle(number: tfx.dsl.components.Parameter[int], after: int = 0) -> Number:
    """Does nothing."""
    return {"out": number}


@component
def nap(number: tfx.dsl.components.Parameter[int]) -> Number:
    """Sleeps."""
    time.sleep(NAP_S)
    return {"out": number}


def _pipeline(name: str, folder: str, nodes: Sequence[Any], cache: bool = False) -> Any:
    os.makedirs(folder, exist_ok=True)
    return tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=os.path.join(folder, "root"),
        components=list(nodes),
        enable_cache=cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(folder, "metadata.sqlite")
        ),
    )


def _run(pipeline: Any) -> Answer:
    """Runs it; the seconds of each node, as its launcher takes them."""
    nodes: dict[str, float] = {}
    reused: list[str] = []
    launch = node_launcher.Launcher.launch

    def timed(self: Any) -> Any:
        started = time.perf_counter()
        found = launch(self)
        node = self._pipeline_node.node_info.id
        nodes[node] = time.perf_counter() - started
        if found is not None and not self._executor_seen:
            reused.append(node)
        return found

    execute = node_launcher.Launcher._run_executor

    def seen(self: Any, *arguments: Any, **keywords: Any) -> Any:
        self._executor_seen = True
        return execute(self, *arguments, **keywords)

    node_launcher.Launcher._executor_seen = False
    node_launcher.Launcher.launch = timed
    node_launcher.Launcher._run_executor = seen
    started = time.perf_counter()
    tfx.orchestration.LocalDagRunner().run(pipeline)
    return {"seconds": time.perf_counter() - started, "nodes": nodes, "reused": reused}


def _chain(folder: str, length: int) -> Any:
    nodes: list[Any] = []
    for number in range(length):
        before = {"after": nodes[-1].outputs["out"]} if nodes else {}
        nodes.append(idle(number=number, **before).with_id(f"n{number}"))
    return _pipeline("idle", folder, nodes)


def _data(given: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    """The nodes from the file to the transformed examples."""
    split = tfx.proto.SplitConfig(
        splits=[
            tfx.proto.SplitConfig.Split(name="train", hash_buckets=2),
            tfx.proto.SplitConfig.Split(name="eval", hash_buckets=1),
        ]
    )
    examples = tfx.components.CsvExampleGen(
        input_base=given.data, output_config=tfx.proto.Output(split_config=split)
    )
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=False
    )
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=os.path.join(given.modules, "features.py"),
    )
    transform.add_upstream_node(validator)
    by_name = {"examples": examples, "schema": schema, "transform": transform}
    return [examples, statistics, schema, validator, transform], by_name


def _eval_config() -> tfma.EvalConfig:
    overall = tfma.PerSliceMetricThreshold(
        slicing_specs=[tfma.SlicingSpec()],
        threshold=tfma.MetricThreshold(
            value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.5}),
            change_threshold=tfma.GenericChangeThreshold(
                direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -0.005}
            ),
        ),
    )
    names = ("AUCPrecisionRecall", "BinaryCrossentropy", "MeanLabel", "MeanPrediction")
    metrics = [
        tfma.MetricConfig(class_name="ExampleCount"),
        tfma.MetricConfig(class_name="AUC", per_slice_thresholds=[overall]),
        *(tfma.MetricConfig(class_name=name) for name in names),
    ]
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key="disputed")],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["Product"])],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )


def complaints(given: argparse.Namespace) -> Answer:
    """The consumer-complaints pipeline: nine nodes, from the file to the pushed model."""
    nodes, by_name = _data(given)
    examples, schema, transform = (by_name[name] for name in ("examples", "schema", "transform"))
    trainer = tfx.components.Trainer(
        module_file=os.path.join(given.modules, "model.py"),
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(),
        eval_args=tfx.proto.EvalArgs(),
        custom_config=TRAINING,
    )
    last_blessed = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LastBlessed")
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=last_blessed.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=_eval_config(),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=os.path.join(given.folder, "serving")
            )
        ),
    )
    nodes += [trainer, last_blessed, evaluator, pusher]
    answer = _run(_pipeline("complaints", given.folder, nodes, cache=True))
    return {**answer, **_places(given.folder)}


def million(given: argparse.Namespace) -> Answer:
    """Ingest, statistics, schema, validation and transformation."""
    nodes, _ = _data(given)
    answer = _run(_pipeline("million", given.folder, nodes))
    return {**answer, **_places(given.folder)}


def _places(folder: str) -> Answer:
    """Where the newest examples, schema and model of a run lie."""
    found: Answer = {}
    for name, node, key in (
        ("examples", "CsvExampleGen", "examples"),
        ("schema", "SchemaGen", "schema"),
        ("model", "Trainer", "model"),
    ):
        where = os.path.join(folder, "root", node, key)
        if os.path.isdir(where):
            newest = max(os.listdir(where), key=int)
            found[name] = {"uri": os.path.join(where, newest)}
    return found


def _imported(given: argparse.Namespace) -> list[Any]:
    """Examples and a model of earlier runs."""
    examples = tfx.dsl.Importer(
        source_uri=given.examples,
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": json.dumps(["train", "eval"])},
        custom_properties={"payload_format": "FORMAT_TF_EXAMPLE"},
    ).with_id("examples")
    model = tfx.dsl.Importer(
        source_uri=given.model, artifact_type=standard_artifacts.Model
    ).with_id("model")
    return [examples, model]


def evaluator(given: argparse.Namespace) -> Answer:
    """An Evaluator over all examples, with slices by product."""
    examples, model = _imported(given)
    node = tfx.components.Evaluator(
        examples=examples.outputs["result"],
        model=model.outputs["result"],
        eval_config=_eval_config(),
        example_splits=["train", "eval"],
    )
    return _run(_pipeline("evaluate", given.folder, [examples, model, node]))


def bulk_inference(given: argparse.Namespace) -> Answer:
    """Predictions for all examples, through the model's serving signature."""
    examples, model = _imported(given)
    node = tfx.components.BulkInferrer(
        examples=examples.outputs["result"],
        model=model.outputs["result"],
        data_spec=tfx.proto.DataSpec(example_splits=["train", "eval"]),
        model_spec=tfx.proto.ModelSpec(model_signature_name=["serving_default"]),
    )
    return _run(_pipeline("infer", given.folder, [examples, model, node]))


def compile_500(given: argparse.Namespace) -> Answer:
    """Declares and compiles a chain of 500 nodes."""
    from tfx.dsl.compiler.compiler import Compiler

    started = time.perf_counter()
    Compiler().compile(_chain(given.folder, 500))
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
