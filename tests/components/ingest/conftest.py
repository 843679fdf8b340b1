# SPDX-License-Identifier: Apache-2.0
"""Runs `CsvExampleGen` on files written for a test."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import Examples
from penstock.components.base.executor import Task
from penstock.components.ingest.csv_example_gen import CsvExampleGen

Ingest = Callable[..., Examples]


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
