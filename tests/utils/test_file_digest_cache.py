# SPDX-License-Identifier: Apache-2.0
"""The cache of file digests: fast, and never wrong."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from penstock.utils import hashing, storage
from penstock.utils.errors import StorageError
from penstock.utils.hashing import FileDigestCache, digest_bytes, digest_tree


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was written long ago, as the cache sees it: the clock is set forward."""
    now = time.time_ns()
    monkeypatch.setattr(hashing.time, "time_ns", lambda: now + 3_600_000_000_000)
    (tmp_path / "f").write_bytes(b"one")
    return tmp_path / "f"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were really read."""
    found: list[str] = []
    original = hashing.digest_file

    def counting(uri: str) -> str:
        found.append(os.fspath(uri))
        return original(uri)

    monkeypatch.setattr(hashing, "digest_file", counting)
    return found


def test_unchanged_file_is_read_once(settled: Path, tmp_path: Path, reads: list[str]) -> None:
    """Large inputs must not be hashed for every run."""
    cache = tmp_path / "cache" / "digests.db"
    for _ in range(3):
        for again in (FileDigestCache(cache), FileDigestCache(cache)):
            assert again.digest(settled) == digest_bytes(b"one")
    assert len(reads) == 1


@pytest.mark.parametrize("restore_time", [False, True])
def test_changed_file_is_read_again(settled: Path, reads: list[str], restore_time: bool) -> None:
    """Even where size and modification time were restored (as `cp -p` and `rsync -t` do)."""
    cache = FileDigestCache()
    before = os.stat(settled)
    assert cache.digest(settled) == digest_bytes(b"one")
    time.sleep(0.02)
    settled.write_bytes(b"two")
    if restore_time:
        os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.digest(settled) == digest_bytes(b"two")
    assert len(reads) == 2


def test_fresh_file_is_not_trusted(tmp_path: Path) -> None:
    """Two writes of equal size within one tick of the clock look alike."""
    cache = FileDigestCache(tmp_path / "digests.db")
    for number in range(20):
        (tmp_path / "f").write_bytes(b"%02d" % number)
        assert cache.digest(tmp_path / "f") == digest_bytes(b"%02d" % number)


def test_file_from_the_future_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    """A clock that was set back must not freeze a digest."""
    (tmp_path / "f").write_bytes(b"one")
    monkeypatch.setattr(hashing.time, "time_ns", lambda: 0)
    cache = FileDigestCache()
    cache.digest(tmp_path / "f")
    cache.digest(tmp_path / "f")
    assert len(reads) == 2


def test_folders(settled: Path, tmp_path: Path, reads: list[str]) -> None:
    """A folder's digest is made of its files', each looked up."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(name.encode())
    cache = FileDigestCache()
    assert cache.digest(folder) == digest_tree(folder)
    reads.clear()
    assert cache.digest(folder) == cache.digest_tree(folder)
    assert reads == []


def test_remote_file_by_what_its_store_says(reads: list[str]) -> None:
    """Object stores know a file's version without it being read."""
    cache = FileDigestCache()
    uri = f"memory://{uuid.uuid4().hex}/f"
    storage.write_bytes_atomic(uri, b"one")
    assert cache.digest(uri) == cache.digest(uri) == digest_bytes(b"one")
    assert len(reads) == 1
    storage.write_bytes_atomic(uri, b"two")
    assert cache.digest(uri) == digest_bytes(b"two")


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "schema", "value", "folder"])
def test_damaged_cache_costs_time_only(settled: Path, tmp_path: Path, damage: str) -> None:
    """A damaged cache must never give a wrong digest, nor stop a run."""
    path = tmp_path / "digests.db"
    FileDigestCache(path).digest(settled)
    if damage == "text":
        path.write_text("not a database, but long enough to be taken for one" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:1500])
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        with sqlite3.connect(path) as database:
            if damage == "schema":
                database.execute("DROP TABLE file_digests")
                database.execute("CREATE TABLE file_digests (other)")
            else:
                database.execute("UPDATE file_digests SET digest = 'not a digest'")
        database.close()
    for _ in range(2):
        assert FileDigestCache(path).digest(settled) == digest_bytes(b"one")


def test_cache_recovers_from_damage(settled: Path, tmp_path: Path, reads: list[str]) -> None:
    """After damage the cache must begin anew, not stay useless for ever."""
    path = tmp_path / "digests.db"
    path.write_text("not a database" * 200)
    FileDigestCache(path).digest(settled)
    FileDigestCache(path).digest(settled)
    assert len(reads) == 1


def test_many_processes_share_a_cache(tmp_path: Path) -> None:
    """Pipelines run side by side on one machine."""
    for number in range(20):
        (tmp_path / f"f{number}").write_bytes(b"%d" % number)
        os.utime(tmp_path / f"f{number}", (1, 1))
    script = (
        "import sys, time; from penstock.utils import hashing;"
        "now = time.time_ns(); hashing.time.time_ns = lambda: now + 10**13;"
        "c = hashing.FileDigestCache(sys.argv[1] + '/digests.db');"
        "print([c.digest(f'{sys.argv[1]}/f{n}')[:8] for n in range(20)])"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0] for process in started}
    assert all(process.returncode == 0 for process in started)
    assert answers == {f"{[digest_bytes(b'%d' % n)[:8] for n in range(20)]}\n".encode()}
    with sqlite3.connect(tmp_path / "digests.db") as database:
        assert database.execute("SELECT count(*) FROM file_digests").fetchone() == (20,)
    database.close()


def test_missing_file(tmp_path: Path) -> None:
    """An input that is not there is an error, not an empty digest."""
    with pytest.raises(StorageError, match="does not exist"):
        FileDigestCache().digest(tmp_path / "absent")


def test_file_that_keeps_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest of a half-written file would be stored as the truth."""
    file = tmp_path / "f"
    file.write_bytes(b"")
    original = hashing.digest_file

    def growing(uri: str) -> str:
        digest = original(uri)
        with open(file, "ab") as opened:
            opened.write(b"x")
        return digest

    monkeypatch.setattr(hashing, "digest_file", growing)
    with pytest.raises(StorageError, match="keeps changing"):
        FileDigestCache().digest(file)
