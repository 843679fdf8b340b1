# SPDX-License-Identifier: Apache-2.0
"""From raw data to pushed models of three frameworks, where there is no TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock import MetadataStore
from penstock.components.base.artifact_types import Examples, Model
from penstock.components.train.flavors.model_artifact import load_model, trusted_types

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(600)]

#: Not to be had in any process of the pipeline: importing one raises.
ABSENT = ("tensorflow", "tfx_bsl", "tensorflow_transform", "apache_beam", "keras", "tf_keras")

PIPELINE = """
from penstock import (
    CsvExampleGen, Filesystem, LightTransform, Pipeline, PushDestination, Pusher, Trainer,
)


def create_pipeline():
    read = CsvExampleGen(input_base="data")
    nodes = [read]
    for form in ("sklearn_features", "arrow_features"):
        transform = LightTransform(
            examples=read.outputs["examples"], module_file=form + ".py", label_key="sold",
        ).with_id(form)
        nodes.append(transform)
        for library in ("sklearn", "xgboost", "torch"):
            trainer = Trainer(
                examples=transform.outputs["transformed_examples"],
                transform_graph=transform.outputs["transform_graph"],
                module_file=f"train_{library}.py",
            ).with_id(f"{form}_{library}")
            pusher = Pusher(
                model=trainer.outputs["model"],
                push_destination=PushDestination(
                    filesystem=Filesystem(base_directory=f"serving/{trainer.id}")
                ),
            ).with_id(f"push_{trainer.id}")
            nodes += [trainer, pusher]
    return Pipeline("light", components=nodes)
"""

SKLEARN_FEATURES = """
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def preprocess():
    return ColumnTransformer([
        ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["area", "rooms"]),
        ("k", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
    ])
"""

ARROW_FEATURES = """
import pyarrow as pa
import pyarrow.compute as pc


def fit(table):
    return {"mean": pc.mean(table["area"]), "kinds": pc.unique(table["kind"]).to_pylist()}


def transform(table, state):
    found = {kind: pc.equal(table["kind"], kind).cast(pa.float64()) for kind in state["kinds"]}
    area = pc.subtract(table["area"], state["mean"])
    return pa.table({"area": area, "rooms": pc.fill_null(table["rooms"], 0), **found})
"""

READING = """
import glob, os
import numpy as np
import pandas as pd


def read(patterns):
    files = sorted(file for pattern in patterns for file in glob.glob(pattern))
    frame = pd.concat([pd.read_parquet(file) for file in files])
    return frame.drop(columns="sold"), frame["sold"]


def keep(fn_args, predicted):
    np.save(os.path.join(fn_args.model_run_dir, "predicted.npy"), np.asarray(predicted))
"""

TRAINING = {
    "sklearn": """
import os
import skops.io
from sklearn.linear_model import LogisticRegression
from reading import keep, read


def run_fn(fn_args):
    model = LogisticRegression().fit(*read(fn_args.train_files))
    skops.io.dump(model, os.path.join(fn_args.serving_model_dir, "model.skops"))
    keep(fn_args, model.predict_proba(read(fn_args.eval_files)[0]))
""",
    "xgboost": """
import os
import xgboost
from reading import keep, read


def run_fn(fn_args):
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=2)
    model.fit(*read(fn_args.train_files))
    model.save_model(os.path.join(fn_args.serving_model_dir, "model.json"))
    keep(fn_args, model.predict_proba(read(fn_args.eval_files)[0]))
""",
    "torch": """
import json, os
import torch
from reading import keep, read


def run_fn(fn_args):
    torch.manual_seed(0)
    features, label = read(fn_args.train_files)
    x = torch.tensor(features.to_numpy("float32"))
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 4), torch.nn.ReLU(),
                                torch.nn.Linear(4, 2), torch.nn.Softmax(-1)).eval()
    exported = torch.export.export(
        model, (x[:4],), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},))
    torch.export.save(
        exported, os.path.join(fn_args.serving_model_dir, "model.pt2"),
        extra_files={"feature_names.json": json.dumps(list(features.columns))})
    held_out = torch.tensor(read(fn_args.eval_files)[0].to_numpy("float32"))
    keep(fn_args, model(held_out).detach())
""",
}

#: Asks a pushed model about the raw rows of a split, in a process without TensorFlow.
CLIENT = """
import json, sys
import numpy as np
from penstock.components.base.artifact_types import Examples
from penstock.components.ingest.examples_reader import read_table
from penstock.components.train.flavors.registry import load_predictor

