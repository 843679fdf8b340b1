# SPDX-License-Identifier: Apache-2.0
"""Evaluates with TFMA's own Beam pipeline, models included, on any Beam runner.

Used for what `local_evaluation` does not do (confidence intervals, cross slices, metrics
of query results, …) and wherever a runner beyond this process was asked for.

One difference in numbers is known, and TFMA's: where rows come in several bundles, its mean
regression errors and cross-entropies (`MeanSquaredError`, `BinaryCrossEntropy`, …) count one
of the bundles twice (their `merge_accumulators` steps once, and then loops over all).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_adapter

from ...utils.errors import DataError, ExecutionError, PenstockError
from ..base.artifact import artifact_from_dict
from ..base.artifact_types import Examples
from ..transform.beam_runner import is_in_process, pipeline_options
from .eval_plan import EvalPlan
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
) -> None:
    """Writes an evaluation below `folder`, in TFMA's files.

    Raises:
        ExecutionError: The pipeline failed.
    """
    serialized_schema = plan.schema.SerializeToString() if plan.schema is not None else None
    options: PipelineOptions = pipeline_options(beam_pipeline_args)
    try:
        with beam.Pipeline(options=options) as pipeline:
            rows = (
                pipeline
                | "Splits" >> beam.Create(list(splits))
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.FlatMap(_read, examples.to_dict(), serialized_schema)
            )
            _ = rows | "Evaluate" >> tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=plan.models,
                eval_config=plan.config,
                output_path=folder,
                display_only_data_location=examples.uri,
                schema=plan.schema,
                tensor_adapter_config=_adapter_config(plan, examples, splits),
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


def runs_elsewhere(beam_pipeline_args: Sequence[str]) -> bool:
    """Whether a Beam runner outside this process was asked for."""
    return bool(beam_pipeline_args) and not is_in_process(pipeline_options(beam_pipeline_args))


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
