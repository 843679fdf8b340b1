# SPDX-License-Identifier: Apache-2.0
"""Example generators with TFX's arguments.

They write compressed TFRecord files of `tf.Example`s, as TFX does: module files may read
`fn_args.train_files` by means of their own.
"""

from __future__ import annotations

from typing import Any

from ...utils.errors import ParameterError
from ...utils.source_location import caller_location
from ..base.annotations import OptionalInput, Output, Parameter, output
from ..base.artifact_types import Examples
from ..ingest.avro_example_gen import AvroExampleGen as NativeAvroExampleGen
from ..ingest.csv_example_gen import CsvExampleGen as NativeCsvExampleGen
from ..ingest.import_example_gen import ImportExampleGen as NativeImportExampleGen
from ..ingest.parquet_example_gen import ParquetExampleGen as NativeParquetExampleGen
from ..ingest.payload import PayloadFormat
from .class_component import adopt_executor
from .executor_spec import BeamExecutorSpec, ExecutorClassSpec
from .message_fields import FILES
from .tfx_component import TfxComponent
from .translation import given, message_or_none

#: Native generators, by what TFX's executors of file formats stand for.
_NATIVE = {
    "avro": NativeAvroExampleGen,
    "csv": NativeCsvExampleGen,
    "import": NativeImportExampleGen,
    "parquet": NativeParquetExampleGen,
}
_PAYLOADS = FILES["example_gen_pb2"].enums["PayloadFormat"]
_TF_EXAMPLE = _PAYLOADS["FORMAT_TF_EXAMPLE"]


def _read_arguments(
    input_base: Any, input_config: Any, output_config: Any, range_config: Any
) -> dict[str, Any]:
    return given(
        input_base=input_base,
        input_config=message_or_none(input_config),
        output_config=_described_output(output_config),
        range_config=message_or_none(range_config),
        payload_format=PayloadFormat.TFRECORD_GZIP,
    )


def _described_output(output_config: Any) -> Any:
    found = message_or_none(output_config)
    # `Output(split_config=SplitConfig())` says nothing; natively it would need a field.
    empty = isinstance(found, dict) and found == {"split_config": {}}
    return None if empty else found


def check_payload_format(component: str, payload_format: Any) -> None:
    """Refuses payload formats other than `tf.Example`.

    Raises:
        ParameterError: It is another.
    """
    if payload_format in (None, _TF_EXAMPLE):
        return
    names = {number: name for name, number in _PAYLOADS.items()}
    raise ParameterError(
        f"{component} reads and writes records as tf.Examples",
        expected="FORMAT_TF_EXAMPLE",
        got=names.get(payload_format, repr(payload_format)),
        location=caller_location(),
        fix="use ParquetExampleGen or JsonlExampleGen of penstock for other formats",
    )


class CsvExampleGen(TfxComponent, NativeCsvExampleGen):
    """Reads CSV files.

    Args:
        input_base: Folder of the files.
        input_config: Input splits by pattern: an `Input`.
        output_config: Output splits: an `Output`.
        range_config: Which spans to read: a `RangeConfig`.
    """

    type_name = NativeCsvExampleGen.type_name
    executor = "penstock.components.tfx_face.ingest_executors:TfxCsvExecutor"
    external_inputs = "penstock.components.tfx_face.json_parameters:external_inputs"

    def __init__(
        self,
        input_base: Any = None,
        input_config: Any = None,
        output_config: Any = None,
        range_config: Any = None,
    ) -> None:
        super().__init__(**_read_arguments(input_base, input_config, output_config, range_config))


class ImportExampleGen(TfxComponent, NativeImportExampleGen):
    """Reads TFRecord files of `tf.Example`s.

    Args:
        input_base: Folder of the files.
        input_config: Input splits by pattern: an `Input`.
        output_config: Output splits: an `Output`.
        range_config: Which spans to read: a `RangeConfig`.
        payload_format: `FORMAT_TF_EXAMPLE`; others are refused.
    """

    type_name = NativeImportExampleGen.type_name
    executor = "penstock.components.tfx_face.ingest_executors:TfxImportExecutor"
    external_inputs = "penstock.components.tfx_face.json_parameters:external_inputs"

    def __init__(
        self,
        input_base: Any = None,
        input_config: Any = None,
        output_config: Any = None,
        range_config: Any = None,
        payload_format: int | None = _TF_EXAMPLE,
    ) -> None:
        check_payload_format("ImportExampleGen", payload_format)
        super().__init__(**_read_arguments(input_base, input_config, output_config, range_config))


