# SPDX-License-Identifier: Apache-2.0
"""A pipeline of three small function components, as users write them, for tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIPELINE = """
from penstock import Examples, Input, Model, Output, OutputDict, Pipeline, RuntimeParameter
from penstock import component
from penstock.utils.errors import GateError

import {helper}

@component
def ingest(examples: Output[Examples], rows: int = 10) -> None:
    print("reading", rows, "rows")
    with open(examples.path("rows.txt"), "w") as file:
        file.write(chr(10).join(map(str, range(rows))))

@component
def train(
    examples: Input[Examples], model: Output[Model], epochs: int = 3
) -> OutputDict(loss=float):
    with open(model.path("weights"), "w") as file:
        file.write({helper}.double(str(epochs)))
    return {{"loss": 1.0 / epochs}}

@component
def report(model: Input[Model], loss: float, title: str = "loss") -> OutputDict(text=str):
    if title == "raise":
        {helper}.fail(loss)
    if title == "refuse":
        raise GateError("the loss is too high", got=loss)
    return {{"text": title + ": " + str(loss)}}

def create_pipeline():
    read = ingest()
    trained = train(read.outputs["examples"])
    told = report(
        trained.outputs["model"],
        loss=trained.outputs["loss"],
        title=RuntimeParameter("title", str, "loss"),
    )
    return Pipeline("toy", components=[read, trained, told])
"""

HELPER = """
def double(text):
    return text * 2

def fail(loss):
    return {}[loss]
"""


def write_project(folder: Path, name: str) -> Path:
    """Writes the pipeline's file, `<name>.py`, and a module that it imports. Its path."""
    (folder / f"{name}_helper.py").write_text(HELPER)
    path = folder / f"{name}.py"
    path.write_text(PIPELINE.format(helper=f"{name}_helper"))
    return path


@contextmanager
def forgetting_imports() -> Iterator[None]:
    """Undoes the imports of users' files in the current folder, and what they did to the path."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        here = os.path.realpath(os.getcwd()) + os.sep
        for name, module in list(sys.modules.items()):
            if os.path.realpath(getattr(module, "__file__", None) or "/").startswith(here):
                del sys.modules[name]
