# SPDX-License-Identifier: Apache-2.0
"""Mistakes that everyone makes once: the message says what to do, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.csv_project import write_csv_project

import penstock

NODES = {"CsvExampleGen", "greet", "fill", "tell"}


@dataclass
class Project:
    """A folder with a pipeline, and the command line in it."""

    folder: Path

    def penstock(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command line, which must never show a traceback."""
        answer = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(penstock.__file__).parents[1]),
                # An edit within the second that keeps a file's size escapes Python's own cache.
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in answer.stdout + answer.stderr
        return answer

    def run(self, *options: str) -> dict[str, str]:
        """Runs the pipeline, which must succeed; the state of each node."""
        answer = self.penstock("run", *options, "--json")
        assert answer.returncode == 0, answer.stderr
        return {each["node"]: each["state"] for each in json.loads(answer.stdout)["nodes"]}

    def resume(self, said: str) -> dict[str, str]:
        """Does what the last line of a message offers; the state of each node."""
        words = shlex.split(said.splitlines()[-1])
        assert words[:4] == ["python", "-m", "penstock", "run"], said
        return self.run(*words[4:])

    @contextlib.contextmanager
    def mistake(self, name: str, right: str, wrong: str) -> Iterator[int]:
        """Replaces a text in a file, for the block; the number of the line that it is in."""
        path = self.folder / name
        before = path.read_text()
        assert before.count(right) == 1
        path.write_text(before.replace(right, wrong))
        try:
            yield before[: before.index(right)].count("\n") + 1
        finally:
            path.write_text(before)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which nothing has run yet."""
    write_csv_project(tmp_path)
    return Project(tmp_path)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose pipeline has run."""
    made = Project(tmp_path_factory.mktemp("project"))
    write_csv_project(made.folder)
    assert set(made.run().values()) == {"complete"}
    return made


@dataclass
class Wiring:
    """A mistake in `pipeline.py` that is found before anything runs.

    Attributes:
        right: What is replaced.
        wrong: With what.
        said: What the message must hold, in this order. `{line}` is the line's number.
        target: What is run.
    """

    right: str
    wrong: str
    said: list[str] = field(default_factory=list)
    target: str = "pipeline.py"


WIRING = {
    "wrong artifact type": Wiring(
        'table=filled.outputs["table"]',
        'table=greeted.outputs["text"]',
        ["tell: input 'table' has the wrong artifact type", "expected: Examples",
         "got: Schema, which is greet.text", "at: pipeline.py:{line}", "to mend it: pass"],
    ),
    "wrong output of the right node": Wiring(
        'examples=transform.outputs["transformed_examples"]',
        'examples=transform.outputs["transform_graph"]',
        ["Trainer: input 'examples' has the wrong artifact type", "expected: Examples",
         "got: TransformGraph, which is Transform.transform_graph",
         "did you mean: Transform.transformed_examples"],
        "pipeline.py:create_model",
    ),
    "misspelt argument": Wiring(
        'fill(examples=read',
        'fill(exampels=read',
        ["fill: unknown argument 'exampels'", "expected: examples, megabytes",
         "did you mean: examples", "at: pipeline.py:{line}"],
    ),
    "misspelt output": Wiring(
        'table=filled.outputs["table"]',
        'table=filled.outputs["tabel"]',
        ["fill: there is no output 'tabel'", "expected: table", "did you mean: table",
         "at: pipeline.py:{line}"],
    ),
    "cycle": Wiring(
        '    return Pipeline("small"',
        '    filled.add_upstream_nodes([told])\n    return Pipeline("small"',
        ["the nodes of pipeline 'small' wait for each other in a circle",
         "got: fill -> tell -> fill", "at: pipeline.py:", "to mend it: remove one of these"],
    ),
    "missing module file": Wiring(
        'module_file="features.py"',
        'module_file="featurs.py"',
        ["Transform: there is no module file featurs.py", "did you mean: features.py",
         "at: pipeline.py:", "to mend it: relative paths start at the current folder"],
        "pipeline.py:create_model",
    ),
}  # fmt: skip


