# SPDX-License-Identifier: Apache-2.0
"""Statistics by TFDV's own Beam pipeline, on any runner.

Counts, extremes, frequent and distinct values come out as `local_statistics` has them, and
quantiles within their bound; moments may differ in their last digits, because sums are
taken in another order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import TypeOptions

from ...utils.errors import ExecutionError, PenstockError
from ..base.artifact import artifact_from_dict
from ..base.artifact_types import Examples, ExampleStatistics
from ..ingest.examples_reader import iter_tfdv_batches
from ..transform.beam_runner import is_in_process, pipeline_options
from .local_statistics import seeded
from .record_sample import sample
from .statistics_file import STATISTICS_FILE, read_statistics


def compute_on_beam(
    examples: Examples,
    statistics: ExampleStatistics,
    options: tfdv.StatsOptions,
    *,
    columns: Sequence[str] | None,
    batch_rows: int,
    sample_rate: float | None,
    beam_pipeline_args: Sequence[str],
    node: str | None = None,
) -> dict[str, Any]:
    """Statistics of all splits of `statistics`, by split.

    Args:
        examples: The records.
        statistics: Where the pipeline may write; its splits are those to work on.
        options: TFDV's options.
        columns: Columns to read; all by default.
        batch_rows: Records handled at a time.
        sample_rate: Share of the records to look at.
        beam_pipeline_args: Flags of the pipeline.
        node: Id of the node, for messages.

    Raises:
        ExecutionError: The pipeline failed.
    """
    flags = pipeline_options(beam_pipeline_args)
    # Newer versions of Beam refuse the types that TFDV declares for lifts of the label.
    flags.view_as(TypeOptions).pipeline_type_check = False
    spread = not is_in_process(flags)
    reading = (examples.to_dict(), columns, batch_rows, sample_rate)
    try:
        with seeded(), beam.Pipeline(options=flags) as pipeline:
            for split in statistics.splits:
                path = os.path.join(statistics.split_uri(split), STATISTICS_FILE)
                batches = (
                    pipeline
                    | f"Split[{split}]" >> beam.Create([split], reshuffle=False)
                    | f"Read[{split}]"
                    >> beam.FlatMap(_read, *reading).with_output_types(pa.RecordBatch)
                )
                if spread:
                    batches = batches | f"Spread[{split}]" >> beam.Reshuffle()
                _ = (
                    batches
                    | f"GenerateStatistics[{split}]" >> tfdv.GenerateStatistics(options)
                    | f"Merge[{split}]" >> tfdv.MergeDatasetFeatureStatisticsList()
                    | f"Write[{split}]" >> tfdv.WriteStatisticsToBinaryFile(path)
                )
    except PenstockError:
        raise
    except Exception as error:
        # Beam wraps what fails in its workers in exceptions of many kinds.
        raise ExecutionError(
            "the statistics' Beam pipeline failed",
            node=node,
            got=str(error).strip().rpartition("\n")[2][:500],
            fix="the node's log has the whole traceback",
        ) from error
    return {split: read_statistics(statistics, split) for split in statistics.splits}


def _read(
    split: str,
    examples: Mapping[str, Any],
    columns: Sequence[str] | None,
    batch_rows: int,
    sample_rate: float | None,
) -> Iterator[pa.RecordBatch]:
    artifact = artifact_from_dict(examples)
    assert isinstance(artifact, Examples)
    batches = iter_tfdv_batches(artifact, split, batch_rows, columns)
    return iter(batches if sample_rate is None else sample(batches, sample_rate))
