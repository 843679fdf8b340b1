# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact import Artifact
from penstock.orchestration.metadata.records import NodeKey
from penstock.orchestration.metadata.store import MetadataStore

PIPELINE = "taxi"


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    """Where a test keeps its store; nothing is there yet."""
    return str(tmp_path / "metadata.sqlite")


@pytest.fixture
def store(store_path: str) -> Iterator[MetadataStore]:
    """An empty store in a file."""
    with MetadataStore(store_path) as opened:
        yield opened


@pytest.fixture
def node_of() -> Callable[..., NodeKey]:
    """Names a node of a run."""

    def make(
        run_id: str, node_id: str = "Gen", *, pipeline: str = PIPELINE, type_name: str = "test.Noop"
    ) -> NodeKey:
        return NodeKey(pipeline, run_id, node_id, type_name)

    return make


@pytest.fixture
def execute(store: MetadataStore, node_of: Callable[..., NodeKey]) -> Callable[..., int]:
    """Runs one node from registration to publication; begins its run where that is missing."""
    begun: set[str] = set()

    def make(
        run_id: str,
        node_id: str = "Gen",
        outputs: dict[str, list[Artifact]] | None = None,
        inputs: dict[str, list[Artifact]] | None = None,
        *,
        pipeline: str = PIPELINE,
        type_name: str = "test.Noop",
        parameters: dict[str, Any] | None = None,
        custom: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        cache_key: str | None = None,
    ) -> int:
        if run_id not in begun:
            store.begin_run(pipeline, run_id)
            begun.add(run_id)
        node = node_of(run_id, node_id, pipeline=pipeline, type_name=type_name)
        found = store.register_execution(node, inputs or {}, parameters or {}, custom or {})
        store.publish_execution(
            node, found, outputs or {}, properties=properties, cache_key=cache_key
        )
        return found

    return make


@pytest.fixture
def python() -> Callable[..., subprocess.Popen[str]]:
    """Starts a fresh interpreter with a script; ends those still running afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
