# SPDX-License-Identifier: Apache-2.0
"""A real server with one candidate in it, as the InfraValidator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Loaded:
    """A server that is ready.

    Attributes:
        load_seconds: From its start until it could answer.
        model_load_seconds: Loading the model alone; None where the server does not tell.
    """

    load_seconds: float
    model_load_seconds: float | None


@dataclass(frozen=True)
class Requests:
    """Records to ask about, in every form that a server may want.

    Attributes:
        batch: The records.
        records: The same as JSON.
        signature: Signature of a SavedModel to ask; None for its default.
    """

    batch: pa.RecordBatch
    records: Sequence[dict[str, Any]]
    signature: str | None

    def single(self, row: int) -> Requests:
        """One of the records."""
        return Requests(self.batch.slice(row, 1), [self.records[row]], self.signature)


class CandidateServer(Protocol):
    """One server; started, asked and stopped once.

    Attributes:
        name: What it is, for people.
    """

    name: str

    def start(self) -> None:
        """Starts it.

        Raises:
            ServerFailed: It cannot be started.
        """

    def wait_ready(self, timeout_s: float) -> Loaded:
        """Waits until it can answer.

        Raises:
            ServerFailed: It does not load the model (`loaded` is False), or does not run.
        """

    def encode(self, requests: Requests) -> bytes:
        """The body of a request."""

    def ask(self, body: bytes) -> list[Any]:
        """Predictions, one for each record, as V1 has them.

        Raises:
            RequestFailed: There is no answer, or a refusal.
        """

    def memory_bytes(self) -> int | None:
        """Memory that it has taken at most; None where that cannot be found out."""

    def stop(self) -> None:
        """Stops it, whatever it is doing; may be called twice."""
