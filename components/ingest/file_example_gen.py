# SPDX-License-Identifier: Apache-2.0
"""What example generators that read files have in common."""

from __future__ import annotations

from ..base.annotations import Output, Parameter, output
from ..base.artifact_types import Examples
from ..base.component import Component
from .input_config import InputConfig, RangeConfig
from .output_config import OutputConfig
from .payload import PayloadFormat
from .row_fault_policy import Engine


class FileExampleGen(Component):
    """Reads files of one format and distributes their records over splits.

    Which split a record goes to depends on its values alone: not on its place, its file, or
    other records. See the TFX guide (https://www.tensorflow.org/tfx/guide/examplegen).

    Args:
        input_base: Folder of the files; or one file, or a pattern. A path, or a URL such as
            `s3://bucket/folder`.
        input_config: Input splits by pattern; `*` by default.
        output_config: Output splits; by default `train` with two thirds of the records and
            `eval` with one third, or the input's splits if there are several.
        range_config: Which spans to read; the latest by default.
        payload_format: `parquet`, `tfrecord` or `tfrecord_gzip`.
        engine: `local`, or `beam` to spread files over a Beam runner; `auto` uses Beam where
            the pipeline names a runner outside this machine.
    """

    external_inputs = "penstock.components.ingest.source_files:external_inputs"

    input_base: Parameter[str]
    input_config: Parameter[InputConfig | None] = None
    output_config: Parameter[OutputConfig | None] = None
    range_config: Parameter[RangeConfig | None] = None
    payload_format: Parameter[PayloadFormat] = PayloadFormat.PARQUET
    engine: Parameter[Engine] = "auto"
    examples: Output[Examples] = output()
