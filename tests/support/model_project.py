# SPDX-License-Identifier: Apache-2.0
"""A small pipeline that trains and pushes a "model" of text files, for tests of what follows."""

from __future__ import annotations

from pathlib import Path

#: `{body}` is what the training multiplies its epochs by.
PIPELINE = """
import os
from pathlib import Path

from penstock import (
    CsvExampleGen, Examples, Filesystem, Input, Model, ModelEvaluation, Output, Pipeline,
    PushDestination, Pusher, Schema, component,
)

HERE = Path(__file__).resolve().parent


def weight(epochs):
    return {body}


@component
def write_schema(examples: Input[Examples], schema: Output[Schema]) -> None:
    import pyarrow.parquet

    file = next(Path(examples.uri, "Split-train").glob("*.parquet"))
    names = pyarrow.parquet.read_schema(file).names
    lines = ["feature {{ name: '%s' type: INT }}" % name for name in names]
    Path(schema.path("schema.pbtxt")).write_text(chr(10).join(lines))


@component
def train(
    examples: Input[Examples], schema: Input[Schema], model: Output[Model], epochs: int = 3
) -> None:
    rows = examples.custom_properties["row_counts"]
    os.makedirs(model.path("Format-Serving"))
    Path(model.path("Format-Serving", "weights")).write_text(str(weight(epochs)) + rows)
    Path(model.path("Format-Serving", "bulk")).write_text("x" * 5000)


@component
def evaluate(model: Input[Model], evaluation: Output[ModelEvaluation], offset: float = 0.0) -> None:
    import json

    size = len(Path(model.path("Format-Serving", "weights")).read_text())
    metrics = {{"auc": 0.7 + size / 1000 + offset, "example_count": 6.0}}
    summary = {{"format": 1, "slices": [{{"slice": {{}}, "metrics": metrics}}]}}
    Path(evaluation.path("summary.json")).write_text(json.dumps(summary))


def create_pipeline():
    read = CsvExampleGen(input_base=str(HERE / "data"))
    schema = write_schema(examples=read.outputs["examples"])
    trained = train(examples=read.outputs["examples"], schema=schema.outputs["schema"])
    evaluated = evaluate(model=trained.outputs["model"])
    pusher = Pusher(
        model=trained.outputs["model"],
        push_destination=PushDestination(
            filesystem=Filesystem(base_directory=str(HERE / "serving"))
        ),
    ).add_upstream_nodes([evaluated])
    return Pipeline("toy", "", [read, schema, trained, evaluated, pusher])
"""

ROWS = "a,b\n" + "".join(f"{number},{number * 2}\n" for number in range(6))


def write_model_project(folder: Path, *, body: str = "epochs * 2", rows: str = ROWS) -> Path:
    """Writes `pipeline.py` and its data; the pipeline's path."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "rows.csv").write_text(rows)
    path = folder / "pipeline.py"
    path.write_text(PIPELINE.format(body=body))
    return path


def weights_in(version: Path) -> str:
    """What the training wrote into a pushed version."""
    return (version / "weights").read_text()
