# SPDX-License-Identifier: Apache-2.0
"""Evaluates with TFMA's own Beam pipeline, models included, on any Beam runner.

Used for what `local_evaluation` does not do (slices by SQL, metrics of query results,
the user's own extractors, …) and wherever a runner beyond this process was asked for.

One difference in numbers is known, and TFMA's: where rows come in several bundles, its mean
regression errors and cross-entropies (`MeanSquaredError`, `BinaryCrossEntropy`, …) count one
of the bundles twice (their `merge_accumulators` steps once, and then loops over all).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors import (
    features_extractor,
    slice_key_extractor,
    sql_slice_key_extractor,
    unbatch_extractor,
)
from tfx_bsl.tfxio import tensor_adapter

from ...utils.errors import DataError, ExecutionError, ParameterError, PenstockError
from ..base.artifact import artifact_from_dict
from ..base.artifact_types import Examples
from ..transform.beam_runner import pipeline_options
from .eval_plan import EvalPlan
from .eval_predictions import Predictor
from .example_batches import ExampleBatch, iter_example_batches, tensor_representations

#: TFMA copies rows one by one, so that large batches only cost memory here.
_BATCH_ROWS = 1_024


def evaluate_on_beam(
    folder: str,
    plan: EvalPlan,
    examples: Examples,
    splits: Sequence[str],
    beam_pipeline_args: Sequence[str],
    node: str | None = None,
    custom_extractors: Callable[..., Any] | None = None,
) -> None:
    """Writes an evaluation below `folder`, in TFMA's files.

    Args:
        folder: An existing folder.
        plan: What to evaluate.
        examples: The data.
        splits: Names of its splits.
        beam_pipeline_args: Flags for Beam.
        node: Id of the node, for messages.
        custom_extractors: The user's function that gives extractors in place of TFMA's.

    Raises:
        ParameterError: Custom extractors were given for models that TFMA cannot load.
        ExecutionError: The pipeline failed.
    """
    if custom_extractors is not None:
        _check_all_tensorflow(plan, node)
    adapter_config = _adapter_config(plan, examples, splits)
    serialized_schema = plan.schema.SerializeToString() if plan.schema is not None else None
    try:
        with beam.Pipeline(options=pipeline_options(beam_pipeline_args)) as pipeline:
            names = pipeline | "Splits" >> beam.Create(list(splits)) | "Spread" >> beam.Reshuffle()
            if plan.all_tensorflow:
                extractors = custom_extractors and custom_extractors(
                    eval_shared_model=plan.models, eval_config=plan.config,
                    tensor_adapter_config=adapter_config,
                )  # fmt: skip
                rows = names | "Read" >> beam.FlatMap(_read, examples.to_dict(), serialized_schema)
            else:
                # All that TFMA would extract with models, the reading has extracted already.
                extractors = _extractors_without_models(plan)
                rows = names | "Predict" >> beam.FlatMap(_predict, examples.to_dict(), plan)
            _ = rows | "Evaluate" >> tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=plan.models,
                eval_config=plan.config,
                extractors=extractors,
                output_path=folder,
                display_only_data_location=examples.uri,
                schema=plan.schema,
                tensor_adapter_config=adapter_config,
            )
    except PenstockError:
        raise
    except Exception as error:
        # Beam wraps what fails in its workers in exceptions of many kinds.
        raise ExecutionError(
            "the evaluation's Beam pipeline failed",
            node=node,
            got=_last_line(error),
            fix="the node's log has the whole traceback",
        ) from error


def _check_all_tensorflow(plan: EvalPlan, node: str | None) -> None:
    if not plan.all_tensorflow:
        raise ParameterError(
            "custom_extractors work with SavedModels only",
            node=node,
            expected="models of flavor tensorflow",
            got=", ".join(plan.flavors),
            fix="leave custom_extractors out, or export the model as a SavedModel",
        )


def _read(
    split: str, examples: Mapping[str, Any], serialized_schema: bytes | None
) -> Iterator[pa.RecordBatch]:
    artifact = artifact_from_dict(examples)
    if not isinstance(artifact, Examples):
        raise DataError("not examples", got=artifact.TYPE_NAME)
    schema = None
    if serialized_schema is not None:
        schema = schema_pb2.Schema.FromString(serialized_schema)
    for batch in iter_example_batches(artifact, [split], schema, _BATCH_ROWS):
        yield with_serialized(batch)


def _predict(split: str, examples: Mapping[str, Any], plan: EvalPlan) -> Iterator[dict[str, Any]]:
    """TFMA's extracts of a split, with predictions of models of any flavor."""
    artifact = artifact_from_dict(examples)
    if not isinstance(artifact, Examples):
        raise DataError("not examples", got=artifact.TYPE_NAME)
    batches = iter_example_batches(artifact, [split], plan.schema, _BATCH_ROWS, with_plain=True)
    predictor = Predictor(plan)
    for batch in predictor.batches(batches):
        columns = pa.RecordBatch.from_arrays(list(batch.columns.values()), list(batch.columns))
        extracts = {
            constants.ARROW_RECORD_BATCH_KEY: columns,
            constants.LABELS_KEY: batch.labels,
            constants.PREDICTIONS_KEY: batch.predictions,
        }
        if batch.weights is not None:
            extracts[constants.EXAMPLE_WEIGHTS_KEY] = batch.weights
        if batch.transformed:
            extracts[constants.TRANSFORMED_FEATURES_KEY] = predictor.by_name(batch.transformed)
        yield extracts


def _extractors_without_models(plan: EvalPlan) -> list[Any]:
    found = [
        features_extractor.FeaturesExtractor(
            plan.config,
            None if plan.schema is None else tensor_representations(plan.schema),
        )
    ]
    if any(spec.slice_keys_sql for spec in plan.config.slicing_specs):
        found.append(sql_slice_key_extractor.SqlSliceKeyExtractor(plan.config))
    found.append(unbatch_extractor.UnbatchExtractor())
    found.append(slice_key_extractor.SliceKeyExtractor(eval_config=plan.config, materialize=False))
    return found


def with_serialized(batch: ExampleBatch) -> pa.RecordBatch:
    """The columns, and one more that holds whole examples, named as TFMA expects."""
    rows = len(batch.serialized)
    whole = pa.LargeListArray.from_arrays(
        pa.array(range(rows + 1), pa.int64()), pa.array(batch.serialized, pa.large_binary())
    )
    names = list(batch.columns)
    return pa.RecordBatch.from_arrays(
        [*batch.columns.values(), whole], [*names, tfma.ARROW_INPUT_COLUMN]
    )


def _adapter_config(plan: EvalPlan, examples: Examples, splits: Sequence[str]) -> Any:
    """How TFMA makes tensors of columns, where the schema tells."""
    if plan.schema is None:
        return None
    first = next(iter_example_batches(examples, splits, plan.schema, 1))
    names = set(first.columns)
    known = {
        name: each for name, each in tensor_representations(plan.schema).items() if name in names
    }
    return tensor_adapter.TensorAdapterConfig(
        arrow_schema=with_serialized(first).schema, tensor_representations=known
    )


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:300] if lines else ''}"
