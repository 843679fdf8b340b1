# SPDX-License-Identifier: Apache-2.0
"""What `fn_args.data_accessor` does: tensors and record batches from files of examples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...utils import storage
from ...utils.errors import DataError, nearest
from .fn_args import DataAccessor
from .row_windows import WindowPlan, compact, row_windows

if TYPE_CHECKING:
    import tensorflow as tf
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.public.tfxio import RecordBatchesOptions, TensorFlowDatasetOptions

    from ..transform.feature_reader import FeatureReader

# TensorFlow and its data libraries are loaded when they are asked for: whoever trains with
# another framework reads the files with that one's means, or with pandas or Arrow.


#: `tf.data.INFINITE_CARDINALITY`.
_ENDLESS = -1


class ExamplesAccess:
    """The functions of a `DataAccessor`.

    Args:
        seed: Seed for shuffling where the options name none; None for a different order
            each time.
        node_id: Id of the node, for messages.

    Attributes:
        error: The first error met while reading for a `tf.data.Dataset`. TensorFlow
            hands its user another one, which quotes it.
    """

    def __init__(self, seed: int | None, node_id: str) -> None:
        self._seed = seed
        self._node_id = node_id
        self.error: DataError | None = None

    def accessor(self) -> DataAccessor:
        """The functions, as a `run_fn` gets them."""
        return DataAccessor(self.dataset, self.record_batches)

    def dataset(
        self,
        file_pattern: str | Sequence[str],
        options: TensorFlowDatasetOptions,
        schema: schema_pb2.Schema | None = None,
    ) -> tf.data.Dataset:
        """See `DataAccessor.tf_dataset_factory`."""
        import tensorflow as tf
        from tfx_bsl.public.tfxio import TFExampleRecord

        from ..transform.feature_reader import FeatureReader
        from .tensor_dataset import tensor_dataset

        files, parquet = self._files(file_pattern)
        if schema is None:
            raise DataError(
                "a dataset of tensors needs a schema",
                node=self._node_id,
                expected="tf_dataset_factory(file_pattern, options, schema)",
                fix=(
                    "pass tft.TFTransformOutput(fn_args.transform_output)"
                    ".transformed_metadata.schema, or the schema in fn_args.schema_path"
                ),
            )
        reader = FeatureReader(schema, self._node_id)
        self._check_label(options.label_key, reader)
        if not parquet:
            source = TFExampleRecord(files, schema=schema, telemetry_descriptors=["penstock"])
            return source.TensorFlowDataset(options)
        plan = self._plan(options)
        drop = options.drop_final_batch or options.num_epochs is None
        # A dataset that is iterated over again is mixed anew.
        iterations = itertools.count()

        def windows() -> Iterator[pa.RecordBatch]:
            try:
                yield from row_windows(files, reader, plan, next(iterations))
            except DataError as error:
                self.error = self.error or error
                raise

        dataset = tensor_dataset(windows, reader, options.batch_size, drop)
        dataset = dataset.apply(
            tf.data.experimental.assert_cardinality(_batch_count(files, plan, drop))
        )
        label = options.label_key
        if label is not None:
            dataset = dataset.map(lambda features: _with_label(features, label))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def record_batches(
        self,
        file_pattern: str | Sequence[str],
        options: RecordBatchesOptions,
        schema: schema_pb2.Schema | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """See `DataAccessor.record_batch_factory`."""
        from tfx_bsl.public.tfxio import TFExampleRecord

        from ..transform.feature_reader import FeatureReader

        files, parquet = self._files(file_pattern)
        if not parquet:
            source = TFExampleRecord(files, schema=schema, telemetry_descriptors=["penstock"])
            yield from source.RecordBatches(options)
            return
        if schema is None:
            raise DataError(
                "record batches of Parquet files need a schema",
                node=self._node_id,
                expected="record_batch_factory(file_pattern, options, schema)",
                fix="pass the schema",
            )
        reader = FeatureReader(schema, self._node_id)
        size = options.batch_size
        drop = options.drop_final_batch or options.num_epochs is None
        for window in row_windows(files, reader, self._plan(options)):
            for start in range(0, window.num_rows, size):
                batch = window.slice(start, size)
                if batch.num_rows == size or not drop:
                    yield compact(batch)

    def _plan(self, options: Any) -> WindowPlan:
        seed = options.shuffle_seed
        return WindowPlan(
            batch_size=options.batch_size,
            num_epochs=options.num_epochs,
            shuffle=options.shuffle,
            buffer_size=options.shuffle_buffer_size,
            seed=self._seed if seed is None else seed,
        )

    def _files(self, file_pattern: str | Sequence[str]) -> tuple[list[str], bool]:
        """(the files, whether they are Parquet)."""
        patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
        files = [path for pattern in patterns for path in storage.glob(pattern)]
        if not files:
            raise DataError(
                "no file matches",
                node=self._node_id,
                expected="files of examples",
                got=", ".join(patterns) or "no pattern",
                fix="pass fn_args.train_files or fn_args.eval_files as they are",
            )
        parquet = {path.endswith(".parquet") for path in files}
        if len(parquet) > 1:
            raise DataError(
                "files of different payload formats cannot be read together",
                node=self._node_id,
                got=", ".join(files[:4]),
                fix="ingest all of them with one payload_format",
            )
        return files, parquet.pop()

    def _check_label(self, label: str | None, reader: FeatureReader) -> None:
        if label is not None and label not in reader.feature_names:
            raise DataError(
                f"there is no feature {label!r} to take as the label",
                node=self._node_id,
                expected=", ".join(reader.feature_names),
                got=f"label_key={label!r}",
                suggestion=nearest(label, reader.feature_names),
            )


def _with_label(features: dict[str, Any], label: str) -> tuple[dict[str, Any], Any]:
    rest = dict(features)
    value = rest.pop(label)
    return rest, value


def _batch_count(files: Sequence[str], plan: WindowPlan, drop_final_batch: bool) -> int:
    if plan.num_epochs is None:
        return _ENDLESS
    rows: int = plan.num_epochs * sum(pq.read_metadata(path).num_rows for path in files)
    return rows // plan.batch_size if drop_final_batch else -(-rows // plan.batch_size)
