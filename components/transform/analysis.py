# SPDX-License-Identifier: Apache-2.0
"""Traces a `preprocessing_fn`, computes its analyzers over data, and saves the graph.

The pass over the data is TensorFlow Transform's own Beam pipeline. It reads Arrow batches
from files directly, in large batches, inside this process unless another runner is asked
for. See https://www.tensorflow.org/tfx/transform/tft_bestpractices.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

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
from .beam_runner import IN_PROCESS_FALLBACK, is_in_process, is_stuck, pipeline_options
from .feature_reader import FeatureReader
from .graph_errors import explain_op_error
from .preprocessing import Preprocessing

_log = get_logger(__name__)

_DISK_REFUSES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def write_transform_graph(
    output_dir: str,
    preprocessing: Preprocessing,
    reader: FeatureReader,
    files: Sequence[str],
    work_dir: str,
    beam_pipeline_args: Sequence[str] = (),
    force_tf_compat_v1: bool = False,
) -> None:
    """Writes what `tft.TFTransformOutput(output_dir)` reads.

        transform_fn/          the SavedModel, with vocabularies in assets/
        transformed_metadata/  schema of the transformed features
        metadata/              schema of the raw features

    Args:
        output_dir: An existing, empty folder.
        preprocessing: The user's function.
        reader: Reads the files.
        files: Files to analyze, in order: they decide the digits of sums.
        work_dir: Where to put temporary files.
        beam_pipeline_args: Flags for the Beam pipeline.
        force_tf_compat_v1: Trace as a TensorFlow 1 graph.

    Raises:
        DataError: The graph cannot be computed over the data.
        Exception: Whatever the user's function raises.
    """
    # The pipeline creates its target, and the output folder exists already; one inside it
    # lies on the same disk.
    made = os.path.join(output_dir, "new")
    analysis = _Analysis(preprocessing, reader, files, work_dir, force_tf_compat_v1)
    failure = None
    try:
        _run(analysis, beam_pipeline_args, made)
    except Exception as error:
        failure = _translated(error, preprocessing, made)
    if failure is not None:
        # Raised out here, so that the user's exception keeps its own causes only.
        raise failure
    raw = dataset_metadata.DatasetMetadata(reader.schema)
    metadata_io.write_metadata(raw, os.path.join(made, tft.TFTransformOutput.RAW_METADATA_DIR))
    for name in sorted(os.listdir(made)):
        os.rename(os.path.join(made, name), os.path.join(output_dir, name))
    os.rmdir(made)


def _run(analysis: _Analysis, beam_pipeline_args: Sequence[str], target: str) -> None:
    options = pipeline_options(beam_pipeline_args)
    try:
        analysis.run(options, target)
    except AssertionError as error:
        if not is_in_process(options) or not is_stuck(error):
            raise
        node = analysis.preprocessing.node_id
        _log.info("%s: analyzing again with %s", node, IN_PROCESS_FALLBACK)
        analysis.run(pipeline_options(beam_pipeline_args, IN_PROCESS_FALLBACK), target)


@dataclass(frozen=True)
class _Analysis:
    """What to analyze; see `write_transform_graph`."""

    preprocessing: Preprocessing
    reader: FeatureReader
    files: Sequence[str]
    work_dir: str
    force_tf_compat_v1: bool

    def run(self, options: PipelineOptions, target: str) -> None:
        """Runs the pipeline; writes the graph to `target`, which must not exist."""
        temporary = tempfile.mkdtemp(prefix="analysis-", dir=self.work_dir)
        with (
            beam.Pipeline(options=options) as pipeline,
            tft_beam.Context(temp_dir=temporary, force_tf_compat_v1=self.force_tf_compat_v1),
        ):
            paths = pipeline | "Files" >> beam.Create(list(self.files), reshuffle=False)
            if not is_in_process(options):
                paths = paths | "Spread" >> beam.Reshuffle()
            batches = paths | "Read" >> beam.FlatMap(self.reader).with_output_types(pa.RecordBatch)
            dataset = (batches, self.reader.config)
            transform_fn = dataset | tft_beam.AnalyzeDataset(self.preprocessing)
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
