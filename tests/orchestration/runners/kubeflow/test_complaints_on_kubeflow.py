# SPDX-License-Identifier: Apache-2.0
"""The consumer complaints pipeline, on real data, as Kubeflow's local orchestrator runs it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.complaints import check, complaints

pytestmark = [pytest.mark.kubeflow, pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(900)]


def test_on_kubeflow(
    kubeflow: Any, deploy: Callable[..., Any], tmp_path: Path, locally: dict[str, str]
) -> None:
    """If it fails, the pipeline that runs on a laptop does not run on Kubeflow."""
    pipeline = complaints(tmp_path)
    root = Path(str(pipeline.root))
    root.mkdir(parents=True)
    runner = deploy(metadata=str(root / "metadata.sqlite"))
    path = runner.compile(pipeline, str(tmp_path / "pipeline.yaml"))
    kubeflow.run(path, {}, secrets.token_hex(8))
    check(tmp_path, locally)
