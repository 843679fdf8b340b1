# SPDX-License-Identifier: Apache-2.0
"""`penstock migrate`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock.cli import cli

PIPELINE = """\
from tfx import v1 as tfx  # the line

gen = tfx.components.CsvExampleGen(input_base="data")
slow = tfx.extensions.google_cloud_big_query.BigQueryExampleGen(query="select 1")
"""


def migrate(*words: str) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(cli, ["migrate", *words], prog_name="penstock")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of TFX, as the current folder."""
    monkeypatch.chdir(tmp_path)
    for path, text in {
        "pipeline.py": PIPELINE,
        "old.py": "print 'tfx'\nfrom tfx import v1\n",
        "plain.py": "import os\n",
        "latin.py": "# -*- coding: latin-1 -*-\nfrom tfx import v1 as tfx\nx = 'ä'\n",
        "models/trainer.py": "from tfx.components import FnArgs\n",
        ".venv/pyvenv.cfg": "",
        ".venv/lib/x.py": "import tfx\n",
        "env3/pyvenv.cfg": "",
        "env3/x.py": "import tfx\n",
        "requirements.txt": "# tfx is old\ntfx[kfp]==1.16.0\ntfx-bsl\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("latin-1" if path == "latin.py" else "utf-8"))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """What all files hold."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_change_is_shown_and_not_made(project: Path) -> None:
    """Files change without --write, or the diff is none that `patch` could apply."""
    before = contents(project)
    shown = migrate()
    assert shown.exit_code == 0, shown.output
    assert contents(project) == before
    patch, _, _ = shown.stdout.partition("\nneeds a hand")
    assert "-from tfx import v1 as tfx  # the line" in patch
    assert "+from penstock import tfx  # the line" in patch
    latin = "".join(part for part in patch.split("--- ") if not part.startswith("a/./latin.py"))
    assert latin
    applied = subprocess.run(
        ["git", "apply", "--check", "-"], input=patch.encode(), capture_output=True, check=False
    )
    assert applied.returncode == 0 or b"latin.py" in applied.stderr, applied.stderr
    assert "nothing was written" in shown.stderr
    assert "penstock migrate . --write" in shown.stderr


def test_what_needs_a_hand_is_listed(project: Path) -> None:
    """What has no equal is not told with its place and what to do."""
    told = migrate(".").stdout
    assert "./pipeline.py:4: tfx.extensions.google_cloud_big_query.BigQueryExampleGen" in told
    assert "instead: SqlExampleGen" in told
    assert "./old.py: left as it is: it does not parse: line 1" in told
    assert "./requirements.txt:2: the requirement tfx" in told
    assert "requirements.txt:1" not in told and "requirements.txt:3" not in told


def test_writing_changes_the_imports_only(project: Path) -> None:
    """--write changes more than imports, or files it should pass over, or again and again."""
    before = contents(project)
    os.chmod(project / "pipeline.py", 0o750)
    written = migrate("--write")
    assert written.exit_code == 0 and "3 files changed" in written.stderr, written.output
    after = contents(project)
    assert {name for name in after if after[name] != before.get(name)} == {
        "pipeline.py", "latin.py", "models/trainer.py",
    }  # fmt: skip
    assert after.keys() == before.keys(), "something was left lying about"
    line = b"from tfx import v1 as tfx"
    assert after["pipeline.py"] == before["pipeline.py"].replace(line, b"from penstock import tfx")
    assert after["latin.py"] == before["latin.py"].replace(line, b"from penstock import tfx")
    assert stat.S_IMODE((project / "pipeline.py").stat().st_mode) == 0o750
    again = migrate("--write", "--diff")
    assert "0 files changed" in again.stderr and "---" not in again.stdout
    assert contents(project) == after


def test_answers_for_scripts(project: Path) -> None:
    """The JSON lacks a file, a finding or why one was refused."""
    answered = {each["file"]: each for each in json.loads(migrate("--json").stdout)}
    assert answered["./old.py"]["refused"].startswith("it does not parse")
    found = answered["./pipeline.py"]
    assert (found["changed"], found["written"]) == (True, False)
    assert [each["line"] for each in found["findings"]] == [4]
    assert "./plain.py" not in answered


def test_nothing_there(project: Path) -> None:
    """A path that does not exist is a traceback."""
    told = migrate("nowhere")
    assert told.exit_code == 2 and "nothing to migrate" in told.stderr, told.output
    assert "there is nothing to move" in migrate("plain.py").stderr


def test_copied_examples_import_each_other(project: Path) -> None:
    """If it fails, a folder of TFX's examples does not run once it is moved."""
    folder = project / "penguin"
    folder.mkdir()
    (folder / "penguin_base.py").write_text("KEY = 1\n")
    (folder / "module.py").write_text(
        "from tfx.examples.penguin import penguin_base as base\n"
        "from tfx.examples.penguin.penguin_base import KEY\n"
        "from tfx.examples.penguin import elsewhere\n"
        "print(base.KEY)\n"
    )
    result = migrate("penguin", "--write")
    assert (folder / "module.py").read_text() == (
        "import penguin_base as base\n"
        "from penguin_base import KEY\n"
        "from penstock.tfx.examples.penguin import elsewhere\n"
        "print(base.KEY)\n"
    )
    assert "module.py:3" in result.output and "1 place needs a hand" in result.output
    assert "copy the file into the project" in result.output