class CustomExampleGen(TfxComponent):
    """An example generator whose executor says how records are read."""

    EXECUTOR_SPEC: Any = None

    executor = "penstock.components.tfx_face.custom_example_gen:BaseExampleGenExecutor"
    preload = ("penstock.components.tfx_face.custom_example_gen",)

    input_base: Parameter[str | None] = None
    input_config: Parameter[Any] = None
    output_config: Parameter[Any] = None
    custom_config: Parameter[Any] = None
    range_config: Parameter[Any] = None
    output_data_format: Parameter[int] = _TF_EXAMPLE
    output_file_format: Parameter[int] = 5
    upstream_examples: OptionalInput[Examples] = None
    examples: Output[Examples] = output()

    def __init__(
        self,
        custom_executor_spec: Any,
        *,
        input_base: Any = None,
        input_config: Any = None,
        output_config: Any = None,
        custom_config: Any = None,
        range_config: Any = None,
        output_data_format: int | None = _TF_EXAMPLE,
        output_file_format: int | None = 5,
    ) -> None:
        check_payload_format(type(self).__name__, output_data_format)
        super().__init__(
            **given(
                input_base=input_base,
                input_config=message_or_none(input_config),
                output_config=_described_output(output_config),
                custom_config=custom_config_text(custom_config),
                range_config=message_or_none(range_config),
                output_file_format=output_file_format,
            )
        )
        self._adopt(custom_executor_spec)

    def _adopt(self, custom_executor_spec: Any) -> None:
        """Takes the executor of the class, or one that is given.

        Raises:
            ParameterError: There is none.
        """
        spec = custom_executor_spec or type(self).EXECUTOR_SPEC
        if not isinstance(spec, ExecutorClassSpec):
            raise ParameterError(
                f"{type(self).__name__} needs an executor",
                node=self.id,
                expected="custom_executor_spec=BeamExecutorSpec(Executor), or EXECUTOR_SPEC",
                got=repr(spec),
                location=caller_location(),
            )
        adopt_executor(self, BeamExecutorSpec(spec.executor_class))
        vars(self)["preload"] = type(self).preload


class FileBasedExampleGen(CustomExampleGen):
    """Reads files by an executor of one's own, or by that for Avro or Parquet.

    Args:
        input_base: Folder of the files.
        input_config: Input splits by pattern: an `Input`.
        output_config: Output splits: an `Output`.
        custom_config: What the executor wants besides: a `CustomConfig`.
        range_config: Which spans to read: a `RangeConfig`.
        output_data_format: `FORMAT_TF_EXAMPLE`.
        output_file_format: `FORMAT_TFRECORDS_GZIP`.
        custom_executor_spec: The executor.
    """

    type_name = "tfx.components.example_gen.component.FileBasedExampleGen"
    external_inputs = "penstock.components.tfx_face.json_parameters:external_inputs"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """The native generator, for the formats that have one."""
        found = getattr(kwargs.get("custom_executor_spec"), "executor_class", None)
        native = getattr(found, "native_component", None)
        if native is None:
            return super().__new__(cls)
        names = ("input_base", "input_config", "output_config", "custom_config", "range_config")
        named = {**dict(zip(names, args, strict=False)), **kwargs}
        kind = _NATIVE[native]
        arguments = _read_arguments(
            named.get("input_base"),
            named.get("input_config"),
            named.get("output_config"),
            named.get("range_config"),
        )
        return kind(**arguments).with_id(cls.__name__)

    def __init__(
        self,
        input_base: Any = None,
        input_config: Any = None,
        output_config: Any = None,
        custom_config: Any = None,
        range_config: Any = None,
        output_data_format: int | None = _TF_EXAMPLE,
        output_file_format: int | None = 5,
        custom_executor_spec: Any = None,
    ) -> None:
        super().__init__(
            custom_executor_spec,
            input_base=input_base,
            input_config=input_config,
            output_config=output_config,
            custom_config=custom_config,
            range_config=range_config,
            output_data_format=output_data_format,
            output_file_format=output_file_format,
        )


class QueryBasedExampleGen(CustomExampleGen):
    """Reads what queries give, by an executor of one's own.

    Args:
        input_config: Input splits, whose patterns are queries: an `Input`.
        output_config: Output splits: an `Output`.
        custom_config: What the executor wants besides: a `CustomConfig`.
        range_config: Which spans to read: a `RangeConfig`.
        output_data_format: `FORMAT_TF_EXAMPLE`.
        output_file_format: `FORMAT_TFRECORDS_GZIP`.
        custom_executor_spec: The executor.
    """

    type_name = "tfx.components.example_gen.component.QueryBasedExampleGen"

    def __init__(
        self,
        input_config: Any,
        output_config: Any = None,
        custom_config: Any = None,
        range_config: Any = None,
        output_data_format: int | None = _TF_EXAMPLE,
        output_file_format: int | None = 5,
        custom_executor_spec: Any = None,
    ) -> None:
        super().__init__(
            custom_executor_spec,
            input_config=input_config,
            output_config=output_config,
            custom_config=custom_config,
            range_config=range_config,
            output_data_format=output_data_format,
            output_file_format=output_file_format,
        )


def custom_config_text(config: Any) -> Any:
    """A `CustomConfig` as JSON text; what it packs must be a message that is imported."""
    if config is None or not hasattr(config, "DESCRIPTOR"):
        return config
    from google.protobuf.json_format import MessageToJson

    return MessageToJson(config, preserving_proto_field_name=True, sort_keys=True)
