# SPDX-License-Identifier: Apache-2.0
"""What a watcher keeps in the metadata store: how far it is, and that it is the only one.

How far it is, is a context of type `watch`, named by the pipeline. That it is the only one
is a lease: a context of type `watch_lease`, named by the pipeline and a number. ML Metadata
gives a name to one writer only, in every database, so of several that take the next number
at once one succeeds. A lease runs out unless it is renewed; a later number ends it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...utils.errors import MetadataError
from .codec import read_properties, write_properties
from .connection import Connection
from .connection_settings import MetadataConfig
from .contexts import Contexts
from .library import library
from .owner import ProcessOwner
from .type_names import WATCH, WATCH_LEASE
from .type_registry import TypeRegistry

_GROUP = "custom_properties"
_STATE = "state"
_NUMBER = "lease"


@dataclass(frozen=True)
class Lease:
    """Says who watches a pipeline.

    Attributes:
        pipeline: Name of the pipeline.
        number: The lease's number, from 1.
        owner: The process that holds it.
        token: Tells two holders in one process apart.
        expires_at: When it runs out, in seconds since the epoch.
    """

    pipeline: str
    number: int
    owner: ProcessOwner
    token: str
    expires_at: float

    def held(self, now: float) -> bool:
        """Whether its holder may still be at work."""
        # The clocks of two machines need agree only as far as leases are long.
        return self.expires_at > now and self.owner.alive() is not False

    @property
    def holder(self) -> str:
        """Who holds it, for people."""
        return f"process {self.owner.pid} on {self.owner.host}"


class WatchRecords:
    """Reads and writes what watchers keep, over a connection of its own.

    Args:
        config: Which store.

    Raises:
        MetadataError: It cannot be opened.
    """

    def __init__(self, config: MetadataConfig) -> None:
        self._connection = Connection(config)
        self._contexts = Contexts(self._connection, TypeRegistry(self._connection))

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def state(self, pipeline: str) -> dict[str, Any]:
        """What was kept of a pipeline; empty where nothing was."""
        with self._connection.holding(writing=False):
            kept = self._read(WATCH, pipeline)
        found: dict[str, Any] = json.loads(str(kept.get(_STATE, "{}")))
        return found

    def keep(self, pipeline: str, state: Mapping[str, Any], lease: Lease) -> None:
        """Keeps a state in place of the one before. Only the holder of the lease may.

        Raises:
            MetadataError: The lease has gone to somebody else.
        """
        with self._connection.holding(writing=True):
            if self._lease(pipeline, lease.number + 1) is not None:
                raise MetadataError(
                    f"somebody else watches {pipeline} by now",
                    got=f"lease {lease.number + 1}; this process holds lease {lease.number}",
                    fix="nothing: that watcher goes on",
                )
            text = json.dumps({**state, _NUMBER: lease.number}, sort_keys=True)
            self._write(WATCH, pipeline, {_STATE: text})

    def current(self, pipeline: str) -> Lease | None:
        """The newest lease of a pipeline; None where there never was one."""
        with self._connection.holding(writing=False):
            number = int(self.state(pipeline).get(_NUMBER, 0))
            found = self._lease(pipeline, number) if number else None
            while (following := self._lease(pipeline, number + 1)) is not None:
                found, number = following, number + 1
        return found

    def acquire(self, pipeline: str, now: float, seconds: float) -> Lease | None:
        """Takes the lease of a pipeline; None where somebody else holds it."""
        before = self.current(pipeline)
        if before is not None and before.held(now):
            return None
        number = before.number + 1 if before else 1
        made = Lease(pipeline, number, ProcessOwner.current(), secrets.token_hex(4), now + seconds)
        try:
            with self._connection.holding(writing=True):
                self._write(WATCH_LEASE, _name(pipeline, number), _lease_values(made), new=True)
        except library().errors.AlreadyExistsError:
            return None
        return made

    def renew(self, lease: Lease, until: float) -> Lease | None:
        """The lease with a later end; None where it has gone to somebody else."""
        renewed = Lease(lease.pipeline, lease.number, lease.owner, lease.token, until)
        with self._connection.holding(writing=True):
            mine = self._lease(lease.pipeline, lease.number)
            lost = mine is None or mine.token != lease.token
            if lost or self._lease(lease.pipeline, lease.number + 1) is not None:
                return None
            self._write(WATCH_LEASE, _name(lease.pipeline, lease.number), _lease_values(renewed))
        return renewed

    def release(self, lease: Lease) -> None:
        """Gives a lease up."""
        self.renew(lease, 0.0)

    def _lease(self, pipeline: str, number: int) -> Lease | None:
        kept = self._read(WATCH_LEASE, _name(pipeline, number))
        owner = ProcessOwner.from_json(str(kept.get("owner", "")))
        if owner is None:
            return None
        expires_at = float(str(kept.get("expires_at", 0)))
        return Lease(pipeline, number, owner, str(kept.get("token", "")), expires_at)

    def _read(self, type_name: str, name: str) -> dict[str, Any]:
        found = self._contexts.find(type_name, name)
        if found is None:
            return {}
        return read_properties(found.custom_properties, _GROUP, found.custom_properties)

    def _write(
        self, type_name: str, name: str, values: Mapping[str, str], *, new: bool = False
    ) -> None:
        if not new:
            # Known by its id from here on, so that it is written again, not made.
            self._contexts.find(type_name, name)
        made = self._contexts.proto(type_name, name)
        sidecar = self._connection.sidecar()
        write_properties(values, made.custom_properties, sidecar, _GROUP)
        sidecar.write(made.custom_properties)
        self._connection.write("put_contexts", [made])


def _name(pipeline: str, number: int) -> str:
    return f"{pipeline}#{number}"


def _lease_values(lease: Lease) -> dict[str, str]:
    return {
        "owner": lease.owner.to_json(),
        "token": lease.token,
        "expires_at": repr(lease.expires_at),
    }
