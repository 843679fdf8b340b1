# SPDX-License-Identifier: Apache-2.0
"""A digest of a Model artifact that is equal for equal models, whatever their flavor.

Keras and skops keep models in zip archives, with the time of saving and with numbers that
Python's memory happens to give to objects. The digest sees through both: an archive counts
by the names and contents of its files, and numbers of objects are replaced by the order in
which they first occur. Everything else is as `saved_model_digest` has it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from ....utils import hashing, storage
from ...transform.saved_model_digest import tree_digest

_ARCHIVES = (".keras", ".skops")
#: Keys whose numbers are addresses of objects.
_NUMBERS = ("__id__", "shared_object_id")
#: When and with what an archive was written; not what it holds.
_LEFT_OUT = ("metadata.json",)


def model_digest(root: str) -> str:
    """Digest of the folder `root`.

    Raises:
        StorageError: A file cannot be read.
    """
    files = storage.list_files(root)
    archives = [each for each in files if each.path.endswith(_ARCHIVES)]
    if not archives:
        return tree_digest(root)
    entries = []
    saved = {f.path.rpartition("/")[0] for f in files if f.path.endswith("saved_model.pb")}
    for folder in saved:
        entries.append((folder, 0, tree_digest(storage.join(root, folder))))
    for file in files:
        location = storage.join(root, file.path)
        if file in archives:
            entries.append((file.path, 0, _archive_digest(storage.read_bytes(location))))
        elif not any(file.path.startswith(f"{folder}/") for folder in saved):
            entries.append((file.path, file.size, hashing.digest_file(location)))
    return hashing.digest_entries(entries)


def _archive_digest(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _members_digest(archive)
    except (zipfile.BadZipFile, ValueError, KeyError):
        return hashlib.sha256(data).hexdigest()


def _members_digest(archive: zipfile.ZipFile) -> str:
    """Digest of the files in an archive."""
    names = sorted(archive.namelist())
    texts = [name for name in names if name.endswith(".json") and name not in _LEFT_OUT]
    rest = {
        name: hashlib.sha256(archive.read(name)).hexdigest()
        for name in names
        if name not in texts and name not in _LEFT_OUT
    }
    whole = hashlib.sha256(b"penstock model archive 1\n")
    named = set()
    for name in texts:
        canonical = _Canonical(rest)
        whole.update(f"{name} {canonical.text(json.loads(archive.read(name)))}\n".encode())
        named |= canonical.named
    for name, digest in rest.items():
        # Those that a JSON file names count there; their own names are addresses too.
        if name not in named:
            whole.update(f"{name} {digest}\n".encode())
    return whole.hexdigest()


class _Canonical:
    """Rewrites one JSON document.

    Args:
        files: Digests of the other files of the archive, by name.
    """

    def __init__(self, files: dict[str, str]) -> None:
        self.named: set[str] = set()
        self._files = files
        self._order: dict[Any, int] = {}

    def text(self, document: Any) -> str:
        """The document as canonical text."""
        return json.dumps(self._rewrite(document), sort_keys=True)

    def _rewrite(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._rewrite(each) for each in value]
        if not isinstance(value, dict):
            return value
        found: dict[str, Any] = {}
        for key, each in sorted(value.items()):
            if key in _NUMBERS:
                found[key] = self._order.setdefault(each, len(self._order))
            elif key == "file" and isinstance(each, str) and each in self._files:
                self.named.add(each)
                found[key] = self._files[each]
            elif key == "_stop_words_id":
                # Where a text vectorizer notes the address of stop words that it has checked.
                found[key] = None
            else:
                found[key] = self._rewrite(each)
        return found
