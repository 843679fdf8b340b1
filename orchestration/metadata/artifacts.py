# SPDX-License-Identifier: Apache-2.0
"""Artifacts: numbered by pipeline and type, so that the newest are found at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...components.base.artifact import Artifact, PropertyType, PropertyValue
from .artifact_codec import (
    decode_artifact,
    is_live,
    recorded,
)
from .connection import Connection
from .contexts import Contexts
from .foreign_records import ForeignRecords, node_of
from .library import library
from .records import ArtifactRecord
from .series import highest, series_key, series_prefix, taken_in
from .type_names import (
    BLESSED_PROPERTY,
    CURRENT_MODEL_ID_PROPERTY,
    MODEL_BLESSING,
    PIPELINE,
    PIPELINE_NAME_PROPERTY,
    PRODUCER_COMPONENT_PROPERTY,
)
from .type_registry import TypeRegistry

#: Blessings that bless are numbered apart, so that failed evaluations do not hide them.
_BLESSED_SERIES = ":blessed"


@dataclass(frozen=True)
class Series:
    """Artifacts that are numbered together.

    Attributes:
        pipeline: Name of the pipeline that made them.
        kind: Name of their type, with a suffix where a part of them is numbered apart.
    """

    pipeline: str
    kind: str

    @classmethod
    def of(cls, pipeline: str, artifact: Artifact) -> Series:
        """The series that an artifact of a pipeline belongs to."""
        kind = artifact.TYPE_NAME
        if kind == MODEL_BLESSING and artifact.custom_properties.get(BLESSED_PROPERTY) == 1:
            kind += _BLESSED_SERIES
        return cls(pipeline, kind)

    @property
    def prefix(self) -> str:
        """What their external ids begin with."""
        return series_prefix(self.pipeline, self.kind)


class Numbering:
    """Gives out the next numbers of series, for good only once they are committed.

    A series has no gaps: a transaction that fails must give its numbers back.
    """

    def __init__(self, known: dict[Series, int], look_up: Callable[[Series], int]) -> None:
        self._known = known
        self._look_up = look_up
        self._taken: dict[Series, int] = {}

    def next(self, series: Series) -> int:
        """The number that the next artifact of a series gets."""
        if series not in self._taken:
            known = self._known.get(series)
            self._taken[series] = self._look_up(series) if known is None else known
        self._taken[series] += 1
        return self._taken[series]

    def commit(self) -> None:
        """The transaction that used the numbers has succeeded."""
        self._known.update(self._taken)


class ArtifactLedger:
    """Finds artifacts, and numbers new ones."""

    def __init__(self, connection: Connection, types: TypeRegistry, contexts: Contexts) -> None:
        self._connection = connection
        self._types = types
        self._contexts = contexts
        #: What other programs recorded.
        self.foreign = ForeignRecords(connection)
        #: Numbers that series have reached at least.
        self._numbers: dict[Series, int] = {}

    def type_of(self, artifact: Artifact) -> Any:
        """The registered type of an artifact that is about to be published."""
        declared = dict(type(artifact).PROPERTIES)
        for name, value in artifact.properties.items():
            if name not in declared:
                declared[name] = _property_type(value)
        return self._types.artifact_type(artifact.TYPE_NAME, declared)

    def numbering(self) -> Numbering:
        """Numbers for the artifacts of one transaction."""
        return Numbering(self._numbers, self._reached)

    def forget_numbers(self) -> None:
        """After a conflict: the numbers that series have reached are to be looked up again."""
        self._numbers.clear()

    def reached(self, pipeline: str) -> dict[str, int]:
        """Numbers that a pipeline's series have reached as far as is known here, by prefix."""
        return {s.prefix: n for s, n in self._numbers.items() if s.pipeline == pipeline}

    def _reached(self, series: Series) -> int:
        prefix = series.prefix
        noted = self._contexts.reached(series.pipeline, prefix)
        start = max(noted, self._numbers.get(series, 0))
        self._numbers[series] = highest(taken_in(prefix, self._by_keys), start)
        return self._numbers[series]

    def _by_keys(self, keys: list[str]) -> list[Any]:
        return self._connection.by_external_ids("artifacts", keys)

    def _newest_of_series(self, series: Series) -> Iterator[Any]:
        """Messages of a series, newest first, fetched in growing portions."""
        start, portion, prefix = self._reached(series), 4, series.prefix
        while start > 0:
            numbers = range(start, max(0, start - portion), -1)
            found = self._by_keys([series_key(prefix, number) for number in numbers])
            yield from sorted(found, key=lambda each: -each.id)
            start, portion = start - portion, min(4 * portion, 256)

    def newest(self, type_name: str, pipeline: str | None) -> Iterator[Any]:
        """Messages of the artifacts of a type, newest first."""
        kinds = [type_name]
        if type_name == MODEL_BLESSING:
            kinds.append(type_name + _BLESSED_SERIES)
        pipelines = [pipeline] if pipeline is not None else self._pipelines()
        series = [Series(name, kind) for name in pipelines for kind in kinds]
        # What something else recorded, TFX for one, is not numbered.
        unnumbered = self.foreign.artifacts(type_name, pipeline)
        every = [*map(self._newest_of_series, series), unnumbered]
        return heapq.merge(*every, key=lambda found: -found.id)

    def _pipelines(self) -> list[str]:
        return [found.name for found in self._connection.read("get_contexts_by_type", PIPELINE)]

    def latest(
        self,
        type_name: str,
        pipeline: str | None,
        node_id: str | None,
        limit: int,
        where: Mapping[str, PropertyValue],
    ) -> list[Artifact]:
        """See `MetadataStore.latest_artifacts`."""
        chosen: list[Artifact] = []
        with self._connection.holding(writing=False):
            if limit < 1 or self._types.artifact_type_if_known(type_name) is None:
                return chosen
            for found in self.newest(type_name, pipeline):
                if not is_live(found) or not self._made_by(found, pipeline, node_id):
                    continue
                artifact = self._decode([found])[0]
                values = {**artifact.custom_properties, **artifact.properties}
                if all(values.get(name) == value for name, value in where.items()):
                    chosen.append(artifact)
                    if len(chosen) == limit:
                        break
        return chosen

    def blessed_models(self, pipeline: str, limit: int) -> list[tuple[Artifact, Artifact]]:
        """See `MetadataStore.blessed_models`."""
        blessings: dict[int, Artifact] = {}
        models: dict[int, Artifact] = {}
        with self._connection.holding(writing=False):
            for found in self._newest_blessings(pipeline):
                # A blessing is younger than its model, so none older than this can bless
                # a model newer than those at hand.
                if len(models) >= limit and found.id < min(models):
                    break
                if not is_live(found) or not self._made_by(found, pipeline, None):
                    continue
                blessing = self._decode([found])[0]
                model_id = blessing.custom_properties.get(CURRENT_MODEL_ID_PROPERTY)
                if not isinstance(model_id, int) or model_id in blessings:
                    continue
                blessings[model_id] = blessing
                models.update(self.by_ids([model_id], live_only=True))
        newest = sorted(models, reverse=True)[:limit]
        return [(models[model_id], blessings[model_id]) for model_id in newest]

    def _newest_blessings(self, pipeline: str) -> Iterator[Any]:
        """Messages of a pipeline's blessings that bless, newest first."""
        blessed = self._newest_of_series(Series(pipeline, MODEL_BLESSING + _BLESSED_SERIES))
        unnumbered = (
            found
            for found in self.foreign.artifacts(MODEL_BLESSING, pipeline)
            if found.custom_properties[BLESSED_PROPERTY].int_value == 1
        )
        return heapq.merge(blessed, unnumbered, key=lambda found: -found.id)

    def by_ids(self, ids: Iterable[int], *, live_only: bool = False) -> dict[int, Artifact]:
        """Artifacts by id; those that do not exist, or are not live, are left out."""
        found = [each for each in self.fetch(ids) if is_live(each) or not live_only]
        return {each.id: each for each in self._decode(found) if each.id is not None}

    def fetch(self, ids: Iterable[int]) -> list[Any]:
        """Messages of the artifacts with these ids that exist."""
        wanted = sorted(set(ids))
        found: list[Any] = []
        for first in range(0, len(wanted), 500):
            found += self._connection.read("get_artifacts_by_id", wanted[first : first + 500])
        return found

    def _decode(self, found: Sequence[Any]) -> list[Artifact]:
        types = self._types.artifact_types_by_id(each.type_id for each in found)
        return [decode_artifact(each, types[each.type_id]) for each in found]

    def records(self, found: Sequence[Any]) -> list[ArtifactRecord]:
        """Messages as records."""
        types = self._types.artifact_types_by_id(each.type_id for each in found)
        return self.foreign.artifact_records(found, types)

    def by_uri(self, uri: str) -> list[Artifact]:
        """See `MetadataStore.artifacts_by_uri`."""
        with self._connection.holding(writing=False):
            found = [f for f in self._connection.read("get_artifacts_by_uri", uri) if is_live(f)]
            return self._decode(sorted(found, key=lambda each: -each.id))

    def listed(
        self, type_name: str | None, pipeline: str | None, limit: int | None
    ) -> list[ArtifactRecord]:
        """See `MetadataStore.list_artifacts`."""
        with self._connection.holding(writing=False):
            found = self._listed(type_name, pipeline, limit)
            return self.records(found)

    def _listed(self, type_name: str | None, pipeline: str | None, limit: int | None) -> list[Any]:
        if type_name is not None:
            if self._types.artifact_type_if_known(type_name) is None:
                return []
            candidates = self.newest(type_name, pipeline)
        else:
            candidates = self._newest_of_all()
        chosen: list[Any] = []
        for found in candidates:
            if limit is not None and len(chosen) >= limit:
                break
            if self._made_by(found, pipeline, None):
                chosen.append(found)
        return chosen

    def _newest_of_all(self) -> Iterator[Any]:
        mlmd = library().mlmd
        limit = 100
        newest = mlmd.ListOptions(limit=limit, order_by=mlmd.OrderByField.ID, is_asc=False)
        found = self._connection.read("get_artifacts", newest)
        yield from found
        last = found[-1].id if len(found) == limit else 0
        while last > 1:
            first = max(1, last - limit)
            found = self._connection.read("get_artifacts_by_id", range(first, last))
            yield from sorted(found, key=lambda each: -each.id)
            last = first

    def _made_by(self, found: Any, pipeline: str | None, node_id: str | None) -> bool:
        if pipeline is None and node_id is None:
            return True
        maker = (
            recorded(found, PIPELINE_NAME_PROPERTY),
            recorded(found, PRODUCER_COMPONENT_PROPERTY),
        )
        if not found.external_id:
            contexts = self.foreign.makers([found.id]).get(found.id, {})
            maker = (contexts.get(PIPELINE, ""), node_of(contexts))
        return pipeline in (None, maker[0]) and node_id in (None, maker[1])

    def mark_deleted(self, ids: Iterable[int]) -> None:
        """See `MetadataStore.mark_deleted`."""
        protos = library().protos
        with self._connection.holding(writing=True):
            found = self.fetch(ids)
            for first in range(0, len(found), 500):
                chunk = found[first : first + 500]
                for each in chunk:
                    each.state = protos.Artifact.DELETED
                self._connection.write("put_artifacts", chunk, field_mask_paths=["state"])


def _property_type(value: PropertyValue) -> PropertyType:
    if isinstance(value, str):
        return PropertyType.STRING
    return PropertyType.FLOAT if isinstance(value, float) else PropertyType.INT
