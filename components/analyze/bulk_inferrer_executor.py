# SPDX-License-Identifier: Apache-2.0
"""Executor of the BulkInferrer."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ...utils.errors import DataError, ParameterError, PenstockError, nearest
from ...utils.logs import get_logger
from ...utils.readable import counted, duration
from ...utils.storage_errors import storage_errors
from ..base.artifact import Artifact, PropertyValue
from ..base.artifact_types import Examples, InferenceResult, Model, ModelBlessing
from ..base.executor import Task
from ..ingest.examples_reader import count_rows
from ..ingest.examples_writer import describe
from ..ingest.payload import PAYLOAD_FORMAT, ROW_COUNTS, PayloadFormat
from ..ingest.work_engine import POOL_BYTES, BeamEngine, ReportRows, choose_engine, processors
from ..train.flavors.predictor import ModelError
from ..train.flavors.registry import detect, serving_folder
from .bulk_inferrer_logs import PREDICT, LogForm, check_forms
from .bulk_inferrer_plan import Shard, chosen_splits, common_schema, plan_shards
from .bulk_inferrer_shard import (
    InferenceDone,
    InferenceJob,
    forget_models,
    infer_shard,
    loaded_models,
)
from .bulk_inferrer_specs import DataSpec, ModelSpec, OutputExampleSpec

_log = get_logger(__name__)

#: Processes with a model each pay where the rest of the work takes longer than this many
#: seconds in one, and leaves so large a share of the processors idle.
POOL_SECONDS = 30.0
POOL_IDLE = 0.4
#: Name of the input of models that take no serialized examples, in prediction logs.
_EXAMPLES_INPUT = "examples"


@dataclass(frozen=True)
class _Work:
    """What an execution is about."""

    model: Model
    signatures: tuple[str | None, ...]
    examples: Sequence[Examples]
    splits: Sequence[str]
    schema: pa.Schema
    result: InferenceResult | None
    output_examples: Examples | None
    spec: OutputExampleSpec | None


class BulkInferrerExecutor:
    """Predicts for every record of a data set."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes predictions, or says why there are none.

        Returns:
            `inferred` (1 or 0); `rows`, `rows_<split>` and `shards`, or `reason`.

        Raises:
            ModelError: The model cannot be loaded.
            InputError: The records are not what it takes.
            ParameterError: Parameters do not go with the model.
            DataError: A split or column is not there, or a file is damaged.
        """
        reason = _refusal(task)
        if reason is not None:
            return _without_predictions(task, reason)
        try:
            return _predict(task)
        except PenstockError as error:
            error.node = error.node or task.node_id
            raise
        finally:
            forget_models()


def _predict(task: Task) -> dict[str, PropertyValue]:
    work = _work(task)
    started = time.monotonic()
    shards = plan_shards(work.examples, work.splits)
    jobs = _jobs(work, shards, task)
    rows = sum(count_rows(each, s) for each in work.examples for s in each.splits
               if s in work.splits)  # fmt: skip
    target: Artifact | None = work.output_examples or work.result
    assert target is not None  # `BulkInferrer.bind` leaves one of them
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        task.report_progress(done, rows, "records")

    with storage_errors(target.uri, "write"):
        found = _done(task, jobs, rows, os.path.join(target.uri, "_scratch"), report)
    shutil.rmtree(os.path.join(target.uri, "_scratch"), ignore_errors=True)
    counts = dict.fromkeys(work.splits, 0)
    for shard, each in zip(shards, found, strict=True):
        counts[shard.split] += each.rows
    _check(rows, counts)
    _describe(work, counts, found, jobs)
    seconds = time.monotonic() - started
    _log.info(
        "predicted for %s in %s, %.0f a second",
        counted(rows, "record"),
        counted(len(shards), "shard"),
        rows / max(seconds, 1e-9),
    )
    named: dict[str, PropertyValue] = {f"rows_{split}": n for split, n in counts.items()}
    return {"inferred": 1, "rows": rows, **named, "shards": len(shards)}


def _refusal(task: Task) -> str | None:
    """Why nothing is to be predicted, or None."""
    blessing = task.optional_input("model_blessing", ModelBlessing)
    if blessing is None:
        _log.info("no model_blessing was given: the model is used as it is")
        return None
    if blessing.blessed:
        return None
    why = blessing.custom_properties.get("reason")
    return "the Evaluator did not bless the model" + (f": {why}" if why else "")


def _without_predictions(task: Task, reason: str) -> dict[str, PropertyValue]:
    _log.warning("nothing is predicted: %s", reason)
    for name in ("inference_result", "output_examples"):
        for artifact in task.outputs.get(name, ()):
            artifact.custom_properties.update({"inferred": 0, "reason": reason})
            if isinstance(artifact, Examples):
                artifact.splits = []
    return {"inferred": 0, "reason": reason}


def _work(task: Task) -> _Work:
    examples = task.input_list("examples", Examples)
    data: DataSpec = task.parameter("data_spec", DataSpec | None) or DataSpec()
    model = task.input("model", Model)
    spec: OutputExampleSpec | None = task.parameter("output_example_spec", OutputExampleSpec | None)
    if not examples:
        raise DataError("there are no examples to predict for", expected="at least one artifact")
    has_result = "inference_result" in task.outputs
    return _Work(
        model=model,
        signatures=_signatures(task, model),
        examples=examples,
        splits=chosen_splits(examples, data.example_splits),
        schema=common_schema(examples),
        result=task.output("inference_result", InferenceResult) if has_result else None,
        output_examples=None if has_result else task.output("output_examples", Examples),
        spec=spec,
    )


def _signatures(task: Task, model: Model) -> tuple[str | None, ...]:
    """Signatures to call.

    Raises:
        ParameterError: The model has none, or would not be loaded with such tags.
    """
    spec: ModelSpec = task.parameter("model_spec", ModelSpec | None) or ModelSpec()
    if spec.tag and spec.tag != ["serve"]:
        raise ParameterError(
            "model_spec.tag names another graph than is served",
            expected="['serve']",
            got=str(spec.tag),
        )
    flavor = detect(model.uri)
    if spec.model_signature_name and flavor != "tensorflow":
        raise ParameterError(
            "model_spec.model_signature_name goes with a SavedModel only",
            expected="a model with saved_model.pb",
            got=f"a {flavor} model",
            fix="leave it out",
        )
    return tuple(spec.model_signature_name) or (None,)


def _done(
    task: Task, jobs: Sequence[InferenceJob], rows: int, shared: str, report: ReportRows
) -> list[InferenceDone]:
    """Does all jobs: on Beam, here, or here and in processes beside.

    The first shard tells what the others would take: models differ by orders of magnitude,
    and many frameworks keep all processors busy from one process.
    """
    engine = choose_engine(task, 0, len(jobs), shared)
    if isinstance(engine, BeamEngine):
        os.makedirs(shared, exist_ok=True)
        return engine.map(infer_shard, jobs, report)
    if not jobs:
        return []
    loaded_models(jobs[0].model, jobs[0].signatures)
    wall, cpu = time.perf_counter(), time.process_time()
    first = infer_shard(jobs[0], report)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    left = wall * (rows - first.rows) / max(first.rows, 1)
    idle = 1 - cpu / (wall * processors())
    # A GPU is not divided among processes.
    if left >= POOL_SECONDS and idle >= POOL_IDLE and not task.group.gpus:
        _log.info("the rest, about %s here, is spread over processes", duration(left))
        engine = choose_engine(task, POOL_BYTES, len(jobs) - 1, shared)
    return [first, *engine.map(infer_shard, jobs[1:], report)]


def _jobs(work: _Work, shards: Sequence[Shard], task: Task) -> list[InferenceJob]:
    logged = task.parameters.get("inference_format") == "prediction_log" and work.result
    forms = _forms(work) if logged else ()
    check_forms(forms)
    keep: list[str] | None = task.parameter("columns", list[str] | None)
    for name in keep or ():
        if name not in work.schema.names:
            raise ParameterError(
                f"columns names {name!r}, which is no column of the examples",
                expected=", ".join(work.schema.names),
                got=name,
                suggestion=nearest(name, work.schema.names),
            )
    batch_rows = int(task.parameters.get("batch_rows") or 4096)
    if batch_rows < 1:
        raise ParameterError("batch_rows must be positive", expected="1 or more", got=batch_rows)
    payload = _payload(work, task)
    return [
        InferenceJob(
            shard=shard,
            schema=work.schema,
            model=work.model.to_dict(),
            signatures=work.signatures,
            batch_rows=batch_rows,
            target=_target(work, shard, len(shards), payload, bool(forms)),
            keep=None if keep is None else tuple(keep),
            spec=work.spec,
            payload=payload,
            forms=forms,
        )
        for shard in shards
    ]


def _payload(work: _Work, task: Task) -> PayloadFormat:
    """Format of the files: that of the examples where examples are written."""
    if work.output_examples is None:
        return PayloadFormat.PARQUET
    wanted: PayloadFormat | None = task.parameter("payload_format", PayloadFormat | None)
    if wanted is not None:
        return wanted
    family = work.examples[0].custom_properties.get(PAYLOAD_FORMAT)
    return PayloadFormat.TFRECORD_GZIP if family == "tfrecord" else PayloadFormat.PARQUET


def _target(work: _Work, shard: Shard, shards: int, payload: PayloadFormat, logged: bool) -> str:
    if work.output_examples is not None:
        work.output_examples.splits = list(work.splits)
        folder = work.output_examples.split_uri(shard.split)
        return os.path.join(folder, payload.file_name(shard.number, shard.of))
    assert work.result is not None
    if logged:
        return work.result.path(f"prediction_logs-{shard.place:05d}-of-{shards:05d}.gz")
    name = f"predictions-{shard.number:05d}-of-{shard.of:05d}.parquet"
    return work.result.path(f"Split-{shard.split}", name)


def _forms(work: _Work) -> tuple[LogForm, ...]:
    if detect(work.model.uri) != "tensorflow":
        return (LogForm("serving_default", PREDICT, _EXAMPLES_INPUT, {}),)
    from ..train.flavors.signature_features import read_saved_model

    folder = serving_folder(work.model.uri)
    graph = read_saved_model(folder)
    forms = []
    for wanted in work.signatures:
        name = wanted or "serving_default"
        if name not in graph.signature_def:
            raise ModelError(
                f"the model has no signature {name!r}",
                expected=", ".join(sorted(graph.signature_def)),
                got=name,
                suggestion=nearest(name, graph.signature_def),
                location=folder,
            )
        signature = graph.signature_def[name]
        inputs = list(signature.inputs)
        shapes = {
            key: tuple(size.size for size in info.tensor_shape.dim)[1:]
            for key, info in signature.outputs.items()
            if all(size.size > 0 for size in info.tensor_shape.dim[1:])
        }
        alias = inputs[0] if len(inputs) == 1 else _EXAMPLES_INPUT
        forms.append(LogForm(name, signature.method_name, alias, shapes))
    return tuple(forms)


def _check(rows: int, counts: Mapping[str, int]) -> None:
    if sum(counts.values()) != rows:
        raise DataError(
            "there is not one prediction for each record",
            expected=f"{rows} records",
            got=", ".join(f"{split} {count}" for split, count in counts.items()),
        )


def _describe(
    work: _Work, counts: Mapping[str, int], found: Sequence[InferenceDone],
    jobs: Sequence[InferenceJob],
) -> None:  # fmt: skip
    """Records on the outputs what readers need to know."""
    if work.output_examples is not None:
        schema = next((each.schema for each in found if each.schema is not None), work.schema)
        work.output_examples.splits = list(work.splits)
        payload = jobs[0].payload if jobs else PayloadFormat.PARQUET
        describe(work.output_examples, schema, payload, counts)
        work.output_examples.span = work.examples[0].span
        work.output_examples.version = work.examples[0].version
        work.output_examples.custom_properties["inferred"] = 1
        return
    assert work.result is not None
    logged = bool(jobs and jobs[0].forms)
    work.result.custom_properties.update(
        {
            "inferred": 1,
            "format": "prediction_log" if logged else "parquet",
            "split_names": json.dumps(list(work.splits)),
            ROW_COUNTS: json.dumps(dict(counts)),
        }
    )
