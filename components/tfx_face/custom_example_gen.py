# SPDX-License-Identifier: Apache-2.0
"""Runs example generators whose records come from a Beam transform of the user's own.

The transform's `tf.Example`s are written as TFRecord files, which are then distributed over
splits as any other files are.
"""

from __future__ import annotations

import abc
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import apache_beam as beam

from ..base.artifact import PropertyValue
from ..base.executor import Task
from ..ingest.import_executor import ImportExecutor
from ..ingest.payload import PayloadFormat
from ..ingest.source_files import pinned_sources
from .executor_bases import BaseBeamExecutor, make_context
from .json_parameters import decoded

_DEFAULT_INPUT = {"splits": [{"name": "single_split", "pattern": "*"}]}


class BaseExampleGenExecutor(BaseBeamExecutor):
    """Base of such executors; subclasses define `GetInputSourceToExamplePTransform`."""

    @abc.abstractmethod
    def GetInputSourceToExamplePTransform(self) -> Any:
        """The transform: a `ptransform_fn` of `(pipeline, exec_properties, split_pattern)`."""

    def Do(
        self, input_dict: Any, output_dict: Any, exec_properties: Any
    ) -> None:  # pragma: no cover
        """Not called: `execute` does the work."""
        raise NotImplementedError

    def execute(self, task: Task) -> Mapping[str, PropertyValue] | None:
        """Reads all input splits and writes the output `examples`.

        Raises:
            DataError: Nothing was read.
        """
        reader = type(self)(context=make_context(task))
        parameters = decoded(task.parameters)
        config = parameters.get("input_config") or _DEFAULT_INPUT
        properties = _exec_properties(parameters, config)
        patterns = _patterns(parameters, config)
        folder = os.path.join(task.work_dir, "records")
        splits = []
        for name, pattern in patterns.items():
            os.makedirs(os.path.join(folder, name))
            _read(reader, properties, pattern, os.path.join(folder, name, "data"))
            splits.append({"name": name, "pattern": f"{name}/*"})
        return ImportExecutor().execute(
            replace(
                task,
                parameters={
                    "input_base": folder,
                    "input_config": {"splits": splits},
                    "output_config": parameters.get("output_config"),
                    "range_config": None,
                    "payload_format": PayloadFormat.TFRECORD_GZIP.value,
                    "row_faults": "fail",
                    "engine": "local",
                },
            )
        )


def _exec_properties(parameters: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The parameters as TFX hands them over: messages as JSON texts."""
    found = {**parameters, "input_config": config}
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in found.items()
        if value is not None
    }


def _patterns(parameters: Mapping[str, Any], config: Any) -> dict[str, str]:
    """What is read by input split: patterns below the folder with spans filled in, or queries."""
    named = {split["name"]: split["pattern"] for split in config["splits"]}
    if not parameters.get("input_base"):
        return named
    found = pinned_sources({**parameters, "input_config": config})
    return {name: _filled(named[name], found.span, found.version) for name in named}


def _filled(pattern: str, span: int, version: int | None) -> str:
    def number(found: re.Match[str]) -> str:
        value = span if found["what"] == "SPAN" else (version or 0)
        return str(value).zfill(int(found["width"] or 0))

    return re.sub(r"\{(?P<what>SPAN|VERSION)(?::(?P<width>\d+))?\}", number, pattern)


def _read(reader: Any, properties: Mapping[str, Any], pattern: str, target: str) -> None:
    transform = reader.GetInputSourceToExamplePTransform()
    with reader._make_beam_pipeline() as pipeline:
        (
            pipeline
            | "Read" >> transform(dict(properties), pattern)
            | "Serialize" >> beam.Map(lambda record: record.SerializeToString())
            | "Write" >> beam.io.WriteToTFRecord(target, file_name_suffix=".gz")
        )
