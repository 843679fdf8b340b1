# SPDX-License-Identifier: Apache-2.0
"""Keeps what a server serves in step with its source, without a gap.

A new version is loaded and warmed up in the background while the old one answers. Then one
assignment puts a new table in place of the old: a request sees one or the other. A version
that no table holds any more is freed when the last request that uses it has its answer. A
version that cannot be loaded changes nothing for those that can; it is tried again later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...utils.errors import PenstockError
from ...utils.logs import get_logger
from ...utils.readable import first_line
from .served_version import LoadedVersion
from .version_source import PRODUCTION, VersionSource, Wanted

_log = get_logger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 2.0, 60.0

#: Loads the version of that name from that folder.
Loader = Callable[[str, str], LoadedVersion]
#: Told what happened: the kind of event, and facts.
Notice = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True)
class Failure:
    """A version that could not be loaded.

    Attributes:
        path: Its folder.
        stamp: What tells its content from another in the same folder.
        reason: What was wrong.
        attempts: How often it was tried.
        retry_at: When to try again, by the monotonic clock.
    """

    path: str
    stamp: str
    reason: str
    attempts: int
    retry_at: float


@dataclass(frozen=True)
class Table:
    """What is served at one time. Never changed, only replaced.

    Attributes:
        versions: Loaded versions by name, oldest first.
        labels: Names of versions by label.
        failures: Versions that should be there and cannot be loaded.
        trouble: Why the source could not be asked, or has nothing in production.
    """

    versions: Mapping[str, LoadedVersion] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    trouble: str = ""

    @property
    def default(self) -> LoadedVersion | None:
        """The version that answers where a request names none."""
        return self.versions.get(self.labels.get(PRODUCTION, ""))


class VersionFollower:
    """Follows one source.

    Args:
        source: Says what should be served.
        load: Loads a version.
        notice: Told of every change.
        poll_seconds: How often to ask the source.
    """

    def __init__(
        self, source: VersionSource, load: Loader, notice: Notice, poll_seconds: float
    ) -> None:
        self.table = Table()
        self._source = source
        self._load = load
        self._notice = notice
        self._poll_seconds = poll_seconds
        self._wanted = Wanted({}, {})
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="follower")

    def start(self) -> None:
        """Begins to follow, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends following; a load in progress is not waited for."""
        self._stopped.set()

    def _follow(self) -> None:
        first = True
        while first or not self._stopped.wait(self._poll_seconds):
            self.step()
            if first:
                self._tell_first()
            first = False

    def _tell_first(self) -> None:
        table = self.table
        if table.versions:
            self._notice("ready", {"versions": list(table.versions), "labels": dict(table.labels)})
            return
        reasons = [each.reason for each in table.failures.values()] or [table.trouble]
        path = next((each.path for each in table.failures.values()), "")
        self._notice("unavailable", {"reason": reasons[0], "path": path})

    def step(self) -> None:
        """Asks the source once, and does what follows from the answer."""
        table = self.table
        try:
            wanted = self._source.look()
        except Exception as error:
            # Whatever it is: what is served already is served on, and the source may come back.
            self._in_trouble(table, error)
            return
        if wanted is not None:
            self._wanted = wanted
        elif not table.failures and not table.trouble:
            return
        self._reach(self._wanted)

    def _in_trouble(self, table: Table, error: Exception) -> None:
        known = isinstance(error, PenstockError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        if reason == table.trouble:
            return
        _log.error(
            "cannot find out which versions to serve: %s",
            reason,
            exc_info=None if known else error,
        )
        self.table = Table(table.versions, table.labels, table.failures, reason)
        self._notice("trouble", {"reason": reason})

    def _reach(self, wanted: Wanted) -> None:
        old = self.table
        versions, failures = dict(old.versions), dict(old.failures)
        for name, path in wanted.paths.items():
            content = (path, wanted.stamps.get(name, ""))
            loaded = versions.get(name)
            if loaded is not None and (loaded.path, loaded.stamp) == content:
                failures.pop(name, None)
                continue
            failed = failures.get(name)
            if failed and (failed.path, failed.stamp) != content:
                failed = None
            if failed and time.monotonic() < failed.retry_at:
                continue
            self._notice("loading", {"version": name, "path": path})
            try:
                versions[name] = self._load(name, path)
            except PenstockError as error:
                failures[name] = self._failed(name, *content, failed, error)
            else:
                versions[name].stamp = content[1]
                failures.pop(name, None)
        failures = {name: each for name, each in failures.items() if name in wanted.paths}
        labels = _labels(wanted, versions, old)
        kept = {*wanted.paths, *labels.values()}
        order = [*wanted.paths, *(name for name in versions if name not in wanted.paths)]
        new = Table(
            {name: versions[name] for name in order if name in versions and name in kept},
            labels,
            failures,
            wanted.note,
        )
        if _differs(old, new):
            self._replace(old, new)

    def _failed(
        self, name: str, path: str, stamp: str, before: Failure | None, error: PenstockError
    ) -> Failure:
        attempts = before.attempts + 1 if before else 1
        wait = min(_FIRST_RETRY_S * 2 ** (attempts - 1), _LONGEST_RETRY_S)
        _log.error("version %s cannot be loaded (tried %d times): %s", name, attempts, error)
        self._notice("load_failed", {"version": name, "path": path, "reason": str(error)})
        return Failure(path, stamp, str(error), attempts, time.monotonic() + wait)

    def _replace(self, old: Table, new: Table) -> None:
        since = time.time()
        self.table = new
        default = new.default
        _log.info(
            "serving %s; in production: %s%s",
            ", ".join(new.versions) or "nothing",
            default.name if default else "none",
            "".join(f"; {name} failed: {first_line(f.reason)}" for name, f in new.failures.items()),
        )
        self._notice(
            "serving",
            {
                "versions": list(new.versions),
                "labels": dict(new.labels),
                "since": since,
                "failed": {name: each.reason for name, each in new.failures.items()},
            },
        )
        for name, version in old.versions.items():
            if new.versions.get(name) is not version:
                version.retire()


def _labels(wanted: Wanted, versions: Mapping[str, LoadedVersion], old: Table) -> dict[str, str]:
    """Labels by version; one whose new version is not there stays where it was."""
    labels = {}
    for label, name in wanted.labels.items():
        if name in versions:
            labels[label] = name
        elif old.labels.get(label) in versions:
            labels[label] = old.labels[label]
    return labels


def _differs(old: Table, new: Table) -> bool:
    return (
        dict(old.versions) != dict(new.versions)
        or dict(old.labels) != dict(new.labels)
        or {k: f.attempts for k, f in old.failures.items()}
        != {k: f.attempts for k, f in new.failures.items()}
        or old.trouble != new.trouble
    )
