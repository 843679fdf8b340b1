# SPDX-License-Identifier: Apache-2.0
"""What was measured of a candidate in a server, and which limits that misses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...utils.readable import duration
from ..base.artifact import PropertyValue
from .infra_specs import ValidationSpec

_MIB = 2**20
_UNKNOWN = "unknown: it could not be measured (latencies need the input examples)"


@dataclass(frozen=True)
class Miss:
    """A demand that is not met.

    Attributes:
        what: What was demanded of.
        demand: The demand.
        got: What there is instead.
        by: By how much it is missed; empty where that is no number.
    """

    what: str
    demand: str
    got: str
    by: str = ""

    def __str__(self) -> str:
        return f"{self.what}: must be {self.demand}, is {self.got}" + (
            f" ({self.by})" if self.by else ""
        )


@dataclass
class Figures:
    """What was measured; None where it was not.

    Attributes:
        server: The server.
        flavor: The model's flavor.
        load_seconds: From the start of the server until it could answer.
        model_load_seconds: Loading the model alone.
        size_on_disk_bytes: All files of the model.
        memory_bytes: Peak of the server's memory.
        latencies_ms: Time of each request with one record.
        max_difference: Largest difference between the server's answers and the model's own.
        compared_records: Records that were compared.
    """

    server: str = ""
    flavor: str = ""
    load_seconds: float | None = None
    model_load_seconds: float | None = None
    size_on_disk_bytes: int | None = None
    memory_bytes: int | None = None
    latencies_ms: list[float] = field(default_factory=list)
    max_difference: float | None = None
    compared_records: int = 0

    def latency_ms(self, share: float) -> float | None:
        """The time within which a share of the requests was answered (nearest rank)."""
        if not self.latencies_ms:
            return None
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    def properties(self) -> dict[str, PropertyValue]:
        """As properties of the execution."""
        found = {
            "server": self.server,
            "flavor": self.flavor,
            "load_seconds": _rounded(self.load_seconds),
            "model_load_seconds": _rounded(self.model_load_seconds),
            "size_on_disk_bytes": self.size_on_disk_bytes,
            "memory_bytes": self.memory_bytes,
            "latency_p50_ms": _rounded(self.latency_ms(0.5)),
            "latency_p99_ms": _rounded(self.latency_ms(0.99)),
            "latency_requests": len(self.latencies_ms) or None,
            "max_difference": self.max_difference,
            "compared_records": self.compared_records or None,
        }
        return {name: value for name, value in found.items() if value not in (None, "")}

    def summary(self) -> str:
        """One line for the log."""
        parts = [f"{self.flavor} model in {self.server}"]
        if self.load_seconds is not None:
            parts.append(f"ready after {duration(self.load_seconds)}")
        if self.size_on_disk_bytes is not None:
            parts.append(f"{self.size_on_disk_bytes / _MIB:.1f} MiB on disk")
        if self.memory_bytes is not None:
            parts.append(f"{self.memory_bytes / _MIB:.0f} MiB of memory")
        if self.latencies_ms:
            half, most = self.latency_ms(0.5), self.latency_ms(0.99)
            parts.append(f"p50 {half:.1f} ms, p99 {most:.1f} ms")
        if self.max_difference is not None:
            parts.append(
                f"{self.compared_records} answers differ by {self.max_difference:.2g} at most"
            )
        return ", ".join(parts)

    def misses(self, spec: ValidationSpec, complete: bool = True) -> list[Miss]:
        """Limits that are missed.

        Args:
            spec: The limits.
            complete: Whether one that could not be measured is missed too.
        """
        size = None if self.size_on_disk_bytes is None else self.size_on_disk_bytes / _MIB
        memory = None if self.memory_bytes is None else self.memory_bytes / _MIB
        found = [
            _over("time until ready", self.load_seconds, spec.max_loading_time_seconds, "s"),
            _over("time to load the model", self.model_load_seconds,
                  spec.max_model_load_seconds, "s"),
            _over("size on disk", size, spec.max_size_on_disk_mib, "MiB"),
            _over("memory", memory, spec.max_memory_mib, "MiB"),
            _over("median latency", self.latency_ms(0.5), spec.max_p50_latency_ms, "ms"),
            _over("p99 latency", self.latency_ms(0.99), spec.max_p99_latency_ms, "ms"),
        ]  # fmt: skip
        return [each for each in found if each is not None and (complete or each.got != _UNKNOWN)]


def told(misses: Sequence[Miss]) -> str:
    """Misses, each on a line of its own."""
    return "".join(f"\n    {each}" for each in misses)


def _over(what: str, value: float | None, limit: float | None, unit: str) -> Miss | None:
    if limit is None:
        return None
    demand = f"at most {limit:g} {unit}"
    if value is None:
        return Miss(what, demand, _UNKNOWN)
    if value <= limit:
        return None
    times = f", {value / limit:.1f} times the limit" if value >= 1.5 * limit else ""
    return Miss(what, demand, f"{value:.4g} {unit}", f"{value - limit:.4g} {unit} too much{times}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
