# SPDX-License-Identifier: Apache-2.0
"""The consumer complaints pipeline, on real data, as Beam runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.complaints import check, complaints

from penstock.orchestration.runners.beam.beam_dag_runner import BeamDagRunner

pytestmark = [pytest.mark.beam, pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(900)]


def test_on_beam(tmp_path: Path, locally: dict[str, str]) -> None:
    """If it fails, the pipeline that runs on a laptop does not run on Beam."""
    BeamDagRunner().run(complaints(tmp_path)).raise_for_failure()
    check(tmp_path, locally)
