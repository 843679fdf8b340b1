# SPDX-License-Identifier: Apache-2.0
"""What a registered model's events come to: its versions, their stages and labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..metadata.models import ModelEvent
from .model_version import ARCHIVED, CANDIDATE, PRODUCTION, ModelVersion

# What can happen to a model.
PUSH, BUMP, MOVE, PROMOTE, ROLLBACK, ARCHIVE, LABEL, UNLABEL = (
    "push", "bump", "move", "promote", "rollback", "archive", "label", "unlabel",
)  # fmt: skip

#: Keys of an event's body that are attributes of the version that it makes.
_OF_VERSION = (
    "uri", "destination", "number", "digest", "pipeline", "run_id", "node_id",
    "execution_id", "model_artifact_id", "bump", "reason", "by",
)  # fmt: skip


@dataclass
class History:
    """A registered model as its events tell it.

    Attributes:
        model: Name of the model.
        generation: Number of the newest event that was taken in.
        versions: Versions by their text, oldest first.
        production: The version in production; empty where none is.
        labels: Versions by label.
        produced: Versions that were in production, in the order in which they came to be;
            a version that came back is there again.
        put_away: Versions that somebody archived; a roll-back passes over them.
        places: Versions by every folder or URL that they were ever put into for servers.
        latest: Number of the event that made the newest version.
    """

    model: str
    generation: int = 0
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    production: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    produced: list[str] = field(default_factory=list)
    put_away: set[str] = field(default_factory=set)
    places: dict[str, str] = field(default_factory=dict)
    latest: int = 0

    def copy(self) -> History:
        """Another one, which can go on by itself."""
        return replace(
            self,
            versions=dict(self.versions),
            labels=dict(self.labels),
            produced=list(self.produced),
            put_away=set(self.put_away),
            places=dict(self.places),
        )

    def take_in(self, events: Iterable[ModelEvent]) -> None:
        """Goes on with the events that follow, in order.

        Events of kinds that this version of Penstock does not know change nothing.
        """
        for event in events:
            self._take_in(event)
            self.generation = max(self.generation, event.number)

    def _take_in(self, event: ModelEvent) -> None:
        body = event.body
        version = str(body.get("version", ""))
        if body.get("destination"):
            self.places[str(body["destination"])] = version
        if event.action in (PUSH, BUMP):
            self.latest = event.number
            attributes = {name: body[name] for name in _OF_VERSION if name in body}
            self.versions[version] = ModelVersion(
                model=self.model,
                version=version,
                stage=CANDIDATE,
                created_at=event.at,
                facts=body,
                **attributes,
            )
            self._take_place_of(str(body.get("was", "")), version)
            if body.get("stage") == PRODUCTION:
                self._produce(version)
            elif body.get("stage") == ARCHIVED:
                self._set_stage(version, archived=True)
        elif version not in self.versions:
            return
        elif event.action in (MOVE, PROMOTE, ROLLBACK):
            found = self.versions[version]
            self.versions[version] = replace(
                found,
                destination=str(body.get("destination", found.destination)),
                number=int(body.get("number", found.number)),
            )
            if event.action != MOVE:
                self._produce(version)
        elif event.action == ARCHIVE:
            self.put_away.add(version)
            if self.production == version:
                self.production = ""
            self._set_stage(version, archived=True)
            self.labels = {label: v for label, v in self.labels.items() if v != version}
            self._show_labels(version)
        elif event.action in (LABEL, UNLABEL):
            self._label(str(body["label"]), version if event.action == LABEL else None)

    def _take_place_of(self, before: str, version: str) -> None:
        """The same model has a new version: the old one is not offered any more."""
        if before not in self.versions:
            return
        self.put_away.add(before)
        self._set_stage(before, archived=True)
        for label in [label for label, found in self.labels.items() if found == before]:
            self._label(label, version)

    def _produce(self, version: str) -> None:
        before = self.production
        if before and before != version:
            self._set_stage(before, archived=True)
        self.production = version
        self.put_away.discard(version)
        self.versions[version] = replace(self.versions[version], stage=PRODUCTION)
        if not self.produced or self.produced[-1] != version:
            self.produced.append(version)

    def _set_stage(self, version: str, *, archived: bool) -> None:
        stage = ARCHIVED if archived else CANDIDATE
        self.versions[version] = replace(self.versions[version], stage=stage)

    def _label(self, label: str, version: str | None) -> None:
        before = self.labels.pop(label, None)
        if version is not None:
            self.labels[label] = version
        for each in {before, version} - {None}:
            self._show_labels(str(each))

    def _show_labels(self, version: str) -> None:
        labels = tuple(sorted(label for label, v in self.labels.items() if v == version))
        self.versions[version] = replace(self.versions[version], labels=labels)

    def before_production(self) -> str:
        """The version that was in production before the one that is; empty where none was.

        A version that was rolled back from does not count: rolling back twice goes back two
        versions, not to and fro. Nor does one that was archived by somebody.
        """
        line: list[str] = []
        for version in self.produced:
            if version in line:
                # It came back: what came after it was undone.
                del line[line.index(version) + 1 :]
            else:
                line.append(version)
        current = self.production
        if current in line:
            line = line[: line.index(current)]
        usable = [version for version in line if version not in self.put_away]
        return usable[-1] if usable else ""
