# SPDX-License-Identifier: Apache-2.0
"""Where a study over a pipeline is kept, and what is written down when it begins.

<root>/.tuning/<study>/study.json      how it searches
                       journal.jsonl   what Optuna knows
                       trials.json, trials.csv, report.html, *.png     what came of it
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .....utils import storage
from .....utils.errors import ParameterError, StorageError, nearest
from .....utils.names import check_run_id
from ....launch.run import Run

SETTINGS_FILE = "study.json"
FORMAT = 1
DIRECTIONS = ("minimize", "maximize")
SAMPLERS = ("tpe", "random", "grid")


@dataclass(frozen=True)
class SearchSettings:
    """How a study searches; everything that resuming it needs.

    Attributes:
        study: Its name.
        pipeline: Name of the pipeline.
        objective: What is optimized, `node.name`.
        direction: `minimize` or `maximize`.
        trials: How many trials there shall be.
        space: Descriptions by parameter, as plain data.
        sampler: How values are drawn.
        seed: What they are drawn with.
        parallel: How many trials go on at the same time.
        max_failures: How many trials may fail.
        digest: Of the pipeline as it was when the study began.
        parameters: Values of runtime parameters that are not searched.
        cache: What replaces every node's cache policy, if anything does.

    Raises:
        ParameterError: One of them is not acceptable.
    """

    study: str
    pipeline: str
    objective: str
    direction: str
    trials: int
    space: dict[str, Any]
    sampler: str = "tpe"
    seed: int = 0
    parallel: int = 1
    max_failures: int = 3
    digest: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    cache: str | None = None

    def __post_init__(self) -> None:
        check_run_id(self.study)
        for what, known in (("direction", DIRECTIONS), ("sampler", SAMPLERS)):
            value = getattr(self, what)
            if value not in known:
                raise ParameterError(
                    f"there is no {what} {value!r}",
                    expected=", ".join(known),
                    got=repr(value),
                    suggestion=nearest(str(value), known),
                )
        for what in ("trials", "parallel"):
            value = getattr(self, what)
            if not isinstance(value, int) or value < 1:
                raise ParameterError(f"{what} must be at least 1", got=repr(value))

    def save(self, folder: str) -> None:
        """Writes them down.

        Raises:
            StorageError: They cannot be written.
        """
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        os.makedirs(folder, exist_ok=True)
        storage.write_text_atomic(os.path.join(folder, SETTINGS_FILE), text + "\n")

    def with_trials(self, trials: int | None, parallel: int | None) -> SearchSettings:
        """The same study, going on for longer or otherwise."""
        return replace(self, trials=trials or self.trials, parallel=parallel or self.parallel)


def folder_of(run: Run, study: str) -> str:
    """Where a study is kept.

    Raises:
        ParameterError: The name cannot be used in paths.
    """
    return os.path.join(run.local_folder("tuning"), check_run_id(study))


def studies(run: Run) -> list[str]:
    """Names of the studies below a root, the newest last."""
    parent = run.local_folder("tuning")
    if not os.path.isdir(parent):
        return []
    found = [
        (os.stat(os.path.join(parent, name, SETTINGS_FILE)).st_mtime, name)
        for name in os.listdir(parent)
        if os.path.exists(os.path.join(parent, name, SETTINGS_FILE))
    ]
    return [name for _, name in sorted(found)]


def new_study(run: Run, study: str) -> str:
    """The name, if no study has it yet.

    Raises:
        ParameterError: One has, or the name cannot be used in paths.
    """
    if study in studies(run):
        raise ParameterError(
            f"there is a study {study!r} already",
            got=folder_of(run, study),
            fix=f"choose another name, or go on with it: --resume {study}",
        )
    return check_run_id(study)


def load_settings(run: Run, study: str) -> SearchSettings:
    """The settings of a study, by its name, or `last` for the newest.

    Raises:
        ParameterError: There is no such study; suggests the nearest.
        StorageError: What was written down is not readable.
    """
    known = studies(run)
    name = known[-1] if study == "last" and known else study
    if name not in known:
        raise ParameterError(
            f"there is no study {study!r} below {run.root}",
            expected=", ".join(known) or "a study; none was begun there",
            got=study,
            suggestion=nearest(study, known),
        )
    path = os.path.join(folder_of(run, name), SETTINGS_FILE)
    try:
        raw = json.loads(storage.read_text(path))
        if raw.pop("format") != FORMAT:
            raise ValueError("it is of another format")
        return SearchSettings(**raw)
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(
            "the settings of a study cannot be read",
            got=str(error),
            location=path,
            fix="start another study",
        ) from None
