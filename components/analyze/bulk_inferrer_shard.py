# SPDX-License-Identifier: Apache-2.0
"""Predicting for one shard: the job that engines hand out.

What a shard's file holds depends on the job alone, so that shards can be done anywhere.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ...utils.errors import PenstockError
from ..base.artifact import artifact_from_dict
from ..base.artifact_types import Model
from ..ingest.example_encoding import encode_examples
from ..ingest.examples_reader import iter_file_batches
from ..ingest.examples_writer import ShardWriter, open_shard
from ..ingest.payload import PayloadFormat
from ..ingest.work_engine import ReportRows
from ..train.flavors.model_artifact import load_model
from ..train.flavors.predictor import Predictor
from .bulk_inferrer_columns import Predictions, extended, joined
from .bulk_inferrer_logs import LogForm, prediction_logs
from .bulk_inferrer_plan import Shard
from .bulk_inferrer_specs import OutputExampleSpec


@dataclass(frozen=True)
class InferenceJob:
    """Predictions for one shard.

    Attributes:
        shard: Where its records are.
        schema: Their columns.
        model: The model, as `Artifact.to_dict` writes it.
        signatures: Signatures to call; one None for a model's own way.
        batch_rows: Records that the model is given at a time.
        target: The file to write.
        keep: Columns to write beside the predictions; None for all.
        spec: Columns to add to examples; None where predictions are written.
        payload: Format of examples to write.
        forms: How answers are logged; none where they are not.
    """

    shard: Shard
    schema: pa.Schema
    model: Mapping[str, Any]
    signatures: tuple[str | None, ...]
    batch_rows: int
    target: str
    keep: tuple[str, ...] | None = None
    spec: OutputExampleSpec | None = None
    payload: PayloadFormat = PayloadFormat.PARQUET
    forms: tuple[LogForm, ...] = ()


@dataclass(frozen=True)
class InferenceDone:
    """What became of a shard.

    Attributes:
        rows: Records it had.
        schema: Columns of its file; None where it is a log.
    """

    rows: int
    schema: pa.Schema | None


def infer_shard(job: InferenceJob, report: ReportRows) -> InferenceDone:
    """Predicts for a shard, and writes its file.

    Raises:
        ModelError: The model cannot be loaded.
        InputError: The records are not what it takes.
        ParameterError: A specification does not go with its outputs.
        ExecutionError: It failed.
    """
    try:
        return _infer(job, report)
    except PenstockError as error:
        error.location = error.location or f"split {job.shard.split}, {job.shard.path}"
        raise


def forget_models() -> None:
    """Lets go of the models that this process has loaded."""
    _loaded.cache_clear()


def loaded_models(model: Mapping[str, Any], signatures: Sequence[str | None]) -> list[Predictor]:
    """A predictor for each signature; kept for the next shard.

    Raises:
        ModelError: There is no model that can be loaded safely.
    """
    return list(_loaded(json.dumps(model, sort_keys=True), tuple(signatures)))


@functools.lru_cache(maxsize=1)
def _loaded(model: str, signatures: tuple[str | None, ...]) -> tuple[Predictor, ...]:
    artifact = artifact_from_dict(json.loads(model))
    assert isinstance(artifact, Model)  # the job was made of one
    return tuple(load_model(artifact, signature=each) for each in signatures)


def _infer(job: InferenceJob, report: ReportRows) -> InferenceDone:
    # Whoever does a job a second time must not disturb what the first wrote.
    folder, name = os.path.split(job.target)
    os.makedirs(folder, exist_ok=True)
    unfinished = os.path.join(folder, f".{os.getpid()}-{threading.get_ident()}-{name}")
    try:
        done = _write(job, unfinished, report)
        os.replace(unfinished, job.target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
    return done


def _write(job: InferenceJob, path: str, report: ReportRows) -> InferenceDone:
    if job.forms:
        return InferenceDone(_write_logs(job, path, report), None)
    writer: ShardWriter | None = None
    schema: pa.Schema | None = None
    try:
        for rows, predictions in _predicted(job):
            batch = (
                extended(_kept(rows, _storable(job)), predictions, job.spec)
                if job.spec is not None
                else joined(_kept(rows, job.keep), predictions)
            )
            if writer is None or schema is None:
                schema = batch.schema
                writer = open_shard(path, schema, job.payload)
            writer.write(_cast(batch, schema))
            report(rows.num_rows)
        assert writer is not None  # `_predicted` yields at least once
        writer.close()
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
    return InferenceDone(writer.rows, schema)


def _storable(job: InferenceJob) -> list[str] | None:
    """Columns of the records that their payload format has a form for; None for all."""
    if job.payload is PayloadFormat.PARQUET:
        return None
    # In a `tf.Example`, a column without any value is one that is not there.
    return [field.name for field in job.schema if not pa.types.is_null(field.type)]


def _kept(rows: pa.RecordBatch, names: Sequence[str] | None) -> pa.RecordBatch:
    if names is None:
        return rows
    there = rows.schema.names
    fields = [rows.schema.field(name) for name in names]
    arrays = [rows.column(there.index(name)) for name in names]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch in the types of the first one, which a file keeps."""
    if batch.schema.equals(schema):
        return batch
    arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _write_logs(job: InferenceJob, path: str, report: ReportRows) -> int:
    from ..ingest.tfrecord_files import TFRecordWriter

    written = 0
    writer = TFRecordWriter(path)
    try:
        for rows, predictions in _predicted(job):
            if rows.num_rows:
                writer.write(prediction_logs(encode_examples(rows), predictions, job.forms))
            written += rows.num_rows
            report(rows.num_rows)
    finally:
        writer.close()
    return written


def _predicted(job: InferenceJob) -> Iterator[tuple[pa.RecordBatch, Predictions]]:
    """Records and predictions for them; without records, once for none."""
    models = loaded_models(job.model, job.signatures)
    some = False
    for batch in iter_file_batches(
        job.shard.path, job.schema, job.batch_rows, job.shard.row_groups
    ):
        some = True
        yield batch, _predictions(models, job.signatures, batch)
    if not some:
        none = pa.RecordBatch.from_arrays(
            [pa.array([], field.type) for field in job.schema], schema=job.schema
        )
        yield none, _predictions(models, job.signatures, none)


def _predictions(
    models: Sequence[Predictor], signatures: Sequence[str | None], batch: pa.RecordBatch
) -> Predictions:
    return {name: model.predict(batch) for name, model in zip(signatures, models, strict=True)}
