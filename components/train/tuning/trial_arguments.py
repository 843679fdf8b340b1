# SPDX-License-Identifier: Apache-2.0
"""What the user's functions are given in a search: the `FnArgs` that training has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...base.artifact_types import Model, ModelRun
from ...base.executor import Task
from ..data_access import ExamplesAccess
from ..fn_args import FnArgs
from ..trainer_executor import make_fn_args
from ..training_progress import TrainingProgress


class TrialProgress(TrainingProgress):
    """Passes each report of a trial on.

    Args:
        task: The search.
        pass_on: Called with the step and its metrics.
        checkpoint_dir: The trial's.
    """

    def __init__(
        self,
        task: Task,
        pass_on: Callable[[int, Mapping[str, float]], None],
        checkpoint_dir: str,
    ) -> None:
        super().__init__(
            lambda done, total, note: None, "fail", task.node_id, checkpoint_dir=checkpoint_dir
        )
        self._pass_on = pass_on

    def __call__(self, step: int, total: int | None = None, **metrics: Any) -> None:
        """See `TrainingProgress.__call__`."""
        super().__call__(step, total, **metrics)
        self._pass_on(int(step), {name: float(value) for name, value in metrics.items()})


def search_arguments(
    task: Task,
    access: ExamplesAccess,
    seed: int | None,
    folder: str,
    *,
    kept: str,
    progress: TrainingProgress | None = None,
) -> FnArgs:
    """The arguments of one trial, or of a `tuner_fn`.

    Args:
        task: The search.
        access: Reads the examples.
        seed: What random generators are set to.
        folder: A new folder, for what is of no use afterwards: the trial's model, its logs.
        kept: A folder that survives a killed attempt.
        progress: Takes in what is reported.
    """
    outputs = {name: os.path.join(folder, name) for name in ("model", "model_run")}
    for path in (*outputs.values(), kept):
        os.makedirs(path, exist_ok=True)
    alone = replace(
        task,
        outputs={
            "model": [Model(outputs["model"])],
            "model_run": [ModelRun(outputs["model_run"])],
        },
        checkpoint_dir=kept,
        work_dir=folder,
    )
    return make_fn_args(alone, access, seed, progress=progress)
