# SPDX-License-Identifier: Apache-2.0
"""`tfx.dsl.placeholders`: values in the command of a container component.

`input("model").uri`, `output("report").uri` and `exec_property("rate")`, joined with `+`.
"""

from __future__ import annotations

from typing import Any

from ...utils.errors import ParameterError
from ...utils.source_location import caller_location
from ..base.container_component import InputUri, OutputUri, ParameterValue, Text
from ..base.expression import PIPELINE_NAME, PIPELINE_ROOT, RUN_ID


class _Joined(Text):
    """Placeholders that `+` joins."""

    def __add__(self, other: Any) -> _Joined:
        return _Joined(*self.parts, *_parts(other))

    def __radd__(self, other: Any) -> _Joined:
        return _Joined(*_parts(other), *self.parts)


def _parts(value: Any) -> tuple[Any, ...]:
    return value.parts if isinstance(value, Text) else (value,)


class ArtifactPlaceholder:
    """The first artifact of an input or output."""

    def __init__(self, key: str, part: type[InputUri] | type[OutputUri]) -> None:
        self._key = key
        self._part = part

    def __getitem__(self, index: int) -> ArtifactPlaceholder:
        if index != 0:
            raise ParameterError(
                "a container's command can name the first artifact only",
                expected="[0]",
                got=f"[{index}]",
                location=caller_location(),
            )
        return self

    @property
    def uri(self) -> _Joined:
        """Where the artifact lies."""
        return _Joined(self._part(self._key))

    def split_uri(self, split: str) -> _Joined:
        """Where a split of the artifact lies."""
        return self.uri + f"/Split-{split}"


def input(key: str) -> ArtifactPlaceholder:
    """An input of the component."""
    return ArtifactPlaceholder(key, InputUri)


def output(key: str) -> ArtifactPlaceholder:
    """An output of the component."""
    return ArtifactPlaceholder(key, OutputUri)


def exec_property(key: str) -> _Joined:
    """A parameter of the component."""
    return _Joined(ParameterValue(key))


class ExecutionInvocation:
    """Facts of the run, for parameters: `execution_invocation().pipeline_run_id`."""

    pipeline_run_id = RUN_ID
    top_level_pipeline_run_id = RUN_ID
    pipeline_name = PIPELINE_NAME
    pipeline_root = PIPELINE_ROOT


def execution_invocation() -> ExecutionInvocation:
    """Facts of the run."""
    return ExecutionInvocation()
