# SPDX-License-Identifier: Apache-2.0
"""A small pipeline to search: four steps as a training pipeline has them, in plain Python.

python -m support.tunable ROOT STUDY [resume]
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

from penstock import (
    Artifact,
    Examples,
    FloatRange,
    Input,
    Model,
    Output,
    OutputDict,
    Pipeline,
    RuntimeParameter,
    component,
    resume_tuning,
    tune,
)
from penstock.orchestration.runners.local.tuning.pipeline_search import TrialNews, TrialObserver


class Report(Artifact):
    """What was found out about data."""


@component
def ingest(rows: int, examples: Output[Examples]) -> None:
    """Writes numbers."""
    Path(examples.uri, "rows.json").write_text(json.dumps(list(range(rows))))


@component
def validate(examples: Input[Examples], report: Output[Report]) -> None:
    """Counts the rows."""
    Path(report.uri, "rows").write_text(str(len(_rows(examples))))


@component
def transform(
    examples: Input[Examples], report: Input[Report], settings: dict, transformed: Output[Examples]
) -> None:
    """Puts the numbers into buckets."""
    buckets = settings["buckets"]
    rows = [row % buckets for row in _rows(examples)]
    Path(transformed.uri, "rows.json").write_text(json.dumps(rows))


@component
def train(
    examples: Input[Examples], rate: float, units: int, kind: str, model: Output[Model]
) -> OutputDict(loss=float):
    """Is best at a rate of 0.01, eight units and many buckets."""
    if kind == "broken":
        raise ValueError("it does not converge")
    if kind == "nan":
        return {"loss": math.nan}
    if kind == "killed":
        os.kill(os.getpid(), 9)
    Path(model.uri, "weights").write_text(f"{rate} {units}")
    distance = abs(math.log10(rate) + 2) + abs(units - 8) / 8
    return {"loss": distance + 1 / len(set(_rows(examples)))}


@component
def push(model: Input[Model], pushed: Output[Artifact]) -> None:
    """Must not be run by a search."""
    raise RuntimeError("a search pushes nothing")


def _rows(examples: Examples) -> list[int]:
    found: list[int] = json.loads(Path(examples.uri, "rows.json").read_text())
    return found


def create_pipeline(root: Path | str = "") -> Pipeline:
    """The pipeline; `train` declares what may be tried for its rate."""
    read = ingest(rows=RuntimeParameter("rows", int, 12))
    checked = validate(examples=read.outputs["examples"])
    changed = transform(
        examples=read.outputs["examples"],
        report=checked.outputs["report"],
        settings={"buckets": 4, "note": "as it was"},
    )
    trained = train(examples=changed.outputs["transformed"], rate=0.1, units=4, kind="plain")
    trained.with_search_space(rate=FloatRange(1e-4, 1e-1, log=True))
    pushed = push(model=trained.outputs["model"])
    return Pipeline("tunable", str(root), [read, checked, changed, trained, pushed])


class Told(TrialObserver):
    """Prints each trial that has ended."""

    def trial_ended(self, news: TrialNews) -> None:
        """See `TrialObserver.trial_ended`."""
        print("ended", news.record.number, flush=True)


if __name__ == "__main__":
    folder, name, *more = sys.argv[1:]
    if more:
        resume_tuning(create_pipeline(folder), name, observer=Told())
    else:
        tune(
            create_pipeline(folder),
            objective="train.loss",
            direction="minimize",
            trials=8,
            study=name,
            seed=5,
            observer=Told(),
        )
