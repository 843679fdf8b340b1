# SPDX-License-Identifier: Apache-2.0
"""The complaint-routing pipeline: its data step and its choice by themselves, and the whole."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import MetadataStore
from penstock.components.base.artifact_types import ModelEvaluation
from penstock.pipelines.complaint_routing.pipeline import create_pipeline
from penstock.pipelines.complaint_routing.selection import better, figures
from penstock.pipelines.complaint_routing.settings import load_settings
from penstock.utils.errors import DataError

pa = pytest.importorskip("pyarrow")

from penstock.pipelines.complaint_routing.complaint_texts import (  # noqa: E402
    labelled,
    without_copies,
)

whole = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(600)]

#: Loads the evaluated models, and measures them as scikit-learn does.
MEASURE = """
import json, sys
import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from penstock.components.base.artifact_types import Examples
from penstock.components.ingest.examples_reader import read_table
from penstock.components.train.flavors.registry import load_predictor

prepared = Examples(sys.argv[1])
prepared.splits = ["train", "eval"]
rows = read_table(prepared, "eval")
batch = rows.select(["narrative"]).combine_chunks().to_batches()[0]
found = {}
for name, folder in zip(("network", "baseline"), sys.argv[2:]):
    answer = load_predictor(folder).predict(batch).to_pydict()
    said = np.argmax(answer["probabilities"], axis=1)
    known = rows["product_id"].to_numpy()
    names = [p.decode() if isinstance(p, bytes) else p for p in answer["prediction"]]
    assert np.mean(np.array(names) == rows["product"].to_numpy()) == np.mean(said == known)
    found[name] = [accuracy_score(known, said), f1_score(known, said, average="macro")]
