# SPDX-License-Identifier: Apache-2.0
"""What knows its own pictures: `show` needs to know nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from .view import View, Wanted

if TYPE_CHECKING:
    from ....components.base.artifact import Artifact
    from ...metadata.store import MetadataStore


class Pictured(ABC):
    """Something that knows its own pictures."""

    @abstractmethod
    def views(self, wanted: Wanted) -> list[View]:
        """The pictures."""


class Workplace(Pictured):
    """Where components are run, as an interactive context: its pictures are what it has run."""

    @abstractmethod
    def artifacts(self, thing: Any) -> list[Artifact]:
        """The artifacts that something means, such as a channel.

        Raises:
            WiringError: It has not been run here.
        """

    @abstractmethod
    def store(self) -> MetadataStore:
        """The metadata store, opened; close it when done."""
