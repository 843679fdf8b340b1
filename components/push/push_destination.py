# SPDX-License-Identifier: Apache-2.0
"""Where a pushed model goes: the parameter that `Pusher` takes.

Field names are those of TFX's `pusher_pb2.PushDestination`
(https://www.tensorflow.org/tfx/guide/pusher).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Versioning = Literal["AUTO", "UNIX_TIMESTAMP"]

_VERSIONING_BY_NUMBER: dict[int, Versioning] = {0: "AUTO", 1: "UNIX_TIMESTAMP"}


class Filesystem(BaseModel):
    """A folder that a model server watches.

    Attributes:
        base_directory: The folder. Each push adds `<base_directory>/<version>/`.
        versioning: How versions are numbered. `AUTO` chooses what suits the destination;
            `UNIX_TIMESTAMP`, the only other kind, is what it chooses for a folder.
    """

    model_config = ConfigDict(extra="forbid")

    base_directory: str = Field(min_length=1)
    versioning: Versioning = "AUTO"

    @field_validator("versioning", mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        # The enum's numbers are what a protocol buffer's text form may hold.
        return _VERSIONING_BY_NUMBER.get(value, value) if isinstance(value, int) else value


class PushDestination(BaseModel):
    """Where to push to.

    Attributes:
        filesystem: A folder in TensorFlow Serving's layout.
    """

    model_config = ConfigDict(extra="forbid")

    filesystem: Filesystem
