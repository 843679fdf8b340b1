# SPDX-License-Identifier: Apache-2.0
"""`penstock run`, `plan`, `compile` and `node run`, on a project as users have them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.user_project import forgetting_imports, write_project

from penstock.cli import cli


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with `toy.py`, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_METADATA", raising=False)
    write_project(tmp_path, "toy")
    with forgetting_imports():
        yield tmp_path


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


def actions(answer: Result) -> dict[str, str]:
    """What `plan --json` says of each node."""
    return {node["node"]: node["action"] for node in json.loads(answer.stdout)["nodes"]}


def test_plan_run_and_plan_again(project: Path) -> None:
    """If it fails, a plan does not say what the next run then does."""
    before = penstock("plan", "toy.py")
    assert before.exit_code == 0, before.output
    assert "it has not run before" in before.stdout
    assert not (project / ".penstock" / "toy" / "metadata.sqlite").exists()
    first = penstock("run", "toy.py", "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert (told["state"], told["resume"], told["pipeline"]) == ("complete", None, "toy")
    assert [node["state"] for node in told["nodes"]] == ["complete"] * 3
    assert set(actions(penstock("plan", "toy.py", "--json")).values()) == {"reuse"}
    helper = project / "toy_helper.py"
    helper.write_text(helper.read_text().replace("text * 2", "text * 3"))
    changed = penstock("plan", "toy.py", "--json")
    assert actions(changed) == {"ingest": "reuse", "train": "run", "report": "after"}
    assert "toy_helper.py: double()" in changed.stdout
    only = penstock("plan", "toy.py", "--only", "ingest", "--no-cache", "--json")
    assert actions(only) == {"ingest": "run"}
    explained = json.loads(penstock("cache", "explain", "toy.py", "train", "--json").stdout)
    assert explained["action"] == "run" and explained["key"]
    found = {row["ingredient"]: row["verdict"] for row in explained["ingredients"]}
    assert found["code.function"] == "changed" and found["input.examples"] == "same"
    text = penstock("cache", "explain", "toy.py", "report").stdout
    assert "may run" in text and "known when train has run" in text


def test_failed_run_says_root_error_first_and_how_to_resume(project: Path) -> None:
    """If it fails, a user does not learn what to mend, or has to guess how to go on."""
    words = ["run", "toy.py", "--param", "title=raise", "--set", "train.epochs=4"]
    failed = penstock(*words, "--run-id", "first try".replace(" ", "-"))
    assert failed.exit_code == 1
    lines = [line for line in failed.stderr.splitlines() if line]
    assert lines[0] == "KeyError: 0.25"
    assert lines[1].startswith("  at toy_helper.py:") and lines[1].endswith(" in fail")
    assert lines[2].startswith("  called from toy.py:")
    assert "report failed" in failed.stderr
    log = next(line for line in lines if line.startswith("  log:")).split()[-1]
    assert "KeyError" in Path(log).read_text()
    resume = lines[-1].strip()
    assert resume == (
        "penstock run toy.py --param title=raise --set train.epochs=4 --resume first-try"
    )
    # It goes on with the parameters that it had, also where they are not said again.
    bare = penstock("run", "toy.py", "--set", "train.epochs=4", "--resume", "last")
    assert "KeyError: 0.25" in bare.stderr
    helper = project / "toy_helper.py"
    helper.write_text(helper.read_text().replace("{}[loss]", "print(loss)"))
    again = penstock(*shlex.split(resume)[1:], "--json")
    assert again.exit_code == 0, again.output
    told = json.loads(again.stdout)
    assert told["run"] == "first-try"
    assert [node["state"] for node in told["nodes"]] == ["cached", "cached", "complete"]


def test_refusal_of_a_gate_has_its_own_exit_code(project: Path) -> None:
    """If it fails, a script cannot tell bad data or a bad model from a crash."""
    answer = penstock("run", "toy.py", "--param", "title=refuse", "--quiet")
    assert answer.exit_code == 3
    assert answer.stdout == ""
    assert "report refused to go on" in answer.stderr


def test_words_with_spaces_survive_in_the_resume_command(project: Path) -> None:
    """If it fails, the command that is offered for resuming does something else."""
    (project / "a folder").mkdir()
    answer = penstock("run", "toy.py", "--param", "title=raise", "--root", "a folder/it's")
    assert shlex.split(answer.stderr.splitlines()[-1])[:7] == [
        "penstock", "run", "toy.py", "--param", "title=raise", "--root", "a folder/it's",
    ]  # fmt: skip


def test_settings_come_from_file_then_command_line(project: Path) -> None:
    """If it fails, a configuration file or `--set` does not change what it names."""
    (project / "config.yaml").write_text("ingest: {rows: 7}\ntrain:\n  epochs: 5\n")
    out = project / "toy.json"
    answer = penstock(
        "compile", "toy.py", "--config", "config.yaml", "--set", "train.epochs=6", "-o", str(out)
    )
    assert answer.exit_code == 0, answer.output
    nodes = {node["id"]: node["parameters"] for node in json.loads(out.read_text())["nodes"]}
    assert nodes["ingest"]["rows"] == 7
    assert nodes["train"]["epochs"] == 6
    assert penstock("compile", "toy.json").stdout == out.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "trian.epochs=1"], "did you mean: train.epochs"),
        (["--set", "train.epoch=1"], "did you mean: epochs"),
        (["--set", "train.epochs=many"], "expected:     int"),
        (["--set", "train.epochs"], "--set needs node.param=value"),
        (["--param", "titel=x"], "did you mean: title"),
        (["--param", "title"], "--param needs name=value"),
        (["--config", "bad.yaml"], "bad.yaml:3"),
        (["--config", "list.yaml"], "{node: {param: value}}"),
        (["--config", "wrong.yaml"], "did you mean: epochs"),
        (["--only", "trian"], "did you mean: train"),
        (["--cache", "on", "--no-cache"], "contradict"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistaken_options_name_what_was_meant(project: Path, words: list[str], said: str) -> None:
    """If it fails, a mistake in an option passes silently, or is not explained."""
    (project / "bad.yaml").write_text("train:\n  epochs: [1\n")
    (project / "list.yaml").write_text("- train\n")
    (project / "wrong.yaml").write_text("train: {epochz: 1}\n")
    answer = penstock("plan", "toy.py", *words)
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_text_parameter_takes_what_looks_like_a_number(project: Path) -> None:
    """If it fails, `--set node.name=2024` is refused for a parameter that is a text."""
    file = project / "toy.py"
    file.write_text(file.read_text().replace('title=RuntimeParameter("title", str, "loss"),', ""))
    told = json.loads(penstock("compile", "toy.py", "--set", "report.title=02139").stdout)
    assert told["nodes"][2]["parameters"]["title"] == "02139"
    told = json.loads(penstock("compile", "toy.py", "--set", "report.title=2024").stdout)
    assert told["nodes"][2]["parameters"]["title"] == "2024"


def test_compiled_pipeline_refuses_settings(project: Path) -> None:
    """If it fails, `--set` on a compiled pipeline is silently ignored."""
    penstock("compile", "toy.py", "-o", "toy.json")
    answer = penstock("run", "toy.json", "--set", "train.epochs=1")
    assert answer.exit_code == 2
    assert "cannot be changed any more" in answer.stderr


def test_nodes_run_one_by_one_from_the_compiled_pipeline(project: Path) -> None:
    """If it fails, an outside engine cannot run a pipeline, or not tell how a node ended."""
    penstock("compile", "toy.py", "-o", "toy.json")
    common = ["node", "run", "--ir", "toy.json", "--run-id", "r1", "--json", "--in-process"]
    early = penstock(*common, "--node", "train")
    assert early.exit_code == 2
    assert "ingest has to run first" in early.stderr
    for node in ("ingest", "train"):
        answer = penstock(*common, "--node", node)
        assert answer.exit_code == 0, answer.output
        (line,) = [text for text in answer.stdout.splitlines() if text.startswith("{")]
        assert json.loads(line)["state"] == "complete"
    refused = penstock(*common, "--node", "report", "--param", "title=refuse")
    assert refused.exit_code == 3
    failed = penstock(*common, "--node", "report", "--param", "title=raise")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["error"]["frames"][-1].endswith(" in fail")
    misspelt = penstock(*common, "--node", "reprt")
    assert "did you mean: report" in misspelt.stderr
    shown = json.loads(penstock("runs", "show", "r1", "--json").stdout)
    assert [node["state"] for node in shown["nodes"]] == ["complete", "complete", "failed"]


def test_interrupt_stops_in_order_and_offers_to_go_on(project: Path) -> None:
    """If it fails, Ctrl-C leaves a run recorded as running, or says nothing useful."""
    file = project / "toy.py"
    file.write_text(file.read_text().replace("    with open(examples", "    import time; "
                                             "time.sleep(60)\n    with open(examples"))  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", "toy.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    while "starts" not in process.stdout.readline():
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "stopped" in out
    assert err.splitlines()[-1].startswith("  python -m penstock run toy.py --resume ")
    assert "Traceback" not in err
    assert json.loads(penstock("runs", "list", "--json").stdout)[0]["state"] == "canceled"


def test_reader_that_goes_away_does_not_stop_the_run(project: Path) -> None:
    """If it fails, `penstock run | head -1` ends the run, or misreports how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", "toy.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 0, errors
    assert errors == b""
    (run,) = json.loads(penstock("runs", "list", "--json").stdout)
    assert run["state"] == "complete"
