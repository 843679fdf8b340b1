# SPDX-License-Identifier: Apache-2.0
"""The registry of models: which versions there are, which of them is in production.

It keeps what it has read of a model and reads only what is new, so polling is cheap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...utils.errors import MetadataError, ParameterError, nearest
from ...utils.names import check_model_label
from ..metadata.store import MetadataStore
from .history import ARCHIVE, BUMP, LABEL, PROMOTE, ROLLBACK, UNLABEL, History
from .model_version import ARCHIVED, PRODUCTION, ModelVersion
from .semantic_version import BUMPS, Bump, SemanticVersion

#: Names that mean a version wherever one is asked for.
LATEST = "latest"
RESERVED = (LATEST, PRODUCTION, "candidate", ARCHIVED)

#: Makes what to add to a model's history, given what it is now.
_Action = Callable[[History], "tuple[str, Mapping[str, Any]] | None"]


class ModelRegistry:
    """Registered models of a metadata store; safe to share between threads.

    Args:
        store: The store; stays open as long as the registry is used.
    """

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._known: dict[str, History] = {}
        self._lock = threading.Lock()

    # Reading.

    def names(self) -> list[str]:
        """Names of all registered models, sorted."""
        return self._store.model_names()

    def generation(self, name: str) -> int:
        """Grows by one with whatever happens to a model; 0 where there is no such model."""
        return self._store.model_event_count(name)

    def versions(self, name: str) -> list[ModelVersion]:
        """Versions of a model, oldest first.

        Raises:
            MetadataError: There is no such model; suggests the nearest.
        """
        return list(self.history(name).versions.values())

    def production(self, name: str) -> ModelVersion | None:
        """The version that is in production; None where none is.

        Raises:
            MetadataError: There is no such model.
        """
        history = self.history(name)
        return history.versions.get(history.production)

    def labels(self, name: str) -> dict[str, str]:
        """Versions by the labels that somebody gave them.

        Raises:
            MetadataError: There is no such model.
        """
        return dict(self.history(name).labels)

    def find(self, name: str, text: str) -> ModelVersion:
        """The version that a text means.

        Args:
            name: Name of the model.
            text: `1.4.0`; `1.4` or `1` for the newest such; `production`; `latest`; a label;
                or the number of the folder that was pushed.

        Raises:
            MetadataError: There is no such model or version; suggests the nearest.
        """
        return find_version(self.history(name), text)

    def pushed_to(self, place: str) -> ModelVersion | None:
        """The version that was put into a folder or URL for servers, if any was.

        A roll-back puts an earlier version into a new folder: that is its place too.
        """
        for name in self.names():
            history = self.history(name)
            if place in history.places:
                return history.versions.get(history.places[place])
        return None

    def history(self, name: str) -> History:
        """All that is known of a model, as of now.

        Raises:
            MetadataError: There is no such model; suggests the nearest.
        """
        with self._lock:
            found = self._up_to_date(name)
        if not found.versions:
            self._refuse(name)
        return found

    def history_until(self, name: str, last: int) -> History:
        """What a model's history was when event `last` was its newest."""
        with self._lock:
            return self._up_to_date(name, last)

    def _up_to_date(self, name: str, last: int | None = None) -> History:
        """The history up to event `last`, by default the newest."""
        known = self._known.get(name)
        if known is None or (last is not None and known.generation > last):
            known = History(name)
        newest = self._store.model_event_count(name) if last is None else last
        if newest > known.generation:
            # A copy: whoever was given the one before keeps it as it is.
            known = known.copy()
            known.take_in(self._store.model_events(name, known.generation + 1, newest))
        self._known[name] = known
        return known

    def _refuse(self, name: str) -> None:
        names = self.names()
        if not names:
            raise MetadataError(
                f"there is no registered model {name!r}: nothing was pushed yet",
                location=self._store.setting,
                fix="run a pipeline with a Pusher; or name another store: --metadata",
            )
        raise MetadataError(
            f"there is no registered model {name!r}",
            expected=", ".join(names[:20]) + (", …" if len(names) > 20 else ""),
            got=name,
            suggestion=nearest(name, names),
            location=self._store.setting,
            fix="list them: penstock models list",
        )

    # Changing. Each is one transaction.

    def promote(
        self,
        name: str,
        version: str,
        *,
        by: str,
        note: str = "",
        destination: str = "",
        number: int = 0,
        rolling_back: bool = False,
    ) -> ModelVersion:
        """Puts a version into production; the one that was is archived.

        Args:
            name: Name of the model.
            version: See `find`.
            by: Who does it.
            note: Why.
            destination: The folder or URL where it can be served from now, if that changed.
            number: That folder's number.
            rolling_back: Whether it undoes a promotion, as is then recorded.

        Raises:
            MetadataError: There is no such version, or the store cannot be written.
        """

        def act(history: History) -> tuple[str, Mapping[str, Any]] | None:
            found = find_version(history, version)
            if history.production == found.version and not destination:
                return None
            moved = {"destination": destination, "number": number} if destination else {}
            action = ROLLBACK if rolling_back else PROMOTE
            return action, {"version": found.version, "by": by, "note": note, **moved}

        found = self.find(name, version)
        self._change(name, act)
        return self.find(name, found.version)

    def before_production(self, name: str) -> ModelVersion:
        """The version that a roll-back goes to.

        Raises:
            MetadataError: None was in production before the one that is.
        """
        history = self.history(name)
        before = history.before_production()
        if not before:
            raise MetadataError(
                f"model {name!r} cannot be rolled back",
                expected="a version that was in production before this one",
                got=f"{history.production} is the first"
                if history.production
                else "none is in production",
                fix=f"promote another version: penstock models promote {name} VERSION",
            )
        return history.versions[before]

    def archive(self, name: str, version: str, *, by: str, note: str = "") -> ModelVersion:
        """Puts a version away: it is not offered for a roll-back, and loses its labels.

        Raises:
            MetadataError: There is no such version, or it is in production.
        """

        def act(history: History) -> tuple[str, Mapping[str, Any]] | None:
            found = find_version(history, version)
            if found.version == history.production:
                raise MetadataError(
                    f"version {found.version} of model {name!r} is in production",
                    expected="a version that is not",
                    fix="promote another one first, or roll back: penstock models rollback " + name,
                )
            if found.version in history.put_away:
                return None
            return ARCHIVE, {"version": found.version, "by": by, "note": note}

        found = self.find(name, version)
        self._change(name, act)
        return self.find(name, found.version)

    def label(self, name: str, version: str, label: str, *, by: str) -> ModelVersion:
        """Gives a version a label, which another version may lose by that.

        Raises:
            MetadataError: There is no such version.
            ParameterError: The label is not acceptable.
        """
        check_model_label(label, RESERVED)

        def act(history: History) -> tuple[str, Mapping[str, Any]] | None:
            found = find_version(history, version)
            if history.labels.get(label) == found.version:
                return None
            return LABEL, {"version": found.version, "label": label, "by": by}

        found = self.find(name, version)
        self._change(name, act)
        return self.find(name, found.version)

    def remove_label(self, name: str, label: str, *, by: str) -> None:
        """Takes a label away.

        Raises:
            MetadataError: There is no such label.
        """

        def act(history: History) -> tuple[str, Mapping[str, Any]] | None:
            if label not in history.labels:
                raise MetadataError(
                    f"no version of model {name!r} has the label {label!r}",
                    expected=", ".join(history.labels) or "no label: there are none",
                    suggestion=nearest(label, history.labels),
                )
            return UNLABEL, {"version": history.labels[label], "label": label, "by": by}

        self._change(name, act)

    def bump(self, name: str, version: str, to: str, *, by: str, note: str = "") -> ModelVersion:
        """Registers a version's model again under a higher version.

        The new version takes its place, in production too; the old one is archived.

        Args:
            name: Name of the model.
            version: See `find`.
            to: `major`, `minor` or `patch`; or a version above all there are.
            by: Who does it.
            note: Why.

        Raises:
            MetadataError: There is no such version.
            ParameterError: The new version is none, or not above the others.
        """

        def act(history: History) -> tuple[str, Mapping[str, Any]] | None:
            found = find_version(history, version)
            highest = SemanticVersion.parse(list(history.versions)[-1])
            made = chosen_version(name, highest, to)
            # The old one is put away; what it was, the new one is.
            stage = PRODUCTION if history.production == found.version else found.stage
            reason = note or f"was {found.version}"
            facts = {**found.facts, "version": str(made), "bump": "set", "reason": reason}
            moved = {"destination": found.destination, "number": found.number}
            return BUMP, {**facts, **moved, "stage": stage, "by": by, "was": found.version}

        self._change(name, act)
        return self.find(name, LATEST)

    def _change(self, name: str, act: _Action) -> None:
        def next_event(number: int) -> tuple[str, Mapping[str, Any]] | None:
            history = self.history_until(name, number - 1)
            event = act(history)
            if event is None:
                return None
            action, body = event
            return action, {**body, "latest": number if action == BUMP else history.latest}

        self.history(name)  # Refuses unknown names before anything is written.
        self._store.add_model_event(name, next_event)


