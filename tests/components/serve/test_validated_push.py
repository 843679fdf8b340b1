# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.user_project import forgetting_imports

from penstock.cli import cli
from penstock.orchestration.metadata.store import MetadataStore

PIPELINE = """
from pathlib import Path

from penstock import (
    CsvExampleGen, Examples, Filesystem, InfraValidator, Input, Model, Output, Pipeline,
    PushDestination, Pusher, RequestSpec, ValidationSpec, component,
)

HERE = Path(__file__).resolve().parent


@component
def train(examples: Input[Examples], model: Output[Model], value: float = 1.0) -> None:
    import numpy as np
    import xgboost

    folder = Path(model.path("Format-Serving"))
    folder.mkdir()
    if value < 0:
        (folder / "model.json").write_text("{")
        return
    rows = np.random.default_rng(0).random((20, 2))
    data = xgboost.DMatrix(rows, np.full(20, value), feature_names=["amount", "count"])
    settings = {"base_score": value, "max_depth": 1, "nthread": 1}
    xgboost.train(settings, data, 1).save_model(folder / "model.json")


def create_pipeline() -> Pipeline:
    read = CsvExampleGen(input_base=str(HERE / "data"))
    trained = train(examples=read.outputs["examples"])
    proven = InfraValidator(
        model=trained.outputs["model"],
        examples=read.outputs["examples"],
        request_spec=RequestSpec(split_name="eval", num_examples=5, num_latency_requests=10),
        validation_spec=ValidationSpec(max_p99_latency_ms=20_000.0),
    )
    pusher = Pusher(
        model=trained.outputs["model"],
        infra_blessing=proven.outputs["blessing"],
        push_destination=PushDestination(
            filesystem=Filesystem(base_directory=str(HERE / "serving"))
        ),
    )
    return Pipeline("prices", str(HERE / ".penstock" / "prices"), [read, trained, proven, pusher])
"""


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


@pytest.mark.slow
def test_only_what_was_proven_is_pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, the node does not work in a pipeline, or lets an unproven model out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    (tmp_path / "data").mkdir()
    lines = ["amount,count", *(f"{i}.5,{i % 9}" for i in range(60))]
    (tmp_path / "data" / "data.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    first = penstock("run", "--json")
    assert first.exit_code == 0, first.output
    (version,) = [name for name in os.listdir("serving") if name.isdigit()]
    again = penstock("run", "--json")
    assert {node["state"] for node in json.loads(again.stdout)["nodes"]} == {"cached"}
    refused = penstock("run", "--set", "train.value=-1.0")
    assert refused.exit_code == 3, refused.output
    assert "cannot be served as it must be" in refused.output
    assert [name for name in os.listdir("serving") if name.isdigit()] == [version]
    with MetadataStore(str(tmp_path / ".penstock" / "prices" / "metadata.sqlite")) as store:
        executions = store.run_executions(json.loads(first.stdout)["run"])
    (measured,) = [each.results for each in executions if each.node_id == "InfraValidator"]
    assert measured["compared_records"] == 5
    assert measured["latency_p50_ms"] <= measured["latency_p99_ms"]
