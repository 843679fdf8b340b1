# SPDX-License-Identifier: Apache-2.0
"""Which commit of a Git repository a file belongs to, read from Git's own files.

No process is started. Whether the files differ from the commit is not looked at: that would
cost a look at all of them. See https://git-scm.com/docs/gitrepository-layout.
"""

from __future__ import annotations

import os
import re

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: What is installed is no part of the repository in whose folder it happens to lie.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def commit_of(path: str) -> str:
    """The commit that is checked out where a file lies; empty where there is none to be found."""
    folder = os.path.dirname(os.path.abspath(path))
    if _INSTALLED.intersection(folder.split(os.sep)):
        return ""
    while True:
        place = os.path.join(folder, ".git")
        if os.path.exists(place):
            return _head(_git_folder(place))
        folder, before = os.path.dirname(folder), folder
        if folder == before:
            return ""


def _git_folder(place: str) -> str:
    """`.git` itself, or the folder that it names in worktrees and submodules."""
    named = "" if os.path.isdir(place) else _text(place).removeprefix("gitdir:").strip()
    return os.path.normpath(os.path.join(os.path.dirname(place), named)) if named else place


def _head(folder: str) -> str:
    head = _text(os.path.join(folder, "HEAD"))
    name = head.removeprefix("ref:").strip()
    if name == head:
        return head if _COMMIT.fullmatch(head) else ""
    # Branches are the repository's; a worktree has no more than a HEAD of its own.
    shared = os.path.normpath(os.path.join(folder, _text(os.path.join(folder, "commondir"))))
    found = _text(os.path.join(shared, name))
    if not found:
        for line in _text(os.path.join(shared, "packed-refs")).splitlines():
            commit, _, packed = line.partition(" ")
            found = commit if packed == name else found
    return found if _COMMIT.fullmatch(found) else ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
