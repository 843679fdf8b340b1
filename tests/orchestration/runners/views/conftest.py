# SPDX-License-Identifier: Apache-2.0
"""Artifacts to look at."""

from __future__ import annotations

import pytest
from support.view_artifacts import (
    MakeStatistics,
    write_evaluation,
    write_model_run,
    write_statistics,
)

from penstock.components.base.artifact_types import ExampleStatistics, ModelEvaluation, ModelRun


@pytest.fixture(scope="session")
def make_statistics(tmp_path_factory: pytest.TempPathFactory) -> MakeStatistics:
    """Writes statistics of so many features, their numbers moved by so much."""
    pytest.importorskip("tensorflow_metadata")

    def make(features: int, shift: float = 0.0) -> ExampleStatistics:
        return write_statistics(tmp_path_factory.mktemp("statistics"), features, shift)

    return make


@pytest.fixture(scope="session")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> ModelEvaluation:
    """See `write_evaluation`."""
    return write_evaluation(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="session")
def model_run(tmp_path_factory: pytest.TempPathFactory) -> ModelRun:
    """See `write_model_run`."""
    pytest.importorskip("tensorboard")
    return write_model_run(tmp_path_factory.mktemp("model_run"))
