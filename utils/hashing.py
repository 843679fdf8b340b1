# SPDX-License-Identifier: Apache-2.0
"""Content digests: what makes two payloads, or two values, the same.

All digests are SHA-256 as 64 hexadecimal characters.

======================  =============================================================
`digest_bytes`          of the bytes: what `sha256sum` prints
`digest_file`           of the file's bytes: what `sha256sum` prints
`digest_tree`           of the sorted list of (path below the folder, size, file digest);
                        names of folders, times, owners and the folder's own place do not
                        count, and empty folders (which object stores cannot hold) neither
`digest_json`           of the canonical bytes of a JSON value (see `canonical_json`)
======================  =============================================================

`TREE_VERSION` and `JSON_VERSION` are part of what is hashed. Raise one whenever its
algorithm changes: old digests are then never equal to new ones by accident.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import storage
from .canonical_json import encode
from .errors import StorageError
from .storage_errors import storage_errors

if TYPE_CHECKING:
    import sqlite3

TREE_VERSION = b"penstock-tree-1\n"
JSON_VERSION = b"penstock-json-1\n"

_BUFFER = 1 << 20
#: Below this size threads cost more than they save.
_PARALLEL_BYTES = 8 << 20
#: A file changed more recently than this may change again within one tick of its clock.
_SETTLED_NS = 2_000_000_000


def digest_bytes(data: bytes) -> str:
    """Digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Digest of a JSON value; different values have different digests.

    Raises:
        FingerprintError: The value, or something inside it, is not JSON.
    """
    return hashlib.sha256(JSON_VERSION + encode(value)).hexdigest()


def digest_file(uri: str | os.PathLike[str]) -> str:
    """Digest of a file's content, read in pieces of 1 MiB.

    Raises:
        StorageError: The file cannot be read.
    """
    whole = hashlib.sha256()
    buffer = bytearray(_BUFFER)
    view = memoryview(buffer)
    with storage_errors(uri, "read"):
        if storage.is_local(uri):
            with open(storage.local_path(uri), "rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    whole.update(view[:count])
        else:
            with storage.open_file(uri) as remote:
                while piece := remote.read(_BUFFER):
                    whole.update(piece)
    return whole.hexdigest()


def digest_tree(uri: str | os.PathLike[str]) -> str:
    """Digest of everything below a folder; of a file, that of a tree with one nameless file.

    Raises:
        StorageError: There is nothing at `uri`, or it cannot be read.
    """
    return _digest_tree(uri, digest_file)


def _digest_tree(uri: str | os.PathLike[str], digest: Callable[[str], str]) -> str:
    if not storage.is_dir(uri):
        return digest_entries([("", storage.file_size(uri), digest(os.fspath(uri)))])
    files = storage.list_files(uri)
    locations = [storage.join(uri, file.path) for file in files]
    if len(files) > 1 and sum(file.size for file in files) > _PARALLEL_BYTES:
        # Imported here: most folders are small, and a light process stays light.
        from concurrent.futures import ThreadPoolExecutor

        # OpenSSL lets go of the interpreter lock while it hashes.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            digests = list(pool.map(digest, locations))
    else:
        digests = [digest(location) for location in locations]
    return digest_entries(
        (file.path, file.size, found) for file, found in zip(files, digests, strict=True)
    )


def digest_entries(entries: Iterable[tuple[str, int, str]]) -> str:
    """Digest of (relative path, size in bytes, content digest) of files, in any order."""
    whole = hashlib.sha256(TREE_VERSION)
    encoded = [
        (path.encode("utf-8", "surrogateescape"), size, digest) for path, size, digest in entries
    ]
    for path, size, digest in sorted(encoded):
        # The path's length comes first, so that no path can imitate what follows it.
        whole.update(b"%d:%b %d %b\n" % (len(path), path, size, digest.encode()))
    return whole.hexdigest()


class FileDigestCache:
    """Content digests of files, hashed again only where a file may have changed.

    A file whose size, modification time, change time and inode are those of the last time
    is not read again. A file modified within two seconds of being hashed is not remembered:
    it could change again without its times showing it. The digests lie in a small SQLite
    file that any number of processes may use at once; one that is damaged, locked or not
    writable costs time, never a wrong answer.

    Args:
        path: Where the cache is kept; None keeps it in memory.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else os.fspath(path)
        self._memory: dict[str, tuple[str, str]] = {}

    def digest(self, uri: str | os.PathLike[str]) -> str:
        """Digest of the file at `uri`, or of the tree where it is a folder.

        Raises:
            StorageError: There is nothing at `uri`, it cannot be read, or it keeps changing
                while being read.
        """
        return self.digest_tree(uri) if storage.is_dir(uri) else self.digest_file(uri)

    def digest_tree(self, uri: str | os.PathLike[str]) -> str:
        """`digest_tree`, with each file's digest looked up first."""
        return _digest_tree(uri, self.digest_file)

    def digest_file(self, uri: str | os.PathLike[str]) -> str:
        """`digest_file`, looked up first.

        Raises:
            StorageError: The file cannot be read, or keeps changing while being read.
        """
        local = storage.is_local(uri)
        key = os.path.realpath(storage.local_path(uri)) if local else os.fspath(uri)
        for _ in range(3):
            state, settled = self._state(key, local)
            known = self._lookup(key, state)
            if known is not None:
                return known
            digest = digest_file(key)
            if self._state(key, local)[0] == state:
                if settled:
                    self._store(key, state, digest)
                return digest
        raise StorageError(
            f"{os.fspath(uri)} keeps changing while it is read",
            fix="wait until whatever writes it is done, then run again",
        )

    def _state(self, key: str, local: bool) -> tuple[str, bool]:
        """(what would differ if the file had changed, whether that can be relied on)."""
        if not local:
            return f"remote {storage.remote_version(key)}", True
        now = time.time_ns()
        with storage_errors(key, "look at"):
            found = os.stat(key)
        state = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
        # A time in the future (a clock set back) is not settled either.
        return state, now - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED_NS

    def _lookup(self, key: str, state: str) -> str | None:
        row = self._memory.get(key)
        if row is None and self._path is not None:
            row = self._read_row(key)
        if row is None or row[0] != state or not _is_digest(row[1]):
            return None
        self._memory[key] = row
        return row[1]

    def _store(self, key: str, state: str, digest: str) -> None:
        self._memory[key] = (state, digest)
        if self._path is None:
            return
        import sqlite3

        for attempt in range(2):
            try:
                with _Database(self._path) as database:
                    database.execute(
                        "INSERT OR REPLACE INTO file_digests VALUES (?, ?, ?)", (key, state, digest)
                    )
                return
            except sqlite3.OperationalError:
                # Locked for long, full or read-only: the digest is right without being kept.
                return
            except (sqlite3.DatabaseError, OSError):
                if attempt:
                    return
                with suppress(OSError):
                    os.unlink(self._path)

    def _read_row(self, key: str) -> tuple[str, str] | None:
        assert self._path is not None
        import sqlite3

        if not os.path.exists(self._path):
            return None
        try:
            with _Database(self._path) as database:
                row = database.execute(
                    "SELECT state, digest FROM file_digests WHERE path = ?", (key,)
                ).fetchone()
        except (sqlite3.Error, OSError):
            return None
        return (str(row[0]), str(row[1])) if row else None


class _Database:
    """A connection with one transaction, closed at the end (sqlite3's own stays open)."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        import sqlite3

        os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
        self._connection = sqlite3.connect(self._path, timeout=5.0)
        try:
            # No waiting for the disk: a file damaged by a power cut is noticed and replaced.
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS file_digests "
                "(path TEXT PRIMARY KEY, state TEXT NOT NULL, digest TEXT NOT NULL)"
            )
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                self._connection.commit()
        finally:
            self._connection.close()


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
