# SPDX-License-Identifier: Apache-2.0
"""Which commit a file belongs to, compared with what Git itself says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.utils.git_commit import commit_of


def git(folder: Path, *words: str) -> str:
    """What a Git command prints."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", *identity, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_commit_is_the_one_that_git_names(tmp_path: Path) -> None:
    """If it fails, a run is said to be of code that it was not."""
    project = tmp_path / "project"
    (project / "below").mkdir(parents=True)
    file = project / "below" / "pipeline.py"
    git(project, "init", "-q", "-b", "main")
    assert commit_of(str(file)) == ""  # Nothing is committed yet.
    git(project, "commit", "-q", "--allow-empty", "-m", "one")
    one = git(project, "rev-parse", "HEAD").strip()
    assert commit_of(str(file)) == one
    git(project, "commit", "-q", "--allow-empty", "-m", "two")
    git(project, "pack-refs", "--all")
    two = git(project, "rev-parse", "HEAD").strip()
    assert commit_of(str(file)) == two != one
    git(project, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"), one)
    assert commit_of(str(tmp_path / "tree" / "pipeline.py")) == one
    git(project, "checkout", "-q", one)
    assert commit_of(str(file)) == one


def test_where_there_is_no_repository_there_is_no_commit(tmp_path: Path) -> None:
    """If it fails, a run fails for want of Git, or an environment counts as the project."""
    head = tmp_path / ".git" / "HEAD"
    head.parent.mkdir()
    head.write_text("ref: refs/heads/gone\n")
    assert commit_of(str(tmp_path / "pipeline.py")) == ""
    head.write_text("a" * 40 + "\n")
    assert commit_of(str(tmp_path / "pipeline.py")) == "a" * 40
    inside = tmp_path / ".venv" / "lib" / "site-packages" / "package" / "pipeline.py"
    assert commit_of(str(inside)) == ""
    head.write_text("damaged")
    assert commit_of(str(tmp_path / "pipeline.py")) == ""
