# SPDX-License-Identifier: Apache-2.0
"""The consumer-complaints pipeline, end to end and again, as the command line runs it.

The tests share one project, in which the pipeline has run once. Each undoes its edits; those
that bless another model, which later models are compared with, come last.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import MetadataStore
from penstock.orchestration.metadata.lineage import Direction

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(600)]

#: Nodes that read data and check it, up to where the user's feature code begins.
DATA = ["CsvExampleGen", "label", "StatisticsGen", "SchemaGen", "ExampleValidator"]
MODEL = ["Transform", "Trainer", "Evaluator", "Pusher", "canary"]
#: Chooses what is there: it has nothing to reuse.
STEERING = ["LastBlessed"]

#: What no process may load that executes nothing.
HEAVY = "tensorflow tensorflow_data_validation tensorflow_transform tensorflow_model_analysis"
HEAVY += " apache_beam pandas tfx_bsl keras tf_keras"

#: Runs a command line, and then says which of the modules named first are loaded.
WATCHED = """
import json, sys
from penstock.cli import main
code = main(sys.argv[2:])
print(json.dumps([name for name in sys.argv[1].split() if name in sys.modules]), file=sys.stderr)
sys.exit(code)
"""

#: Asks a pushed model about one raw record, as a client without Penstock would.
CLIENT = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
example = tf.train.Example()
for name, value in json.loads(sys.argv[2]).items():
    example.features.feature[name].bytes_list.value.append(value.encode())
raw = tf.constant([example.SerializeToString()])
print(float(model.signatures["serving_default"](examples=raw)["probability"][0][0]))
assert not [name for name in sys.modules if name.partition(".")[0] == "penstock"]
"""


class Project:
    """A copy of the pipeline in a folder of its own, and its command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "complaints"
        shutil.copytree(
            Path(penstock.__file__).parent / "pipelines" / "consumer_complaints",
            self.package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self.root = folder / ".penstock" / "consumer_complaints"

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs Python in the project's folder."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])},
            capture_output=True,
            text=True,
        )

    def penstock(self, command: str, *options: str) -> dict[str, Any]:
        """Runs a command on the pipeline; the document that it prints."""
        started = time.monotonic()
        answer = self.python(
            "-c", WATCHED, HEAVY, command, "complaints/pipeline.py", "--json", *options
        )
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        found["heavy"] = json.loads(answer.stderr.splitlines()[-1])
        print(f"{command}: {time.monotonic() - started:.2f} s, the whole process")
        return found

    def run(self, *options: str) -> dict[str, Any]:
        """Runs the pipeline, in a process that must stay light."""
        found = self.penstock("run", *options)
        assert found["heavy"] == [], "the orchestrating process works with the heavy libraries"
        return found

    def served(self) -> list[Path]:
        """The versions that a model server would find."""
        return [path for path in (self.root / "serving").iterdir() if path.name.isdigit()]

    @contextlib.contextmanager
    def edited(self, name: str, old: str, new: str) -> Iterator[None]:
        """Replaces a text in one of the pipeline's files, for the block."""
        path = self.package / name
        before = path.read_text()
        assert before.count(old) == 1, f"{name} does not hold {old!r} once"
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)


def by_state(document: dict[str, Any]) -> dict[str, set[str]]:
    """Nodes of a run by the state in which they ended."""
    found: dict[str, set[str]] = {}
    for node in document["nodes"]:
        found.setdefault(node["state"], set()).add(node["node"])
    return found


