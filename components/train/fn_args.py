# SPDX-License-Identifier: Apache-2.0
"""What a `run_fn` is given, under the names it has in TFX.

A user's module needs this module for a type hint at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .distributed.single_device import SingleDevice

if TYPE_CHECKING:
    import pyarrow as pa
    import tensorflow as tf


class DatasetFactory(Protocol):
    """Makes a `tf.data.Dataset` of batches."""

    def __call__(
        self, file_pattern: str | Sequence[str], options: Any, schema: Any = None
    ) -> tf.data.Dataset:
        """See `DataAccessor.tf_dataset_factory`."""


class RecordBatchFactory(Protocol):
    """Iterates over Arrow record batches."""

    def __call__(
        self, file_pattern: str | Sequence[str], options: Any, schema: Any = None
    ) -> Iterator[pa.RecordBatch]:
        """See `DataAccessor.record_batch_factory`."""


@dataclass(frozen=True)
class DataAccessor:
    """Reads the files of `train_files` and `eval_files`, whatever their payload format.

    Attributes:
        tf_dataset_factory: `factory(file_pattern, options, schema)` gives a
            `tf.data.Dataset` of batches: dicts of (sparse) tensors by feature name, or
            `(features, label)` where `options.label_key` is set. `options` is a
            `tfx_bsl.public.tfxio.TensorFlowDatasetOptions`, `schema` a
            `tensorflow_metadata` schema: for transformed data
            `tft.TFTransformOutput(fn_args.transform_output).transformed_metadata.schema`,
            for raw data the one in `fn_args.schema_path`.
        record_batch_factory: `factory(file_pattern, options, schema)` iterates over Arrow
            record batches whose columns are lists, as in `tfx_bsl`; `options` is a
            `tfx_bsl.public.tfxio.RecordBatchesOptions`.
    """

    tf_dataset_factory: DatasetFactory
    record_batch_factory: RecordBatchFactory


class ReportProgress(Protocol):
    """Says how far training is."""

    def __call__(self, step: int, total: int | None = None, **metrics: Any) -> None:
        """See `FnArgs.report_progress`."""


class MakeKerasCallbacks(Protocol):
    """Makes callbacks for one `fit`."""

    def __call__(self, keras: Any = None, *, checkpoints: bool = True) -> list[Any]:
        """See `FnArgs.keras_callbacks`."""


def _ignore_progress(step: int, total: int | None = None, **metrics: Any) -> None:
    del step, total, metrics


def _no_callbacks(keras: Any = None, *, checkpoints: bool = True) -> list[Any]:
    del keras, checkpoints
    return []


@dataclass
class FnArgs:
    """Arguments of `run_fn`, and of `tuner_fn`.

    Attributes:
        working_dir: A scratch folder, deleted afterwards.
        train_files: File patterns of the data to train on.
        eval_files: File patterns of the data to evaluate on while training.
        train_steps: Steps to train, or None where not given.
        eval_steps: Steps of one evaluation, or None where not given.
        schema_path: File of the schema, or None where none was given.
        schema_file: The same, under TFX's older name.
        transform_graph_path: Folder for `tft.TFTransformOutput`, or None.
        transform_output: The same, under TFX's older name.
        data_accessor: Reads the files.
        serving_model_dir: Where to save the model that serves: a SavedModel with a
            signature `serving_default`.
        eval_model_dir: Where to save a model for evaluation only, if it differs.
        model_run_dir: Where to write logs for TensorBoard.
        base_model: Folder of the model to start from, or None.
        hyperparameters: The values a tuner found, or None.
        custom_config: What the pipeline passes as `custom_config`.
        seed: The seed that the random generators were set to, or None.
        distribution_strategy: Ready to use: what `Trainer(distribution=…)` names. Without
            distribution, something whose `scope()` changes nothing, so that one `run_fn` does
            for both.
        worker_index: Number of this process among those that train together; 0 is the chief.
        worker_count: How many they are.
        checkpoint_dir: A folder that survives a killed attempt: the next one with equal inputs
            and code, in this run or a later one, finds what is in it. It is deleted once the
            model is published. All workers share it; only the chief should write there.
        report_progress: `report_progress(step, total, loss=…)` shows how far training is,
            keeps the last value of each metric as a property of the execution, and ends
            training with an error where one is NaN or infinite (`Trainer(on_nan=…)`). Once
            for every few steps is enough: reading a metric may wait for the device.
        keras_callbacks: `model.fit(…, callbacks=fn_args.keras_callbacks())` does that for
            Keras, and goes on from the last epoch that a killed attempt completed.
    """

    working_dir: str = ""
    train_files: list[str] = field(default_factory=list)
    eval_files: list[str] = field(default_factory=list)
    train_steps: int | None = None
    eval_steps: int | None = None
    schema_path: str | None = None
    schema_file: str | None = None
    transform_graph_path: str | None = None
    transform_output: str | None = None
    # Always set by the Trainer; a test of a run_fn may leave it out.
    data_accessor: DataAccessor = None  # type: ignore[assignment]
    serving_model_dir: str = ""
    eval_model_dir: str = ""
    model_run_dir: str = ""
    base_model: str | None = None
    hyperparameters: dict[str, Any] | None = None
    custom_config: dict[str, Any] | None = None
    seed: int | None = None
    distribution_strategy: Any = field(default_factory=SingleDevice)
    worker_index: int = 0
    worker_count: int = 1
    checkpoint_dir: str = ""
    report_progress: ReportProgress = _ignore_progress
    keras_callbacks: MakeKerasCallbacks = _no_callbacks

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one whose model is published."""
        return self.worker_index == 0
