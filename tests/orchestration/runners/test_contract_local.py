# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.runner_contract import Ran, RunnerContract

from penstock import LocalRunner, Pipeline


class TestLocalRunner(RunnerContract):
    """The local runner, whose results are what others are compared with."""

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        result = LocalRunner().run(pipeline, parameters=parameters, resume=resume)
        return Ran(result.run.id, result.metadata)