def node(document: dict[str, Any], name: str) -> dict[str, Any]:
    """What a document says of one node."""
    (found,) = [each for each in document["nodes"] if each["node"] == name]
    return dict(found)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the pipeline has run once, with little training."""
    made = Project(tmp_path_factory.mktemp("project"))
    config = made.package / "config.yaml"
    text = config.read_text()
    for old, new in (("epochs: 4", "epochs: 1"), ("min_auc: 0.57", "min_auc: 0.5")):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)
    first = made.run("--run-id", "first")
    assert by_state(first) == {"complete": {*DATA, *MODEL, *STEERING}}
    return made


def test_unchanged_pipeline_reuses_everything(project: Project) -> None:
    """If it fails, the second `penstock run` works again for nothing, or loads TensorFlow."""
    assert by_state(project.run()) == {"cached": {*DATA, *MODEL}, "complete": {*STEERING}}


def test_edited_comment_changes_nothing(project: Project) -> None:
    """If it fails, improving a docstring costs a training."""
    edits = [
        ("zip_codes.py", "#: Stands for a code", "#: Stands, since ever, for a code"),
        ("model.py", "    model.fit(\n", "    # The data set shuffles.\n    model.fit(\n"),
        ("labelling.py", "Keeps complaints", "Keeps those complaints"),
    ]
    with contextlib.ExitStack() as until_done:
        for edit in edits:
            until_done.enter_context(project.edited(*edit))
        assert by_state(project.run()) == {"cached": {*DATA, *MODEL}, "complete": {*STEERING}}


def test_identical_bytes_stop_a_change(project: Project) -> None:
    """If it fails, an edit without effect runs everything below it."""
    wired = 'label(examples=example_gen.outputs["examples"])'
    with project.edited("pipeline.py", wired, f'{wired}.with_policy(cache="off")'):
        found = by_state(project.run())
    rest = {*DATA, *MODEL} - {"label"}
    assert found == {"cached": rest, "complete": {"label", *STEERING}}


def test_pushed_model_answers_raw_records(project: Project) -> None:
    """If it fails, what is served does not know the transformation that training used."""
    (version,) = project.served()
    record = {"Product": "Mortgage", "State": "MA", "ZIP code": "2127"}
    answer = project.python("-c", CLIENT, str(version), json.dumps(record))
    assert answer.returncode == 0, answer.stderr
    assert 0 < float(answer.stdout) < 1


def test_pushed_model_is_traced_to_the_data_and_its_blessing(project: Project) -> None:
    """If it fails, nobody can tell what the model that is served was made from."""
    with MetadataStore(str(project.root / "metadata.sqlite")) as store:
        pushes = store.node_execution("first", "Pusher")
        assert pushes is not None
        (pushed,) = store.outputs_of(pushes.id)["pushed_model"]
        found = store.lineage([pushed.id or 0], Direction.UPSTREAM)
        made_by = {(r.node_id, r.artifact.TYPE_NAME) for r in found.artifacts.values()}
        assert {("CsvExampleGen", "Examples"), ("Trainer", "Model")} <= made_by
        blessed = store.latest_blessed_model("consumer_complaints")
        assert blessed is not None
        model, blessing = blessed
        assert ("Evaluator", "ModelBlessing") in made_by
        assert blessing.custom_properties["blessed"] == 1
        assert blessing.custom_properties["current_model_id"] == model.id


def test_changed_data_runs_everything_and_a_bad_model_is_not_pushed(project: Project) -> None:
    """If it fails, new data goes unnoticed, or a model that is too bad is served."""
    month = project.package / "data" / "span-3.csv.gz"
    before = month.read_bytes()
    header, *_, last = gzip.decompress(before).decode().splitlines()
    assert len(header.split(",")) > 10
    served = project.served()
    try:
        month.write_bytes(before + gzip.compress(f"{last}\n".encode()))
        planned = {each["node"]: each["action"] for each in project.penstock("plan")["nodes"]}
        assert planned.pop("CsvExampleGen") == "run"
        assert set(planned.values()) == {"after"}
        with project.edited("config.yaml", "min_auc: 0.5", "min_auc: 0.99"):
            found = project.run()
    finally:
        month.write_bytes(before)
    ran = {*DATA, *MODEL, *STEERING} - {"canary"}
    assert by_state(found) == {"complete": ran, "skipped": {"canary"}}
    assert "span-3.csv.gz changed" in node(found, "CsvExampleGen")["reason"]
    (pushed,) = node(found, "Pusher")["outputs"]["pushed_model"]
    assert pushed["custom_properties"]["pushed"] == 0
    assert project.served() == served


def test_edited_helper_runs_what_uses_it(project: Project) -> None:
    """If it fails, an edit deep in feature code is missed, or ingests everything again."""
    line = "tf.strings.length(digits) > "
    with project.edited("zip_codes.py", f"{line}0", f"{line}1"):
        planned = project.penstock("plan")
        found = project.run()
    actions = {each["node"]: each["action"] for each in planned["nodes"]}
    assert planned["heavy"] == []
    assert actions == {
        **dict.fromkeys(DATA, "reuse"), **dict.fromkeys([*MODEL, *STEERING], "after"),
        "Transform": "run",
    }  # fmt: skip
    assert "zip_codes.py: sectional_center()" in node(planned, "Transform")["reason"]
    assert by_state(found) == {"cached": {*DATA}, "complete": {*MODEL, *STEERING}}
    assert node(found, "Transform")["reason"] == node(planned, "Transform")["reason"]
