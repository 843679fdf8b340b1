# SPDX-License-Identifier: Apache-2.0
"""Where versions of a model lie: in a folder or behind a URL, as the base says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...utils import storage
from .version_bucket import VersionBucket
from .version_directory import CopyProgress, Publication, VersionDirectory

#: Below a base, where candidates lie: servers that watch the base do not see them.
CANDIDATES = ".candidates"


class VersionStore(Protocol):
    """Complete versions below one base."""

    base: str

    def versions(self) -> list[int]:
        """Numbers of the complete versions, lowest first."""

    def path(self, version: int) -> str:
        """Where one version lies."""

    def record(self, version: int) -> dict[str, Any]:
        """What was noted when a version was pushed."""

    def publish(
        self,
        source: str,
        record: Mapping[str, Any] | None = None,
        on_progress: CopyProgress | None = None,
    ) -> Publication:
        """Makes the content of a folder the newest version."""


def version_store(base: str, *, candidates: bool = False) -> VersionStore:
    """The versions below a path or URL.

    Args:
        base: The path or URL.
        candidates: Whether those are meant that are not in use yet.
    """
    if storage.is_local(base):
        place = storage.local_path(base)
        return VersionDirectory(storage.join(place, CANDIDATES) if candidates else place)
    return VersionBucket(storage.join(base, CANDIDATES) if candidates else base)


def base_of(destination: str) -> str:
    """The base below which a version's folder lies, be it a candidate's or not."""
    parent = destination.rstrip("/").rpartition("/")[0]
    return parent.removesuffix("/" + CANDIDATES)


def repeat_version(destination: str, copy: str, record: Mapping[str, Any]) -> Publication:
    """Makes an earlier version, or a candidate, the newest below its base.

    Servers that watch a folder serve its highest number, so this is how they are told to go
    back. Where the newest version holds the same already, none is added.

    Args:
        destination: Where the version was pushed to.
        copy: Another place with the same files, for where they are gone from there.
        record: What to note beside it.

    Raises:
        StorageError: Neither place holds the files, or the base cannot be written.
    """
    source = destination if storage.is_dir(destination) else copy
    return version_store(base_of(destination)).publish(source, record)