def assert_says(text: str, said: list[str]) -> None:
    """Fails unless a message holds some texts, in their order; several spaces count as one."""
    plain = " ".join(text.split())
    place = 0
    for part in said:
        assert part in plain[place:], f"{part!r} is not said in its place:\n{text}"
        place = plain.index(part, place) + len(part)


@pytest.mark.parametrize("mistake", WIRING.values(), ids=WIRING.keys())
def test_mistaken_wiring_is_explained_before_anything_runs(
    settled: Project, mistake: Wiring
) -> None:
    """If it fails, a slip in the pipeline's file costs a newcomer an afternoon."""
    with settled.mistake("pipeline.py", mistake.right, mistake.wrong) as line:
        answer = settled.penstock("run", mistake.target)
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.startswith("error: ")
    assert_says(answer.stderr, [part.format(line=line) for part in mistake.said])
    assert answer.stdout == "", "something ran"
    assert settled.run() == dict.fromkeys(NODES, "cached")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("fill.megabyte=1", ["fill: there is no parameter 'megabyte'", "did you mean: megabytes"]),
        ("fil.megabytes=1", ["'fil.megabytes'", "did you mean: fill.megabytes"]),
        ("fill.megabytes=few", ["'megabytes' has the wrong type", "expected: int", "got: 'few'"]),
    ],
)
def test_mistaken_setting_is_explained(settled: Project, setting: str, said: list[str]) -> None:
    """If it fails, a misspelt `--set` runs the pipeline with the default."""
    answer = settled.penstock("run", "--set", setting)
    assert answer.returncode == 2
    assert_says(answer.stderr, [*said, f"at: --set {setting}"])
    assert settled.run() == dict.fromkeys(NODES, "cached")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("0.48,b,0,1\n", ["a record has too many cells", "expected: 3 cells", "got: 4 cells"]),
        ("0.48,b\n", ["a record has too few cells", "expected: 3 cells", "got: 2 cells"]),
    ],
    ids=["too many", "too few"],
)
def test_ragged_row_is_named(project: Project, wrong: str, said: list[str]) -> None:
    """If it fails, one has to look for one row among millions."""
    rows = (project.folder / "data.csv").read_text().splitlines(keepends=True)
    with project.mistake("data.csv", "".join(rows[200:203]), f"{rows[200]}{wrong}{rows[202]}"):
        answer = project.penstock("run")
    assert answer.returncode == 1
    assert_says(answer.stderr, [*said, f"at: {project.folder}/data.csv:202", "to mend it:",
                                "CsvExampleGen failed", "log:"])  # fmt: skip
    assert answer.stderr.count(said[0]) == 1, "it is said again and again"
    assert project.resume(answer.stderr) == {
        "CsvExampleGen": "complete", "greet": "cached", "fill": "complete", "tell": "complete",
    }  # fmt: skip


