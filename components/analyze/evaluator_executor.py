# SPDX-License-Identifier: Apache-2.0
"""Executor of the Evaluator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow_model_analysis as tfma
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils import storage
from ...utils.canonical_json import encode
from ...utils.errors import DataError, PenstockError
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, Model, ModelBlessing, ModelEvaluation, Schema
from ..base.executor import Task
from ..ingest.examples_reader import count_rows
from ..transform.beam_runner import runs_here
from .beam_evaluation import evaluate_on_beam
from .eval_config import EvalConfig
from .eval_plan import EvalPlan, make_plan
from .eval_predictions import Predictor
from .evaluation_summary import SliceMetrics, Verdict, misses_table, write_summary
from .evaluation_writer import write_evaluation
from .example_batches import iter_example_batches
from .local_evaluation import LocalEvaluation, unsupported
from .verdict import EvaluationReader

_log = get_logger(__name__)

#: Entry point of TFX's Evaluator: gives TFMA the models, whatever their format.
_SHARED_MODEL = "custom_eval_shared_model"

BLESSED_FILE = "BLESSED"
NOT_BLESSED_FILE = "NOT_BLESSED"
#: Characters of a refusal that are kept as a property; the table in full is in the log.
_LONGEST_TEXT = 4_000


@dataclass(frozen=True)
class _Inputs:
    examples: Examples
    splits: list[str]
    candidate: Model
    baseline: Model | None


class EvaluatorExecutor:
    """Measures a model, and blesses it if every threshold is met."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes `evaluation` and `blessing`.

        Returns:
            `metric.<name>` over all rows (`baseline_metric.<name>`, `metric_change.<name>`
            with a baseline), `evaluated_rows`, `evaluated_slices`, `engine`, and where
            thresholds were missed `refusal`, a table that says which, on which slice, by
            how much.

        Raises:
            DataError: The data or a model lacks what the configuration names.
            ParameterError: The configuration is not acceptable.
            ExecutionError: A model failed to predict.
        """
        inputs = _read_inputs(task)
        plan = make_plan(
            task.parameter("eval_config", EvalConfig),
            inputs.candidate,
            inputs.baseline,
            schema=_read_schema(task.optional_input("schema", Schema)),
            fairness_thresholds=task.parameter("fairness_indicator_thresholds", list[float] | None)
            or (),
            custom_metrics={n: found for n, found in task.code.items() if isinstance(found, type)},
            shared_model=task.optional_user_function(_SHARED_MODEL),
            node=task.node_id,
        )
        evaluation = task.output("evaluation", ModelEvaluation)
        try:
            engine = _evaluate(task, plan, inputs, evaluation.uri)
        except PenstockError as error:
            error.node = error.node or task.node_id
            raise
        found = EvaluationReader(evaluation.uri, plan)
        slices, verdict = found.slices, found.verdict()
        rows = sum(count_rows(inputs.examples, split) for split in inputs.splits)
        write_summary(evaluation.uri, rows, _model_uris(plan, inputs), slices, verdict)
        evaluation.content_digest = _digest(plan, rows, slices, verdict, evaluation.uri)
        _bless(task, inputs, verdict)
        return _properties(slices, verdict, rows, engine)


def _read_inputs(task: Task) -> _Inputs:
    examples = task.input("examples", Examples)
    splits = task.parameter("example_splits", list[str] | None) or ["eval"]
    for split in splits:
        examples.split_uri(split)  # Refuses a split that is not there, naming the nearest.
    return _Inputs(
        examples=examples,
        splits=splits,
        candidate=task.input("model", Model),
        baseline=task.optional_input("baseline_model", Model),
    )


def _read_schema(artifact: Schema | None) -> Any:
    if artifact is None:
        return None
    location = artifact.path("schema.pbtxt")
    try:
        return text_format.Parse(storage.read_text(location), schema_pb2.Schema())
    except text_format.ParseError as error:
        raise DataError("the schema cannot be read", got=str(error), location=location) from error


def _evaluate(task: Task, plan: EvalPlan, inputs: _Inputs, folder: str) -> str:
    """Computes and writes everything. Returns how it was done."""
    reason = unsupported(plan)
    custom_extractors = task.optional_user_function("custom_extractors")
    if custom_extractors is not None:
        reason = "custom_extractors"
    own_models = task.optional_user_function(_SHARED_MODEL) is not None
    if own_models:
        reason = _SHARED_MODEL
    if not runs_here(task.beam_pipeline_args):
        reason = "the Beam runner that was asked for"
    if reason is not None:
        _log.info("evaluating on Beam, for %s", reason)
        task.report_progress(0, None, "evaluating on Beam")
        if not own_models:
            # Missing columns and the like are told from the first rows, not from a traceback.
            first = iter_example_batches(
                inputs.examples, inputs.splits, plan.schema, 64, not plan.all_tensorflow
            )
            next(Predictor(plan, task.node_id).batches(first), None)
        evaluate_on_beam(
            folder,
            plan,
            inputs.examples,
            inputs.splits,
            task.beam_pipeline_args,
            task.node_id,
            custom_extractors,
        )
        return "beam"
    total = sum(count_rows(inputs.examples, split) for split in inputs.splits)
    local = LocalEvaluation(plan)
    examples = iter_example_batches(
        inputs.examples, inputs.splits, plan.schema, with_plain=not plan.all_tensorflow
    )
    for batch in Predictor(plan, task.node_id).batches(examples):
        local.add(batch)
        task.report_progress(local.rows, total, "rows evaluated")
    if not local.rows:
        raise DataError(
            "there is nothing to evaluate on",
            node=task.node_id,
            expected="rows in " + ", ".join(inputs.splits),
            got="none",
            location=inputs.examples.uri,
        )
    write_evaluation(folder, plan, local.results(), inputs.examples.uri)
    return "local"


def _model_uris(plan: EvalPlan, inputs: _Inputs) -> dict[str, str]:
    uris = {plan.candidate or "candidate": inputs.candidate.uri}
    if plan.baseline is not None and inputs.baseline is not None:
        uris[plan.baseline] = inputs.baseline.uri
    return uris


def _digest(
    plan: EvalPlan, rows: int, slices: Sequence[SliceMetrics], verdict: Verdict, folder: str
) -> str:
    """Digest of what was found: where models and examples lay, and file order, do not count."""
    whole = hashlib.sha256(b"penstock evaluation 1\n")
    whole.update(plan.config.SerializeToString(deterministic=True))
    numbers = [[s.name, s.metrics, s.baseline, s.change, s.intervals] for s in slices]
    misses = [str(miss) for miss in verdict.misses]
    whole.update(encode([rows, numbers, verdict.blessed, misses]))
    for message in sorted(m.SerializeToString(deterministic=True) for m in tfma.load_plots(folder)):
        whole.update(hashlib.sha256(message).digest())
    return whole.hexdigest()


def _bless(task: Task, inputs: _Inputs, verdict: Verdict) -> None:
    """Writes the verdict as TFX does: a file and properties."""
    blessing = task.output("blessing", ModelBlessing)
    properties = blessing.custom_properties
    properties["current_model"] = inputs.candidate.uri
    properties["current_model_id"] = inputs.candidate.id or 0
    if inputs.baseline is not None:
        properties["baseline_model"] = inputs.baseline.uri
        properties["baseline_model_id"] = inputs.baseline.id or 0
    properties["component_id"] = task.node_id
    if not verdict.judged:
        properties["reason"] = "no threshold was configured, so nothing was judged"
        _log.warning("the model is not blessed: %s", properties["reason"])
        return
    properties["blessed"] = int(verdict.blessed)
    name = BLESSED_FILE if verdict.blessed else NOT_BLESSED_FILE
    storage.write_text_atomic(storage.join(blessing.uri, name), "")
    if verdict.blessed:
        ignored = ", change thresholds ignored: there is no baseline model yet"
        _log.info("the model is blessed%s", ignored if verdict.rubber_stamped else "")
        return
    properties["reason"] = _shorten("; ".join(map(str, verdict.misses)), 1_000)
    _log.warning(
        "the model is not blessed; it misses %d threshold%s:\n%s",
        len(verdict.misses),
        "s" if len(verdict.misses) != 1 else "",
        misses_table(verdict.misses),
    )


def _properties(
    slices: Sequence[SliceMetrics], verdict: Verdict, rows: int, engine: str
) -> dict[str, PropertyValue]:
    properties: dict[str, PropertyValue] = {
        "evaluated_rows": rows,
        "evaluated_slices": len(slices),
        "engine": engine,
    }
    if verdict.judged:
        properties["blessed"] = int(verdict.blessed)
    overall = next((each for each in slices if not each.slice), None)
    if overall is not None:
        for prefix, numbers in (
            ("metric.", overall.metrics),
            ("baseline_metric.", overall.baseline),
            ("metric_change.", overall.change),
        ):
            properties.update({prefix + k: v for k, v in numbers.items() if v is not None})
    if verdict.misses:
        properties["refusal"] = _shorten(misses_table(verdict.misses), _LONGEST_TEXT)
    return properties


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
