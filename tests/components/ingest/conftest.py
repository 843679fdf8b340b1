# SPDX-License-Identifier: Apache-2.0
"""Runs example generators on files written for a test."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import Examples, RejectedExamples
from penstock.components.base.component import Component
from penstock.components.base.executor import Task
from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.utils.module_loading import load_object

Ingest = Callable[..., Examples]


@dataclass
class Ingested:
    """What an example generator made.

    Attributes:
        examples: The artifact.
        properties: What the executor returned.
        rejected: Lines of the rejected records; None where there is no such output.
    """

    examples: Examples
    properties: Mapping[str, Any]
    rejected: list[dict[str, Any]] | None

    @property
    def rows(self) -> int:
        """Number of records, over all splits."""
        return sum(json.loads(self.examples.custom_properties["row_counts"]).values())


def run_node(
    node: Component,
    folder: Path,
    code: Mapping[str, Any] | None = None,
    beam_pipeline_args: Sequence[str] = (),
) -> Ingested:
    """Runs a node's executor, as the launcher would, with outputs below a new folder."""
    outputs: dict[str, list[Any]] = {}
    for name, channel in node.outputs.items():
        (folder / name).mkdir(parents=True)
        outputs[name] = [channel.type(str(folder / name))]
    (folder / "work").mkdir()
    properties = load_object(node.executor)().execute(
        Task(
            parameters=node.parameters,
            outputs=outputs,
            code=code or {},
            work_dir=str(folder / "work"),
            node_id=node.id,
            beam_pipeline_args=beam_pipeline_args,
        )
    )
    rejected = None
    if "rejected" in outputs:
        (artifact,) = outputs["rejected"]
        assert isinstance(artifact, RejectedExamples)
        lines = (folder / "rejected" / "rejected-00000-of-00001.jsonl").read_text("utf-8")
        rejected = [json.loads(line) for line in lines.split("\n") if line]
        assert artifact.custom_properties["rows"] == len(rejected)
    return Ingested(outputs["examples"][0], properties, rejected)


@pytest.fixture
def node_runner(tmp_path: Path) -> Callable[..., Ingested]:
    """`run_node` with a new folder for every call."""
    runs = iter(range(10_000))
    return lambda node, **options: run_node(node, tmp_path / f"run{next(runs)}", **options)


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    """Writes files to a folder, ingests them, and returns the artifact.

    `before` is called when only the executor is left to run. Other keyword arguments are
    those of `CsvExampleGen`; `input_base` is the folder by default.
    """
    runs = iter(range(10_000))

    def run(
        files: Mapping[str, str | bytes],
        before: Callable[[], None] = lambda: None,
        **arguments: Any,
    ) -> Examples:
        number = next(runs)
        folder = tmp_path / f"in{number}"
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            if name.endswith(".gz") and data[:2] != b"\x1f\x8b":
                data = gzip.compress(data)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        node = CsvExampleGen(**{"input_base": str(folder), **arguments})
        from penstock.components.ingest.csv_executor import CsvExecutor

        uri, work = tmp_path / f"out{number}", tmp_path / f"work{number}"
        uri.mkdir()
        work.mkdir()
        examples = Examples(str(uri))
        before()
        CsvExecutor().execute(
            Task(
                parameters=node.parameters,
                outputs={"examples": [examples]},
                work_dir=str(work),
                node_id="CsvExampleGen",
            )
        )
        return examples

    return run