majority = np.bincount(read_table(prepared, "train")["product_id"].to_numpy()).argmax()
found["majority"] = [float(np.mean(known == majority))]
print(json.dumps(found))
"""


def published(*rows: tuple[str, str | None]) -> Any:
    """Complaints as published: (the bureau's product, narrative)."""
    products, texts = zip(*rows, strict=True)
    return pa.table({"Product": products, "Consumer complaint narrative": texts})


PRODUCTS = {"Card": ["Credit card", "Prepaid card"], "Mortgage": ["Mortgage"]}


def test_products_are_named_and_numbered_in_alphabetical_order() -> None:
    """If it fails, the two models mean different products by one number."""
    table = labelled(published(("Mortgage", "a"), ("Prepaid card", "b")), PRODUCTS)
    assert table["product"].to_pylist() == ["Mortgage", "Card"]
    assert table["product_id"].to_pylist() == [1, 0]


def test_unknown_product_is_named() -> None:
    """If it fails, a new product of the bureau's is dropped without a word."""
    with pytest.raises(DataError, match=r"Vehicle loan \(1\)"):
        labelled(published(("Vehicle loan", "a")), PRODUCTS)


def test_copies_count_once_and_contradictions_nowhere() -> None:
    """If it fails, models are measured by complaints that they were trained on."""
    train = published(
        ("Mortgage", "They lost my payment of XX/XX/XXXX."),
        ("Mortgage", "Nobody answers !"),
        ("Credit card", "Is it a loan or a card?"),
        ("Mortgage", "XXXX XXXX"),
    )
    held_out = published(
        ("Mortgage", "they lost my payment of XXXX/XXXX/2015"),
        ("Mortgage", "Is it a loan, or a card"),
        ("Prepaid card", "It was declined."),
    )
    splits = {"train": labelled(train, PRODUCTS), "eval": labelled(held_out, PRODUCTS)}
    kept, left_out = without_copies(splits)
    assert kept["train"]["narrative"].to_pylist() == [
        "They lost my payment of XX/XX/XXXX.",
        "Nobody answers !",
    ]
    assert kept["eval"]["narrative"].to_pylist() == ["It was declined."]
    assert left_out == {"empty": 1, "contradictory": 2, "copies": 1}


def test_macro_f1_is_the_mean_over_all_products() -> None:
    """If it fails, a model is chosen by another number than the recorded one."""
    metrics = {
        "sparse_categorical_accuracy": 0.75,
        "f1_score@classId:0 topK:1": 0.5,
        "f1_score@classId:1 topK:1": None,
        "precision@classId:0 topK:1": 0.9,
    }
    assert figures(metrics, 2) == {"accuracy": 0.75, "macro_f1": 0.25}
    with pytest.raises(ValueError, match="not of 3 products"):
        figures(metrics, 3)


def test_simpler_model_wins_a_tie() -> None:
    """If it fails, a network is served that is no better than the baseline."""
    equal = {"network": {"accuracy": 0.8}, "baseline": {"accuracy": 0.8}}
    assert better(equal, ["network", "baseline"], "accuracy") == "baseline"
    found = {"network": {"macro_f1": 0.7}, "baseline": {"macro_f1": 0.6}}
    assert better(found, ["network", "baseline"], "macro_f1") == "network"
    assert better(found, ["baseline"], "macro_f1") == "baseline"


def test_pipeline_is_declared_with_both_models() -> None:
    """If it fails, the pipeline does not even compile."""
    settings = load_settings()
    ids = [node.id for node in create_pipeline(settings).components]
    assert {"network", "baseline", "evaluate_network", "evaluate_baseline", "choose"} <= {*ids}
    assert len(settings.names) == 8


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the pipeline that has run once, with a third of the data and little training."""
    folder = tmp_path_factory.mktemp("routing")
    package = folder / "routing"
    home = Path(penstock.__file__).parent / "pipelines" / "complaint_routing"
    shutil.copytree(home, package, ignore=shutil.ignore_patterns("__pycache__"))
    data = package / "data" / "narratives.csv.gz"
    with gzip.open(data, "rt", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    with gzip.open(data, "wt", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows[::3]])
    config = package / "config.yaml"
    text = config.read_text()
    for old, new in (
        ("epochs: 12", "epochs: 5"),
        ("min_accuracy: 0.7", "min_accuracy: 0.3"),
        ("min_macro_f1: 0.55", "min_macro_f1: 0.2"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    config.write_text(text)
    done = python(folder, "-m", "penstock", "run", "routing/pipeline.py", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    states = {each["node"]: each["state"] for each in json.loads(done.stdout)["nodes"]}
    assert set(states.values()) == {"complete"}, states
    return folder


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the project's folder."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def outputs(project: Path) -> dict[str, dict[str, Any]]:
    """First artifact of every output of the last run, by node and output."""
    found = {}
    with MetadataStore(str(project / ".penstock/complaint_routing/metadata.sqlite")) as store:
        (run,) = store.list_runs("complaint_routing", limit=1)
        for node in ("prepare", "network", "baseline", "evaluate_network", "evaluate_baseline",
                     "choose", "Pusher", "canary"):  # fmt: skip
            execution = store.node_execution(run.id, node)
            assert execution is not None, node
            made = store.outputs_of(execution.id)
            found[node] = {name: artifacts[0] for name, artifacts in made.items()}
    return found


class TestWholePipeline:
    """One run over a third of the data."""

    pytestmark = whole

    def test_recorded_figures_are_true_and_the_better_model_is_pushed(self, project: Path) -> None:
        """If it fails, the worse model is served, or it is better only on paper."""
        made = outputs(project)
        done = python(
            project, "-c", MEASURE, made["prepare"]["prepared"].uri,
            made["network"]["model"].uri, made["baseline"]["model"].uri,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        measured = json.loads(done.stdout)
        chosen = made["choose"]
        for name in ("network", "baseline"):
            recorded = [chosen[f"{name}_{key}"].read() for key in ("accuracy", "macro_f1")]
            assert recorded == pytest.approx(measured[name], abs=1e-6)
            assert recorded[0] > measured["majority"][0] + 0.1
        best = max(("network", "baseline"), key=lambda name: measured[name][1])
        assert chosen["chosen"].read() == best
        assert chosen["model"].content_digest == made[best]["model"].content_digest
        assert made["Pusher"]["pushed_model"].custom_properties["pushed"] == 1

    def test_both_models_are_evaluated_on_the_same_rows(self, project: Path) -> None:
        """If it fails, the two figures cannot be compared."""
        made = outputs(project)
        rows = set()
        for name in ("network", "baseline"):
            evaluation = made[f"evaluate_{name}"]["evaluation"]
            assert isinstance(evaluation, ModelEvaluation)
            rows.add(json.loads(Path(evaluation.path("summary.json")).read_text())["rows"])
        assert len(rows) == 1 and rows.pop() > 250

    def test_pushed_model_answers_a_raw_complaint(self, project: Path) -> None:
        """If it fails, what is served needs more than what the consumer wrote."""
        answers = outputs(project)["canary"]
        probabilities = answers["probabilities"].read()
        assert list(probabilities) == load_settings().names
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert answers["product"].read() == max(probabilities, key=probabilities.get) == "Mortgage"

    def test_second_run_reuses_everything(self, project: Path) -> None:
        """If it fails, an unchanged pipeline trains again."""
        done = python(project, "-m", "penstock", "run", "routing/pipeline.py", "--json")
        assert done.returncode == 0, done.stderr
        nodes = json.loads(done.stdout)["nodes"]
        ran = {each["node"]: each["reason"] for each in nodes if each["state"] != "cached"}
        assert not ran

    def test_models_that_are_too_bad_are_not_pushed(self, project: Path) -> None:
        """If it fails, a model that misses what is demanded is served."""
        words = ["--set", "choose.min_macro_f1=0.99", "--json"]
        done = python(project, "-m", "penstock", "run", "routing/pipeline.py", *words)
        assert done.returncode == 0, done.stderr
        nodes = {each["node"]: each for each in json.loads(done.stdout)["nodes"]}
        assert nodes["canary"]["state"] == "skipped"
        (blessing,) = nodes["choose"]["outputs"]["blessing"]
        assert blessing["custom_properties"]["blessed"] == 0
        assert "macro-F1 of at least 0.99" in blessing["custom_properties"]["reason"]
        (pushed,) = nodes["Pusher"]["outputs"]["pushed_model"]
        assert pushed["custom_properties"]["pushed"] == 0
