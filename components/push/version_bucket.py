# SPDX-License-Identifier: Apache-2.0
"""Model versions behind a URL: in a bucket, or on whatever else fsspec reaches.

    <base>/1700000300/…               the files of a version
    <base>/.penstock/1700000300.json  its marker: who pushed it, and what
    <base>/.penstock/claims/…         numbers that somebody is uploading under

Object stores have no rename and no lock, so a version's files appear one by one. What makes a
version whole is its marker, which is written last, in one upload: whoever goes by the
markers, as everything of Penstock does, sees all of a version or nothing, whenever the writer
dies. A server that only lists folders sees the number earlier; for its sake the file by which
a model is loaded (`saved_model.pb`, …) is uploaded after all others.
"""

from __future__ import annotations

import json
import posixpath
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...utils import storage
from ...utils.errors import StorageError
from ...utils.storage import StoredFile
from .version_directory import (
    PRIVATE,
    CopyProgress,
    Publication,
    complete_record,
    is_version,
    same_content,
)

_CLAIMS = "claims"

#: Files by which loaders recognise a model; they are uploaded last.
_ENTRIES = frozenset(
    {"saved_model.pb", "model.keras", "model.skops", "model.json", "model.ubj", "model.pt2",
     "model.safetensors"}
)  # fmt: skip

#: After this many seconds an upload without a marker is taken for abandoned, and deleted.
_ABANDONED_S = 24 * 3600.0


class VersionBucket:
    """The versions below one URL.

    Args:
        base: The URL.
    """

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    def versions(self) -> list[int]:
        """Numbers of the complete versions, lowest first."""
        _forget_listings(self.base)
        marked = {
            int(name.removesuffix(".json"))
            for name in self._private_files()
            if name.endswith(".json") and is_version(name.removesuffix(".json"))
        }
        return sorted(marked & self._folders())

    def _folders(self) -> set[int]:
        names = (
            posixpath.basename(found.rstrip("/"))
            for found in storage.glob(storage.join(self.base, "*"))
        )
        return {int(name) for name in names if is_version(name)}

    def _private_files(self) -> list[str]:
        folder = storage.join(self.base, PRIVATE)
        if not storage.is_dir(folder):
            return []
        return [file.path for file in storage.list_files(folder)]

    def path(self, version: int) -> str:
        """URL of one version's folder."""
        return storage.join(self.base, str(version))

    def record(self, version: int) -> dict[str, Any]:
        """What was noted when a version was pushed; empty where it is not complete."""
        try:
            found = json.loads(storage.read_text(self._marker(version)))
        except (StorageError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _marker(self, version: int) -> str:
        return storage.join(self.base, PRIVATE, f"{version}.json")

    def publish(
        self,
        source: str,
        record: Mapping[str, Any] | None = None,
        on_progress: CopyProgress | None = None,
    ) -> Publication:
        """Makes the content of folder `source` the newest version.

        See `VersionDirectory.publish`; a writer that dies leaves files without a marker,
        which a later push deletes after a day.

        Raises:
            StorageError: The store cannot be written, or lost a file.
        """
        record = record or {}
        files = storage.list_files(source)
        size = sum(file.size for file in files)
        newest = max(self.versions(), default=None)
        if newest is not None and self._holds(newest, source, files, record):
            there = storage.list_files(self.path(newest))
            held = sum(file.size for file in there)
            return Publication(newest, self.path(newest), False, len(there), held)
        self._remove_abandoned()
        with self._claimed() as version:
            target = self.path(version)
            try:
                self._upload(source, files, target, size, on_progress)
                facts = complete_record(record, version, len(files), size)
                text = json.dumps(facts, indent=1, sort_keys=True)
                storage.write_text_atomic(self._marker(version), text)
            except BaseException:
                storage.remove_tree(target)
                raise
        return Publication(version, target, True, len(files), size)

    def _holds(
        self, version: int, source: str, files: Sequence[StoredFile], record: Mapping[str, Any]
    ) -> bool:
        noted = self.record(version)
        there = storage.list_files(self.path(version))
        digest = record.get("model_digest")
        if digest and noted.get("model_digest") == digest:
            return (len(there), sum(f.size for f in there)) == (noted["files"], noted["bytes"])
        return same_content(source, files, self.path(version))

    @contextmanager
    def _claimed(self) -> Iterator[int]:
        """A number that nobody else uploads under.

        Each writer notes its number first and looks who else did: of two that took the same,
        at least the later one sees it, and takes a higher one. That needs no more of a store
        than that what was written can be listed, as S3, GCS and Azure promise.
        """
        taken = max(self._folders() | set(self.versions()), default=0)
        version = max(int(time.time()), taken + 1)
        token = uuid.uuid4().hex
        while True:
            mine = storage.join(self.base, PRIVATE, _CLAIMS, f"{version}.{token}")
            storage.write_text_atomic(mine, str(time.time()))
            _forget_listings(self.base)
            others = [v for v, t, _ in self._claims() if v >= version and t != token]
            if not others and version not in self._folders():
                break
            storage.remove_tree(mine)
            version = max([version, *others]) + random.randint(1, 3)
        try:
            yield version
        finally:
            storage.remove_tree(mine)

    def _claims(self) -> list[tuple[int, str, str]]:
        """Number, writer's token and place of each claim."""
        found: list[tuple[int, str, str]] = []
        for path in self._private_files():
            folder, _, name = path.rpartition("/")
            number, _, token = name.partition(".")
            if folder == _CLAIMS and is_version(number):
                found.append((int(number), token, storage.join(self.base, PRIVATE, path)))
        return found

    def _upload(
        self,
        source: str,
        files: Sequence[StoredFile],
        target: str,
        size: int,
        on_progress: CopyProgress | None,
    ) -> None:
        done = 0
        for file in sorted(files, key=lambda each: each.path in _ENTRIES):
            place = storage.join(target, file.path)
            storage.copy_file(storage.join(source, file.path), place)
            done += file.size
            if on_progress:
                on_progress(done, size)
        _forget_listings(self.base)
        there = storage.list_files(target)
        if there != list(files):
            raise StorageError(
                f"{target} does not hold what was uploaded",
                expected=f"{len(files)} files, {size} bytes",
                got=f"{len(there)} files, {sum(file.size for file in there)} bytes",
                fix="see who else writes there; then run it again",
            )

    def _remove_abandoned(self) -> None:
        """Deletes what writers left that died long ago."""
        for version, _, claim in self._claims():
            try:
                begun = float(storage.read_text(claim))
            except (StorageError, ValueError):
                continue  # Its writer has just ended.
            if time.time() - begun > _ABANDONED_S:
                if not self.record(version):
                    storage.remove_tree(self.path(version))
                storage.remove_tree(claim)


def _forget_listings(base: str) -> None:
    """Makes the next listing a fresh one: drivers keep them, and others write there too."""
    try:
        from fsspec.core import url_to_fs

        url_to_fs(base)[0].invalidate_cache()
    except (ImportError, ValueError):
        return  # The operation that follows says what is wrong with the URL.
