# SPDX-License-Identifier: Apache-2.0
"""What a model server is told when it starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class LogSettings:
    """The prediction log.

    Attributes:
        folder: Where its files go, below `<model name>/<date>/`.
        sample: Share of records to log, above 0 and at most 1.
        max_mib: Size of all its files, in MiB; the oldest are deleted above it.
        file_rows: Records in a file at most.
        file_seconds: Age of a record in seconds at which it is written at the latest.
    """

    folder: str
    sample: float = 1.0
    max_mib: int = 1024
    file_rows: int = 50_000
    file_seconds: float = 60.0


@dataclass(frozen=True)
class ServerSettings:
    """A model server.

    Attributes:
        name: The model's name in URLs.
        source: `directory` for a folder of versions or one model's folder, `registry` for a
            name in the metadata store.
        location: The folder, or the name in the registry.
        metadata: Connection of the metadata store, for a registry.
        host: Address to listen on.
        port: Port; 0 for one that is free.
        token: What clients must send as `Authorization: Bearer …`; empty for none.
        versions: Which versions to serve: `latest`, `latest:N`, `all`, or numbers separated
            by commas. Versions with a label are served besides.
        labels: Versions that have a label, by label; the version may be `latest`.
        poll_seconds: How often to look for new versions.
        threads: Predictions computed at a time.
        max_body_mib: Largest request, in MiB.
        max_rows: Most records in a request.
        schema: A `tensorflow_metadata` schema file to check requests against; empty for none.
        signature: Signature of a SavedModel; empty for its default.
        trusted_types: Types that a model may be made of, besides those known to be harmless.
        drain_seconds: How long requests may still take once the server is told to stop.
        log: The prediction log; None for none.
        verbosity: As `penstock -v`.
    """

    name: str
    location: str
    source: Literal["directory", "registry"] = "directory"
    metadata: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    token: str = ""
    versions: str = "latest"
    labels: dict[str, str] = field(default_factory=dict)
    poll_seconds: float = 2.0
    threads: int = 4
    max_body_mib: float = 16.0
    max_rows: int = 10_000
    schema: str = ""
    signature: str = ""
    trusted_types: tuple[str, ...] = ()
    drain_seconds: float = 20.0
    log: LogSettings | None = None
    verbosity: int = 0

    def to_json(self) -> str:
        """One line of JSON, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServerSettings:
        """Reads what `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        log = raw.pop("log")
        trusted = tuple(raw.pop("trusted_types"))
        return cls(**raw, trusted_types=trusted, log=LogSettings(**log) if log else None)
