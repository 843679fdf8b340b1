# SPDX-License-Identifier: Apache-2.0
"""A push killed at any moment leaves readers with whole versions only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.components.push.version_directory import VersionDirectory

FILES = 12

#: Publishes a folder, and kills its own process at the n-th time it touches the destination.
SCRIPT = """
import os, signal, sys
from penstock.components.push.version_directory import VersionDirectory
source, base, fatal = sys.argv[1], sys.argv[2], int(sys.argv[3])
touched = 0
def watch(event, arguments):
    global touched
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir"):
        if any(str(each).startswith(base) for each in arguments if isinstance(each, str)):
            touched += 1
            if touched == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
VersionDirectory(base).publish(source)
print(touched)
"""


def make_source(folder: Path, letter: str) -> Path:
    """A folder in which every file holds the same letter."""
    (folder / "variables").mkdir(parents=True)
    for number in range(FILES):
        place = folder / "variables" if number % 2 else folder
        (place / f"part{number}").write_text(letter * 20_000)
    return folder


def letters(version: Path) -> set[str]:
    """The letters that a version's files hold; fails where the version is not whole."""
    files = [path for path in version.rglob("*") if path.is_file()]
    assert len(files) == FILES
    texts = [path.read_text() for path in files]
    assert {len(text) for text in texts} == {20_000}
    return {text[0] for text in texts} | {text[-1] for text in texts}


def run_push(source: Path, base: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    """Pushes in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, str(source), str(base), str(fatal)]
    return subprocess.run(command, capture_output=True, text=True)


class Reader(threading.Thread):
    """Looks at the newest version again and again, as a model server does."""

    def __init__(self, base: Path) -> None:
        super().__init__(daemon=True)
        self.base = base
        self.stop = threading.Event()
        self.seen: set[str] = set()
        self.faults: list[str] = []

    def run(self) -> None:
        """Reads until told to stop."""
        while not self.stop.is_set():
            names = [name for name in os.listdir(self.base) if name.isdigit()]
            if names:
                try:
                    found = letters(self.base / max(names, key=int))
                    self.seen |= found
                    if len(found) != 1:
                        self.faults.append(f"mixed: {found}")
                except (AssertionError, OSError) as error:
                    self.faults.append(repr(error))
            time.sleep(0.001)


@pytest.mark.kill
@pytest.mark.slow
def test_push_killed_anywhere_shows_old_or_new(tmp_path: Path) -> None:
    """A server would load half a model after a crash or an eviction."""
    sources = [make_source(tmp_path / letter, letter) for letter in "ab"]
    base = tmp_path / "serving"
    base.mkdir()
    whole = run_push(sources[0], base, 0)
    assert whole.returncode == 0, whole.stderr
    touches = int(whole.stdout)
    assert touches > 30
    reader = Reader(base)
    reader.start()
    turn = 1
    for fatal in range(2, touches, max(1, touches // 14)):
        source = sources[turn % 2]
        before = VersionDirectory(str(base)).versions()
        killed = run_push(source, base, fatal)
        assert killed.returncode == -signal.SIGKILL, f"touch {fatal}: {killed.stderr}"
        after = VersionDirectory(str(base)).versions()
        assert after[: len(before)] == before and len(after) - len(before) <= 1
        for version in after:
            assert len(letters(base / str(version))) == 1
        # The next push finishes the work and clears what the dead one left.
        finished = VersionDirectory(str(base)).publish(str(source))
        assert letters(Path(finished.path)) == {source.name}
        assert not [name for name in os.listdir(base) if name.startswith(".tmp")]
        turn += 1
    reader.stop.set()
    reader.join(10)
    assert reader.faults == []
    assert reader.seen == {"a", "b"}


@pytest.mark.slow
def test_pushers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Two pipelines that push to one folder would lose or mix versions."""
    sources = [make_source(tmp_path / letter, letter) for letter in "abcd"]
    base = tmp_path / "serving"
    commands = [[sys.executable, "-c", SCRIPT, str(s), str(base), "0"] for s in sources]
    running = [subprocess.Popen(c, stdout=subprocess.DEVNULL) for c in commands]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    found = VersionDirectory(str(base)).versions()
    assert len(found) == 4
    assert set.union(*(letters(base / str(version)) for version in found)) == set("abcd")
