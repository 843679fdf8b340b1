# SPDX-License-Identifier: Apache-2.0
"""What happened to registered models, in the store: an ever-growing list for each of them.

A registered model is a context of type `registered_model`; with it belong the executions
that pushed it and the artifacts they put out. Every push, promotion, roll-back and the like
is a context of type `model_event`, numbered from 1 without gaps (see `series`). What a model's
versions and stages are follows from its events alone (`orchestration.registry.history`), so
one event, added in one transaction, changes any number of them at once; and of two writers
that saw the same state only one succeeds.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...utils.errors import MetadataError
from .codec import check_name, read_properties, write_properties
from .connection import Connection
from .contexts import Contexts
from .library import library
from .series import highest, number_of, series_key, series_prefix, taken_in
from .type_names import MODEL_EVENT, REGISTERED_MODEL

_GROUP = "custom_properties"
_MODEL, _ACTION, _BODY = "model_name", "action", "event"

#: How many events one look-up fetches.
_PORTION = 256

#: How often an event is tried again whose number another process took first.
_CONFLICTS = 100


@dataclass(frozen=True)
class ModelEvent:
    """One thing that happened to a registered model.

    Attributes:
        model: Name of the model.
        number: Its number among the model's events, from 1.
        action: What happened: `push`, `promote`, …
        at: When, in seconds since the epoch.
        body: All else there is to know, as JSON-compatible data.
    """

    model: str
    number: int
    action: str
    at: float
    body: Mapping[str, Any]


#: Makes the action and body of the event with a number, from the events before that number:
#: asked again, for another number, after a conflict. None where there is nothing to record.
NextEvent = Callable[[int], "tuple[str, Mapping[str, Any]] | None"]


@dataclass(frozen=True)
class Registration:
    """An event that is to be recorded together with the execution that it tells of.

    Attributes:
        model: Name of the model.
        next_event: See `NextEvent`.
    """

    model: str
    next_event: NextEvent


class ModelEvents:
    """Reads and writes the events of registered models."""

    def __init__(self, connection: Connection, contexts: Contexts) -> None:
        self._connection = connection
        self._contexts = contexts
        #: Numbers that models have reached at least.
        self._reached: dict[str, int] = {}

    def names(self) -> list[str]:
        """Names of all registered models, sorted."""
        with self._connection.holding(writing=False):
            try:
                found = self._connection.read("get_contexts_by_type", REGISTERED_MODEL)
            except library().errors.NotFoundError:
                return []
        return sorted(context.name for context in found)

    def count(self, model: str) -> int:
        """How many events a model has; 0 where there is no such model."""
        with self._connection.holding(writing=False):
            start = self._reached.get(model, 0)
            reached = highest(taken_in(_prefix(model), self._by_keys), start)
            self._reached[model] = reached
            return reached

    def between(self, model: str, first: int, last: int) -> list[ModelEvent]:
        """Events of a model by number, in order; `last` is one of them."""
        found: list[ModelEvent] = []
        with self._connection.holding(writing=False):
            for start in range(first, last + 1, _PORTION):
                numbers = range(start, min(start + _PORTION, last + 1))
                found += map(self._event, self._by_keys(_keys(model, numbers)))
        # A database that holds names for equal which differ in case mixes two models here.
        return sorted((e for e in found if e.model == model), key=lambda event: event.number)

    def _by_keys(self, keys: list[str]) -> list[Any]:
        return self._connection.by_external_ids("contexts", keys)

    def _event(self, context: Any) -> ModelEvent:
        values = read_properties(context.custom_properties, _GROUP, context.custom_properties)
        return ModelEvent(
            model=str(values.get(_MODEL, "")),
            number=number_of(context.external_id),
            action=str(values.get(_ACTION, "")),
            at=context.create_time_since_epoch / 1000,
            body=json.loads(str(values.get(_BODY, "{}"))),
        )

    def _messages(self, model: str, next_event: NextEvent) -> list[Any]:
        """The contexts that record the next event of a model; none where there is none."""
        # The number first: whatever comes in between takes it, and this event conflicts.
        number = self.count(model) + 1
        event = next_event(number)
        if event is None:
            return []
        action, body = event
        # A name of its own: a name that is there would be taken for the same event.
        made = self._contexts.proto(MODEL_EVENT, f"{model}#{number}.{secrets.token_hex(4)}")
        made.external_id = series_key(_prefix(model), number)
        sidecar = self._connection.sidecar()
        values = {_MODEL: model, _ACTION: action, _BODY: json.dumps(body, sort_keys=True)}
        write_properties(values, made.custom_properties, sidecar, _GROUP)
        sidecar.write(made.custom_properties)
        return [self._contexts.proto(REGISTERED_MODEL, model), made]

    def registered(self, registration: Registration | None) -> list[Any]:
        """The contexts to put into the transaction that publishes an execution."""
        if registration is None:
            return []
        check_name(registration.model)
        return self._messages(registration.model, registration.next_event)

    def append(self, model: str, next_event: NextEvent) -> bool:
        """Adds an event in one transaction; False where there turned out to be none to add.

        Raises:
            MetadataError: Other processes keep changing the model.
        """
        check_name(model)
        with self._connection.holding(writing=True):
            for _ in range(_CONFLICTS):
                messages = self._messages(model, next_event)
                if not messages:
                    return False
                parent, made = messages
                if self._contexts.find(REGISTERED_MODEL, model) is None:
                    self._put([parent])
                if self._put([made]):
                    return True
        raise MetadataError(
            f"model {model!r} cannot be changed",
            got=f"{_CONFLICTS} conflicts with other processes",
            fix="try again when fewer processes change it at once",
        )

    def _put(self, contexts: list[Any]) -> bool:
        try:
            self._connection.write("put_contexts", contexts)
        except library().errors.AlreadyExistsError:
            return False
        return True


def _prefix(model: str) -> str:
    return series_prefix("models", model)


def _keys(model: str, numbers: range) -> list[str]:
    return [series_key(_prefix(model), number) for number in numbers]
