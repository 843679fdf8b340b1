# SPDX-License-Identifier: Apache-2.0
"""Where a server's versions come from: a folder, or a name in the registry of models.

A source is asked again and again what there should be. It says so and loads nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ...utils import storage
from ...utils.errors import ParameterError, StorageError
from ..push.version_directory import is_version
from ..push.version_store import CANDIDATES
from .server_settings import ServerSettings

if TYPE_CHECKING:
    from ...orchestration.registry.model_version import ModelVersion
    from ...orchestration.registry.registry import ModelRegistry

#: The label whose version answers where a request names none.
PRODUCTION = "production"
CANDIDATE = "candidate"
LATEST = "latest"

_NEWEST = re.compile(r"latest(?::([1-9][0-9]*))?\Z")


@dataclass(frozen=True)
class Wanted:
    """What should be served now.

    Attributes:
        paths: Folder of each version that should be loaded, by version, oldest first.
        labels: Versions by label; that of `production` answers by default.
        note: Why there is no version in production, where there is none.
        stamps: What changes when another model is put into a version's place, by version.
    """

    paths: Mapping[str, str]
    labels: Mapping[str, str]
    note: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)


class VersionSource(Protocol):
    """Says which versions should be served."""

    def look(self) -> Wanted | None:
        """What should be served now; None where nothing has changed since the last look.

        Raises:
            PenstockError: It cannot be found out.
        """


@dataclass(frozen=True)
class VersionChoice:
    """Which of all versions to serve, besides those that have a label.

    Attributes:
        newest: So many of the newest; None for all.
        named: These, instead.
    """

    newest: int | None = 1
    named: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> VersionChoice:
        """Reads `latest`, `latest:N`, `all`, or versions separated by commas.

        Raises:
            ParameterError: It is none of these.
        """
        if text == "all":
            return cls(newest=None)
        found = _NEWEST.match(text)
        if found:
            return cls(newest=int(found.group(1) or 1))
        named = tuple(part.strip() for part in text.split(","))
        if not all(re.match(r"[0-9][0-9A-Za-z.+-]*\Z", name) for name in named):
            raise ParameterError(
                "it is not clear which versions to serve",
                expected="latest, latest:N, all, or versions separated by commas",
                got=text,
            )
        return cls(newest=0, named=named)

    def of(self, versions: Sequence[str]) -> list[str]:
        """The chosen ones of `versions`, which are in order of age."""
        if self.named:
            return [version for version in versions if version in self.named]
        return list(versions) if self.newest is None else list(versions)[-self.newest :]


class DirectorySource:
    """A folder in TensorFlow Serving's layout, or the folder of one model.

    The highest number is in production, unless `labels` say otherwise: so a push, and a
    rollback, which makes an earlier version the highest again, are followed; deleting the
    highest number is followed too. The newest of those that were pushed as candidates, into
    `.candidates/`, has the label `candidate`.

    Args:
        folder: The folder.
        choice: Which versions to serve.
        labels: Versions by label; `latest` means the highest number.

    Raises:
        StorageError: There is no such folder on this machine.
    """

    def __init__(self, folder: str, choice: VersionChoice, labels: Mapping[str, str]) -> None:
        self._folder = os.path.abspath(os.path.expanduser(storage.local_path(folder)))
        self._choice = choice
        self._labels = dict(labels)
        if not os.path.isdir(self._folder):
            raise StorageError(
                "there is no such folder to serve",
                expected="a folder of versions (1/, 2/, …), or of one model",
                got="a file" if os.path.exists(self._folder) else "nothing",
                location=self._folder,
            )

    def look(self) -> Wanted | None:
        """See `VersionSource`."""
        try:
            entries = [entry for entry in os.scandir(self._folder) if entry.name[0] != "."]
            numbers = sorted(int(e.name) for e in entries if is_version(e.name) and e.is_dir())
            candidate = _newest(os.path.join(self._folder, CANDIDATES))
        except OSError as error:
            raise StorageError(
                "the folder of versions cannot be read",
                got=error.strerror,
                location=self._folder,
            ) from error
        if not numbers and not candidate:
            empty = Wanted({}, {}, "the folder is empty: nothing was pushed there yet")
            return self._single() if entries else empty
        if not numbers:
            path = os.path.join(self._folder, CANDIDATES, candidate)
            note = "nothing is in production: there are only candidates"
            return Wanted(
                {candidate: path}, {CANDIDATE: candidate}, note, {candidate: _stamp(path)}
            )
        versions = [str(number) for number in numbers]
        labels = {PRODUCTION: LATEST, **self._labels}
        meant = {label: versions[-1] if v == LATEST else v for label, v in labels.items()}
        missing = {label: v for label, v in meant.items() if v not in versions}
        chosen = {*self._choice.of(versions), *(meant.keys() - missing and meant.values())}
        note = ""
        if PRODUCTION in missing:
            note = f"version {missing[PRODUCTION]}, which should be in production, is not there"
        paths = {v: os.path.join(self._folder, v) for v in versions if v in chosen}
        labelled = {label: v for label, v in meant.items() if label not in missing}
        if candidate and candidate not in versions and CANDIDATE not in labelled:
            paths[candidate] = os.path.join(self._folder, CANDIDATES, candidate)
            labelled[CANDIDATE] = candidate
        return Wanted(
            paths,
            labelled,
            note,
            {version: _stamp(path) for version, path in paths.items()},
        )

    def _single(self) -> Wanted:
        # A link that is turned to another folder, or a folder put in its place, is news.
        path = os.path.realpath(self._folder)
        return Wanted({"1": path}, {PRODUCTION: "1"}, stamps={"1": _stamp(path)})


@dataclass
class RegistrySource:
    """A name in the registry of models.

    Served are its version in production, its newest candidate, and those with a label.

    Attributes:
        registry: The registry.
        name: The registered name.
        choice: Versions to serve besides.
        labels: Further labels; a version may be anything that the registry finds.
    """

    registry: ModelRegistry
    name: str
    choice: VersionChoice
    labels: Mapping[str, str] = field(default_factory=dict)
    _seen: int = field(init=False, default=-1)

    def look(self) -> Wanted | None:
        """See `VersionSource`."""
        generation = self.registry.generation(self.name)
        if generation == self._seen:
            return None
        versions = self.registry.versions(self.name)
        by_name = {each.version: each for each in versions}
        labels = dict(self.registry.labels(self.name))
        candidates = [each.version for each in versions if each.stage == CANDIDATE]
        if candidates:
            labels[CANDIDATE] = candidates[-1]
        production = self.registry.production(self.name)
        if production is not None:
            labels[PRODUCTION] = production.version
        for label, text in self.labels.items():
            labels[label] = self.registry.find(self.name, text).version
        labels = {label: version for label, version in labels.items() if version in by_name}
        chosen = {*self._others(list(by_name)), *labels.values()}
        note = "" if PRODUCTION in labels else f"no version of {self.name} is in production"
        self._seen = generation
        return Wanted({v: _place(each) for v, each in by_name.items() if v in chosen}, labels, note)

    def _others(self, versions: Sequence[str]) -> list[str]:
        # Being the newest is no merit here: production is what somebody decided.
        if not self.choice.named and self.choice.newest == 1:
            return []
        return self.choice.of(versions)


def _place(version: ModelVersion) -> str:
    # The pipeline's own copy stays where it is; the pushed one moves with a promotion, and
    # would be loaded again for nothing.
    for place in (version.uri, version.destination):
        if place and storage.is_local(place) and os.path.isdir(storage.local_path(place)):
            return place
    return version.uri


def open_source(settings: ServerSettings) -> VersionSource:
    """The source that settings name.

    Raises:
        PenstockError: It cannot be opened.
    """
    choice = VersionChoice.parse(settings.versions)
    if settings.source == "directory":
        return DirectorySource(settings.location, choice, settings.labels)
    # A folder is served without the libraries of a metadata store.
    from ...orchestration.metadata.store import MetadataStore
    from ...orchestration.registry.registry import ModelRegistry

    registry = ModelRegistry(MetadataStore(settings.metadata, create=False))
    return RegistrySource(registry, settings.location, choice, settings.labels)


def _stamp(folder: str) -> str:
    try:
        found = os.stat(folder)
    except OSError:
        return ""  # It has gone meanwhile; loading it will say so.
    return f"{found.st_dev}-{found.st_ino}-{found.st_mtime_ns}"


def _newest(folder: str) -> str:
    """The highest number below a folder; empty where there is none."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except FileNotFoundError:
        return ""
    return max((name for name in names if is_version(name)), key=int, default="")