@pytest.mark.heavy
@pytest.mark.slow
def test_mistakes_in_model_code_are_shown_where_they_were_made(project: Project) -> None:
    """If it fails, the cause is to be looked for under a hundred lines of TensorFlow."""
    target = "pipeline.py:create_model"
    with project.mistake("features.py", "tft.scale_to_z_score", "tft.scale_to_zscore") as line:
        raised = project.penstock("run", target)
    assert raised.returncode == 1
    first, second, third, *_ = raised.stderr.splitlines()[1:]
    assert first.startswith("AttributeError: ") and "scale_to_zscore" in first
    assert second == f"  at features.py:{line} in scaled"
    assert third == "  called from features.py:5 in preprocessing_fn"
    assert_says(raised.stderr, ["Transform failed", "log:", "to go on where it stopped:"])

    with project.mistake("pipeline.py", '"label_key": "label"', '"label_key": "lable"'):
        resumed = project.penstock(*shlex.split(raised.stderr.splitlines()[-1])[3:])
    assert resumed.returncode == 1
    assert_says(
        resumed.stderr,
        ["there is no label column 'lable'", "expected: x, kind, label", "did you mean: label",
         "at: pipeline.py:", "to mend it: correct eval_config", "Evaluator failed"],
    )  # fmt: skip
    assert "2 ran, 3 reused, 1 failed" in resumed.stderr

    states = project.resume(resumed.stderr)
    assert {name for name, state in states.items() if state == "complete"} == {"Evaluator"}


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own, for the block; skips where one may not mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("this machine has no `mount`")
    if made.returncode != 0:
        pytest.skip(f"mounting a file system is not permitted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_that_fills_up_is_explained(project: Project) -> None:
    """If it fails, a full disk looks like a defect, or costs what was there before."""
    with mounted(project.folder / "disk", "size=8m") as disk:
        words = ["--root", str(disk / "root"), "--set", "fill.megabytes=20"]
        answer = project.penstock("run", *words)
        assert answer.returncode == 1
        assert_says(
            answer.stderr,
            ["the disk is full", f"free at {disk}", f"to mend it: free space on {disk}",
             "fill failed"],
        )  # fmt: skip
        assert list(disk.glob("root/fill/table/*")) == [], "what cannot be used fills the disk"
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        assert project.resume(answer.stderr) == {
            "CsvExampleGen": "cached", "greet": "cached", "fill": "complete", "tell": "complete",
        }  # fmt: skip


def test_disk_without_room_for_a_record_is_explained(project: Project) -> None:
    """If it fails, a run that cannot even be recorded says something else, or spoils the store."""
    with mounted(project.folder / "disk", "size=8m") as disk:
        words = ["--root", str(disk / "root")]
        assert set(project.run(*words).values()) == {"complete"}
        with contextlib.suppress(OSError), open(disk / "film", "wb", buffering=0) as film:
            while film.write(bytes(4096)):
                pass
        answer = project.penstock("run", *words, "--no-cache")
        assert answer.returncode in (1, 2), answer.stderr
        assert_says(answer.stderr, ["disk is full", "at:", str(disk), "to mend it: make room"])
        assert answer.stderr.count("disk is full") == 1, "it is said again and again"
        (disk / "film").unlink()
        assert project.run(*words) == dict.fromkeys(NODES, "cached")


def test_file_in_place_of_the_root_is_explained(project: Project) -> None:
    """If it fails, a root that cannot be made looks like a defect."""
    (project.folder / "place").write_text("")
    answer = project.penstock("run", "--root", "place/root")
    assert answer.returncode == 2
    assert_says(
        answer.stderr,
        ["cannot create", "a file is in the way", "expected: a folder",
         f"got: a file at {project.folder}/place", "to mend it: move or delete that file"],
    )  # fmt: skip
    (project.folder / "place").unlink()
    assert set(project.run("--root", "place/root").values()) == {"complete"}


def test_root_that_may_only_be_read_is_explained(project: Project) -> None:
    """If it fails, a read-only disk looks like a defect."""
    with mounted(project.folder / "disk", "size=8m,ro") as disk:
        answer = project.penstock("run", "--root", str(disk / "root"))
        assert answer.returncode == 2
        assert_says(
            answer.stderr,
            ["cannot create", "mounted read-only", f"got: read-only mount at {disk}",
             "to mend it: choose a folder on a writable disk"],
        )  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_root_that_belongs_to_someone_else_is_explained(project: Project) -> None:
    """If it fails, one is not told whose folder it is."""
    folder = project.folder / "theirs"
    folder.mkdir(mode=0o555)
    answer = project.penstock("run", "--root", str(folder / "root"))
    assert answer.returncode == 2
    assert_says(
        answer.stderr,
        ["cannot create", "permission denied", f"got: folder {folder} belongs to", "to mend it:"],
    )