uri, *folders = sys.argv[1:]
raw = Examples(uri)
raw.splits = ["train", "eval"]
batch = read_table(raw, "eval").drop(["sold"]).combine_chunks().to_batches()[0]
answers = {}
for folder in folders:
    model = load_predictor(folder)
    answer = model.predict(batch)
    answers[folder] = answer.column(answer.num_columns - 1).to_pylist()
    assert [f.name for f in model.input_features() if f.required] == ["area", "kind"], folder
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, houses: Any) -> Path:
    """A project whose pipeline has run once, in an environment without TensorFlow."""
    folder = tmp_path_factory.mktemp("project")
    texts = {
        "pipeline": PIPELINE,
        "sklearn_features": SKLEARN_FEATURES,
        "arrow_features": ARROW_FEATURES,
        "reading": READING,
        **{f"train_{library}": text for library, text in TRAINING.items()},
        **{f"absent/{name}/__init__": "raise ImportError('not here')\n" for name in ABSENT},
    }
    for name, text in texts.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "data").mkdir()
    houses.drop(["key", "advert"]).to_pandas().to_csv(folder / "data" / "houses.csv", index=False)
    done = python(folder, "-m", "penstock", "run", "pipeline.py", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    states = {each["node"]: each["state"] for each in json.loads(done.stdout)["nodes"]}
    assert len(states) == 15 and set(states.values()) == {"complete"}, states
    return folder


def python(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the project's folder, where TensorFlow cannot be imported."""
    path = os.pathsep.join([str(folder / "absent"), str(Path(penstock.__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def pushed(folder: Path, form: str) -> dict[str, str]:
    """Folder of each library's pushed model."""
    return {
        library: str(next((folder / "serving" / f"{form}_{library}").glob("[0-9]*")))
        for library in TRAINING
    }


@pytest.mark.parametrize("form", ["sklearn_features", "arrow_features"])
def test_pushed_model_on_raw_records_predicts_as_in_training(project: Path, form: str) -> None:
    """If it fails, serving does something else than training did, or needs TensorFlow."""
    folders = pushed(project, form)
    with MetadataStore(str(project / ".penstock/light/metadata.sqlite")) as store:
        (run,) = store.list_runs("light", limit=1)

        def outputs(node: str) -> Any:
            execution = store.node_execution(run.id, node)
            assert execution is not None
            return store.outputs_of(execution.id)

        (raw,) = outputs("CsvExampleGen")["examples"]
        assert isinstance(raw, Examples)
        logs = {library: outputs(f"{form}_{library}")["model_run"][0].uri for library in TRAINING}
    done = python(project, "-c", CLIENT, raw.uri, *folders.values(), PENSTOCK_TRUSTED_TYPES="code")
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for library, folder in folders.items():
        trained = np.load(Path(logs[library]) / "predicted.npy")
        served = np.asarray(answers[folder])
        if served.ndim == 1:
            trained = trained[:, 1]
        np.testing.assert_allclose(served, trained, rtol=1e-6, atol=1e-7, err_msg=library)
        assert np.ptp(trained) > 0


def test_store_tells_whose_code_the_pipeline_trusts(project: Path) -> None:
    """If it fails, the Evaluator cannot load a model whose transform is code of the user's."""
    with MetadataStore(str(project / ".penstock/light/metadata.sqlite")) as store:
        (run,) = store.list_runs("light", limit=1)
        trusted = {}
        for form in ("sklearn_features", "arrow_features"):
            execution = store.node_execution(run.id, f"{form}_xgboost")
            assert execution is not None
            (model,) = store.outputs_of(execution.id)["model"]
            assert isinstance(model, Model)
            trusted[form] = trusted_types(model)
            raw = load_model(model).input_features()
            assert [each.name for each in raw] == ["area", "rooms", "kind"]
    assert trusted["sklearn_features"] == []
    assert [name.partition(":")[0] for name in trusted["arrow_features"]] == ["code"]


def test_second_run_reuses_everything(project: Path) -> None:
    """If it fails, an unchanged transform is fitted again, or loads libraries to see that."""
    done = python(project, "-m", "penstock", "run", "pipeline.py", "--json")
    assert done.returncode == 0, done.stderr
    states = {each["state"] for each in json.loads(done.stdout)["nodes"]}
    assert states == {"cached"}


def test_edited_features_run_what_uses_them(project: Path) -> None:
    """If it fails, an edit of feature code is missed, or trains what does not use it."""
    path = project / "arrow_features.py"
    path.write_text(ARROW_FEATURES.replace('table["rooms"], 0', 'table["rooms"], 1'))
    done = python(project, "-m", "penstock", "plan", "pipeline.py", "--json")
    path.write_text(ARROW_FEATURES)
    planned = {each["node"]: each["action"] for each in json.loads(done.stdout)["nodes"]}
    assert planned["arrow_features"] == "run"
    assert planned["arrow_features_torch"] == "after"
    assert planned["sklearn_features"] == planned["sklearn_features_torch"] == "reuse"
