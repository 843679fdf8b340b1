# SPDX-License-Identifier: Apache-2.0
"""Which splits of an artifact are looked at."""

from __future__ import annotations

from typing import TypeVar

from ....components.base.artifact import Artifact, SplitArtifact
from ....utils.errors import DataError, nearest
from .view import Wanted

A = TypeVar("A", bound=Artifact)


def as_type(artifact: Artifact, kind: type[A]) -> A:
    """An artifact as one of a type: itself, or a copy where its class was made on the spot."""
    if isinstance(artifact, kind):
        return artifact
    made = kind(artifact.uri, id=artifact.id, name=artifact.name)
    made.properties.update(artifact.properties)
    made.custom_properties.update(artifact.custom_properties)
    return made


def chosen_splits(artifact: SplitArtifact, wanted: Wanted) -> list[str]:
    """Names of the splits to show.

    Raises:
        DataError: There is no such split.
    """
    for split in wanted.splits:
        if split not in artifact.splits:
            raise DataError(
                f"{artifact.TYPE_NAME} has no split {split!r}",
                expected=", ".join(artifact.splits) or "no splits at all",
                got=split,
                suggestion=nearest(split, artifact.splits),
                location=artifact.uri,
            )
    return list(wanted.splits) or artifact.splits
