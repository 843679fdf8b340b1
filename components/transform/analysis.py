# SPDX-License-Identifier: Apache-2.0
"""Traces a `preprocessing_fn`, computes its analyzers over data, and saves the graph.

In this process, TensorFlow Transform's analyzers are driven directly (`local_analysis`).
Where another Beam runner is asked for, and for what only Beam can run, TensorFlow
Transform's own Beam pipeline does it. Both read Arrow batches from files directly, in large
batches. See https://www.tensorflow.org/tfx/transform/tft_bestpractices.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from ...utils.errors import DataError
from ...utils.logs import get_logger
from ...utils.storage_errors import explain
from .ahead import ahead
from .analysis_operations import Unsupported
from .beam_runner import (
    IN_PROCESS_FALLBACK,
    is_in_process,
    is_stuck,
    pipeline_options,
    runs_here,
)
from .feature_reader import FeatureReader
from .graph_errors import explain_op_error
from .local_analysis import Cached, LocalAnalysis
from .preprocessing import Preprocessing

_log = get_logger(__name__)

_DISK_REFUSES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Analysis:
    """What to analyze.

    Attributes:
        preprocessing: The user's function.
        reader: Reads the files.
        datasets: Files to analyze, by the key of their data set, in order: it decides the
            digits of sums.
        work_dir: Where to put temporary files.
        beam_pipeline_args: Flags for the Beam pipeline.
        force_tf_compat_v1: Trace as a TensorFlow 1 graph.
        known: Accumulators of earlier analyses.
        on_rows: Called with the number of rows of every batch that was read.
    """

    preprocessing: Preprocessing
    reader: FeatureReader
    datasets: Mapping[str, Sequence[str]]
    work_dir: str
    beam_pipeline_args: Sequence[str] = ()
    force_tf_compat_v1: bool = False
    known: Cached = field(default_factory=Cached)
    on_rows: Callable[[int], None] | None = None


def write_transform_graph(
    output_dir: str, analysis: Analysis, *, keep: bool = False, engine: str = "auto"
) -> tuple[str, Cached]:
    """Writes what `tft.TFTransformOutput(output_dir)` reads.

        transform_fn/          the SavedModel, with vocabularies in assets/
        transformed_metadata/  schema of the transformed features
        metadata/              schema of the raw features

    Args:
        output_dir: An existing, empty folder.
        analysis: What to analyze.
        keep: Whether accumulators are wanted.
        engine: `beam` for TensorFlow Transform's Beam pipeline in any case.

    Returns:
        The engine that did it (`local` or `beam`), and the accumulators to keep.

    Raises:
        DataError: The graph cannot be computed over the data.
        Exception: Whatever the user's function raises.
    """
    # The pipeline creates its target, and the output folder exists already; one inside it
    # lies on the same disk.
    made = os.path.join(output_dir, "new")
    failure = None
    try:
        used, kept = _run(analysis, made, keep, engine)
    except Exception as error:
        failure = _translated(error, analysis.preprocessing, made)
    if failure is not None:
        # Raised out here, so that the user's exception keeps its own causes only.
        raise failure
    raw = dataset_metadata.DatasetMetadata(analysis.reader.schema)
    metadata_io.write_metadata(raw, os.path.join(made, tft.TFTransformOutput.RAW_METADATA_DIR))
    for name in sorted(os.listdir(made)):
        os.rename(os.path.join(made, name), os.path.join(output_dir, name))
    os.rmdir(made)
    return used, kept


def _run(analysis: Analysis, target: str, keep: bool, engine: str) -> tuple[str, Cached]:
    node = analysis.preprocessing.node_id
    here = runs_here(analysis.beam_pipeline_args)
    if here and not analysis.force_tf_compat_v1 and engine != "beam":
        try:
            return "local", _run_here(analysis, target, keep)
        except Unsupported as reason:
            _log.info("%s: analyzing with Beam, which %s needs", node, reason)
    try:
        _run_with_beam(analysis, pipeline_options(analysis.beam_pipeline_args), target)
    except AssertionError as error:
        if not here or not is_stuck(error):
            raise
        _log.info("%s: analyzing again with %s", node, IN_PROCESS_FALLBACK)
        fallback = pipeline_options(analysis.beam_pipeline_args, IN_PROCESS_FALLBACK)
        _run_with_beam(analysis, fallback, target)
    return "beam", Cached()


def _run_here(analysis: Analysis, target: str, keep: bool) -> Cached:
    def read(dataset: str, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        reader = analysis.reader.only(names)
        batches = (batch for path in analysis.datasets[dataset] for batch in reader(path))
        with ahead(
            (batch.num_rows, reader.tensors(batch, eager=True)) for batch in batches
        ) as found:
            for rows, tensors in found:
                yield tensors
                if analysis.on_rows is not None:
                    analysis.on_rows(rows)

    temporary = tempfile.mkdtemp(prefix="analysis-", dir=analysis.work_dir)
    local = LocalAnalysis(
        analysis.preprocessing,
        analysis.reader.type_specs,
        list(analysis.datasets),
        read,
        temporary,
        analysis.known,
        analysis.preprocessing.node_id,
    )
    os.makedirs(target)
    kept = local.accumulated() if keep else Cached()
    local.save(target)
    return kept


def _run_with_beam(analysis: Analysis, options: PipelineOptions, target: str) -> None:
    """Runs the pipeline; writes the graph to `target`, which must not exist."""
    temporary = tempfile.mkdtemp(prefix="analysis-", dir=analysis.work_dir)
    files = [path for paths in analysis.datasets.values() for path in paths]
    with (
        beam.Pipeline(options=options) as pipeline,
        tft_beam.Context(temp_dir=temporary, force_tf_compat_v1=analysis.force_tf_compat_v1),
    ):
        paths = pipeline | "Files" >> beam.Create(files, reshuffle=False)
        if not is_in_process(options):
            paths = paths | "Spread" >> beam.Reshuffle()
        batches = paths | "Read" >> beam.FlatMap(analysis.reader).with_output_types(pa.RecordBatch)
        dataset = (batches, analysis.reader.config)
        transform_fn = dataset | tft_beam.AnalyzeDataset(analysis.preprocessing)
        _ = transform_fn | tft_beam.WriteTransformFn(target)


def _translated(error: Exception, preprocessing: Preprocessing, target: str) -> BaseException:
    """What to tell the user instead of what Beam made of it."""
    if preprocessing.error is not None:
        return preprocessing.error
    found: BaseException = error
    cause: BaseException | None = error
    while cause is not None:
        # Beam makes a copy that keeps the first line only; the original lies deepest.
        if isinstance(cause, (DataError, tf.errors.OpError)):
            found = cause
        elif isinstance(cause, OSError) and cause.errno in _DISK_REFUSES:
            return explain(cause, target, "write")
        cause = cause.__cause__ or cause.__context__
    if isinstance(found, tf.errors.OpError):
        return explain_op_error(found, preprocessing.node_id)
    return preprocessing.explained(found) or found
