# SPDX-License-Identifier: Apache-2.0
"""The model that an InfraValidator judges, and what it is judged by."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.artifact_types import Examples
from .infra_specs import RequestSpec, ServingSpec, ValidationSpec


@dataclass(frozen=True)
class Candidate:
    """What is to be validated, and how.

    Attributes:
        folder: The model's own folder.
        flavor: Its flavor.
        trusted: Types that it may be made of.
        examples: Records to ask about; None to load only.
        schema: Path of a schema file; empty for none.
        serving: Which server.
        requests: Which records.
        limits: What must hold.
    """

    folder: str
    flavor: str
    trusted: list[str]
    examples: Examples | None
    schema: str
    serving: ServingSpec
    requests: RequestSpec
    limits: ValidationSpec
