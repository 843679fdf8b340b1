# SPDX-License-Identifier: Apache-2.0
"""A folder of model versions, in the layout that TensorFlow Serving watches.

    <base>/1700000000/              one complete version
    <base>/1700000300/
    <base>/.tmp-1700000600-1a2b/    a version being copied; readers skip names that are
                                    no number
    <base>/.penstock/lock           held while somebody adds a version
    <base>/.penstock/1700000300.json  who pushed it, and what

A version appears by one `rename` of a folder that was copied and flushed to disk before,
so that a reader sees all of it or nothing, whenever the writer dies. See
https://www.tensorflow.org/tfx/serving/serving_config.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...utils import storage
from ...utils.storage import StoredFile
from ...utils.storage_errors import storage_errors

_TEMPORARY = ".tmp-"
#: Folder below a base that holds what is Penstock's own.
PRIVATE = ".penstock"
_CHUNK = 1 << 20

#: Called with bytes copied and bytes in all.
CopyProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Publication:
    """What `VersionDirectory.publish` did.

    Attributes:
        version: The version that now holds the content.
        path: Its folder.
        written: False where the newest version held the same content already.
        files: Number of files in it.
        bytes: Their size in all.
    """

    version: int
    path: str
    written: bool
    files: int
    bytes: int


class VersionDirectory:
    """The versions below one folder.

    Args:
        base: The folder; created by the first `publish`.

    Raises:
        StorageError: The folder is not on this machine.
    """

    def __init__(self, base: str) -> None:
        self.base = os.path.abspath(os.path.expanduser(storage.local_path(base)))

    def versions(self) -> list[int]:
        """Numbers of the complete versions, lowest first."""
        try:
            entries = list(os.scandir(self.base))
        except FileNotFoundError:
            return []
        return sorted(int(e.name) for e in entries if is_version(e.name) and e.is_dir())

    def path(self, version: int) -> str:
        """Folder of one version."""
        return os.path.join(self.base, str(version))

    def record(self, version: int) -> dict[str, Any]:
        """What was noted when a version was pushed; empty where it came another way."""
        try:
            with open(self._record_path(version), encoding="utf-8") as file:
                found = json.load(file)
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def publish(
        self,
        source: str,
        record: Mapping[str, Any] | None = None,
        on_progress: CopyProgress | None = None,
    ) -> Publication:
        """Makes the content of folder `source` the newest version.

        Where the newest version holds the same content already, none is added. Content is
        the same if every byte is, or if the records of both have the same `model_digest`
        (which sees through differences that mean nothing).

        Args:
            source: A folder that does not change meanwhile.
            record: JSON-compatible facts to note beside the version.
            on_progress: Told how far the copying is.

        Raises:
            StorageError: The folder cannot be written, or the disk is full.
        """
        with storage_errors(self.base, "push the model to"):
            os.makedirs(os.path.join(self.base, PRIVATE), exist_ok=True)
            with self._lock() as alone:
                if alone:
                    self._remove_leftovers()
                return self._publish(source, record or {}, on_progress)

    def _publish(
        self, source: str, record: Mapping[str, Any], on_progress: CopyProgress | None
    ) -> Publication:
        files = storage.list_files(source)
        size = sum(file.size for file in files)
        newest = max(self.versions(), default=None)
        if newest is not None and self._holds(newest, source, files, record):
            there = storage.list_files(self.path(newest))
            held = sum(file.size for file in there)
            return Publication(newest, self.path(newest), False, len(there), held)
        name = f"{_TEMPORARY}{int(time.time())}-{uuid.uuid4().hex[:8]}"
        temporary = os.path.join(self.base, name)
        try:
            _copy_tree(source, files, temporary, size, on_progress)
            version = self._reveal(temporary, record, len(files), size)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return Publication(version, self.path(version), True, len(files), size)

    def _holds(
        self, version: int, source: str, files: Sequence[StoredFile], record: Mapping[str, Any]
    ) -> bool:
        noted = self.record(version)
        digest = record.get("model_digest")
        if digest and noted.get("model_digest") == digest:
            there = storage.list_files(self.path(version))
            if (len(there), sum(f.size for f in there)) == (noted["files"], noted["bytes"]):
                return True
        return same_content(source, files, self.path(version))

    def _reveal(self, temporary: str, record: Mapping[str, Any], files: int, size: int) -> int:
        """Gives a complete copy its number."""
        while True:
            version = max(int(time.time()), max(self.versions(), default=0) + 1)
            facts = complete_record(record, version, files, size)
            # Before the version itself: a version without its record would be anybody's.
            storage.write_text_atomic(
                self._record_path(version), json.dumps(facts, indent=1, sort_keys=True)
            )
            try:
                os.rename(temporary, self.path(version))
            except OSError as error:
                # Another writer, where locks do not work, was faster with this number.
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                raise
            _flush_folder(self.base)
            return version

    def _record_path(self, version: int) -> str:
        return os.path.join(self.base, PRIVATE, f"{version}.json")

    def _remove_leftovers(self) -> None:
        """Clears away what writers left that died. Only the holder of the lock may."""
        for entry in os.scandir(self.base):
            if entry.name.startswith(_TEMPORARY):
                shutil.rmtree(entry.path, ignore_errors=True)
        existing = {f"{version}.json" for version in self.versions()}
        private = os.path.join(self.base, PRIVATE)
        for name in os.listdir(private):
            if name != "lock" and name not in existing:
                os.unlink(os.path.join(private, name))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[bool]:
        """Waits until no other writer is at work; the kernel frees a dead writer's lock.

        Gives False on file systems that know no locks. Renaming keeps readers safe there
        too; only leftovers stay, for fear that they are somebody's work in progress.
        """
        with open(os.path.join(self.base, PRIVATE, "lock"), "a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                    raise
                yield False
                return
            yield True


def copy_or_link(source: str, target: str) -> None:
    """Shows the files of folder `source` below `target` too, without copying if possible.

    Meant for files that are never written again, such as an artifact's.
    """
    here = storage.is_local(source) and storage.is_local(target)
    for file in storage.list_files(source):
        old, new = storage.join(source, file.path), storage.join(target, file.path)
        try:
            if not here:
                raise OSError(errno.EXDEV, "links do not leave a machine")
            os.makedirs(os.path.dirname(storage.local_path(new)), exist_ok=True)
            os.link(storage.local_path(old), storage.local_path(new))
        except OSError:
            # Another file system, or one without links.
            storage.copy_file(old, new)


def complete_record(
    record: Mapping[str, Any], version: int, files: int, size: int
) -> dict[str, Any]:
    """What is noted beside a version."""
    pushed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        **record,
        "version": version,
        "files": files,
        "bytes": size,
        "pushed_at": pushed_at,
    }


def is_version(name: str) -> bool:
    """Whether a folder's name is a version's number."""
    return name.isascii() and name.isdigit()


def same_content(source: str, files: Sequence[StoredFile], other: str) -> bool:
    """Whether a folder with these files has the very bytes of another one."""
    if source.rstrip("/") == other.rstrip("/"):
        return True
    return storage.list_files(other) == files and all(
        _same_bytes(storage.join(source, file.path), storage.join(other, file.path))
        for file in files
    )


def _same_bytes(one: str, other: str) -> bool:
    with storage.open_file(one) as left, storage.open_file(other) as right:
        while True:
            piece = left.read(_CHUNK)
            if piece != right.read(_CHUNK):
                return False
            if not piece:
                return True


def _copy_tree(
    source: str,
    files: Sequence[StoredFile],
    target: str,
    size: int,
    on_progress: CopyProgress | None,
) -> None:
    """Copies files and flushes everything to disk."""
    os.mkdir(target)
    done = 0
    for file in files:
        place = os.path.join(target, file.path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with storage.open_file(storage.join(source, file.path)) as reader, open(place, "xb") as to:
            while chunk := reader.read(_CHUNK):
                to.write(chunk)
                done += len(chunk)
                if on_progress:
                    on_progress(done, size)
            to.flush()
            os.fsync(to.fileno())
    for parent, _, _ in os.walk(target, topdown=False):
        _flush_folder(parent)


def _flush_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
