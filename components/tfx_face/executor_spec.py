# SPDX-License-Identifier: Apache-2.0
"""Which executor a component has: `ExecutorClassSpec` and its kin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..base.container_component import CommandPart


class ExecutorSpec:
    """Base of what names an executor."""


class ExecutorClassSpec(ExecutorSpec):
    """An executor that is a Python class."""

    def __init__(self, executor_class: type) -> None:
        self.executor_class: Any = executor_class
        self.extra_flags: list[str] = []

    def add_extra_flags(self, extra_flags: Iterable[str] | str) -> None:
        """Gives the executor flags, which it finds in its context."""
        self.extra_flags += [extra_flags] if isinstance(extra_flags, str) else extra_flags


class BeamExecutorSpec(ExecutorClassSpec):
    """An executor that starts Beam pipelines."""

    def __init__(self, executor_class: type) -> None:
        super().__init__(executor_class)
        self.beam_pipeline_args: list[str] = []

    def add_beam_pipeline_args(self, beam_pipeline_args: Iterable[str]) -> None:
        """Gives the executor's Beam pipelines flags beside the pipeline's own."""
        self.beam_pipeline_args += beam_pipeline_args


class ExecutorContainerSpec(ExecutorSpec):
    """An executor that is a container.

    Args:
        image: The image.
        command: Program and arguments, with placeholders where values come in.
        args: More arguments.
    """

    def __init__(
        self,
        image: str,
        command: Sequence[CommandPart] | None = None,
        args: Sequence[CommandPart] | None = None,
    ) -> None:
        self.image = image
        self.command = [*(command or ()), *(args or ())]
