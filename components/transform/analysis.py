# SPDX-License-Identifier: Apache-2.0
"""Traces a `preprocessing_fn`, computes its analyzers over data, and saves the graph.

The pass over the data is TensorFlow Transform's own Beam pipeline. It reads Arrow batches
from files directly, in large batches, inside this process unless another runner is asked
for. See https://www.tensorflow.org/tfx/transform/tft_bestpractices.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from ...utils.errors import DataError
from .beam_runner import is_in_process, pipeline_options
from .feature_reader import FeatureReader
from .preprocessing import Preprocessing


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
    options = pipeline_options(beam_pipeline_args)
    # The pipeline creates its target; the output folder exists already.
    made = os.path.join(work_dir, "transform_graph")
    try:
        with (
            beam.Pipeline(options=options) as pipeline,
            tft_beam.Context(
                temp_dir=os.path.join(work_dir, "analysis"), force_tf_compat_v1=force_tf_compat_v1
            ),
        ):
            paths = pipeline | "Files" >> beam.Create(list(files), reshuffle=False)
            if not is_in_process(options):
                paths = paths | "Spread" >> beam.Reshuffle()
            batches = paths | "Read" >> beam.FlatMap(reader).with_output_types(pa.RecordBatch)
            transform_fn = (batches, reader.config) | tft_beam.AnalyzeDataset(preprocessing)
            _ = transform_fn | tft_beam.WriteTransformFn(made)
    except Exception as error:
        raise _translated(error, preprocessing) from error
    raw = dataset_metadata.DatasetMetadata(reader.schema)
    metadata_io.write_metadata(raw, os.path.join(made, tft.TFTransformOutput.RAW_METADATA_DIR))
    for name in sorted(os.listdir(made)):
        os.rename(os.path.join(made, name), os.path.join(output_dir, name))


def _translated(error: Exception, preprocessing: Preprocessing) -> BaseException:
    """What to tell the user instead of what Beam made of it."""
    if preprocessing.error is not None:
        return preprocessing.error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DataError):
            return cause
        if isinstance(cause, tf.errors.OpError):
            return graph_error(cause, preprocessing.node_id)
        cause = cause.__cause__ or cause.__context__
    return error


def graph_error(error: BaseException, node_id: str) -> DataError:
    """The error of a graph that ran into data it cannot transform."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TensorFlow puts the names of nodes first, and the reason on a line of its own.
    reason = next((line for line in lines if "assertion failed" in line), lines[0] if lines else "")
    return DataError(
        "the transform graph failed on a batch of rows",
        node=node_id,
        got=f"{type(error).__name__}: {reason[:500]}",
        fix="make preprocessing_fn take these values, or keep such rows out of the data",
    )


logging.getLogger("apache_beam.typehints.native_type_compatibility").setLevel(logging.ERROR)