def chosen_version(name: str, highest: SemanticVersion, asked: str) -> SemanticVersion:
    """The version that somebody asks for, by a bump or by its numbers.

    Raises:
        ParameterError: It is not above the highest there is.
    """
    bumps: dict[str, Bump] = {each: each for each in BUMPS}
    if asked in bumps:
        return highest.next(bumps[asked])
    if asked[:1].isalpha() and not asked[1:2].isdigit():
        raise ParameterError(
            f"{asked!r} says neither what goes up nor a version",
            expected=f"{', '.join(BUMPS)}, or a version above {highest}",
            got=asked,
            suggestion=nearest(asked, BUMPS),
        )
    version = SemanticVersion.parse(asked)
    if version <= highest:
        raise ParameterError(
            f"version {version} of model {name!r} would go backwards",
            expected=f"a version above {highest}, the newest there is",
            got=asked,
            suggestion=str(highest.next("minor")),
            fix="choose a higher one, or leave the version to the rule",
        )
    return version


def find_version(history: History, text: str) -> ModelVersion:
    """See `ModelRegistry.find`."""
    wanted = text.strip()
    versions = history.versions
    direct = {LATEST: list(versions)[-1], PRODUCTION: history.production, **history.labels}
    found = versions.get(direct.get(wanted, wanted.removeprefix("v")))
    if found is not None:
        return found
    if wanted == PRODUCTION:
        raise MetadataError(
            f"no version of model {history.model!r} is in production",
            fix=f"promote one: penstock models promote {history.model} VERSION",
        )
    newest_first = list(reversed(versions.values()))
    for each in newest_first:
        if each.version.startswith(wanted.removeprefix("v") + ".") and wanted:
            return each
    for each in newest_first:
        if wanted.isdecimal() and each.number == int(wanted):
            return each
    # Folders in which a version lay before somebody rolled back to it.
    for place, version in history.places.items():
        if wanted.isdecimal() and place.rpartition("/")[2] == wanted:
            return versions[version]
    names = [*(each.version for each in newest_first), *history.labels]
    raise MetadataError(
        f"model {history.model!r} has no version {text!r}",
        expected=", ".join(names[:12]) + (", …" if len(names) > 12 else ""),
        got=text,
        suggestion=nearest(wanted, names),
        fix=f"list them: penstock models show {history.model}",
    )
