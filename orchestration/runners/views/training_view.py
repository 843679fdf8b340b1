# SPDX-License-Identifier: Apache-2.0
"""How training went: curves from TensorBoard's logs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ....components.base.artifact import Artifact
from ....utils import storage
from .event_files import read_scalars
from .files_view import files_table
from .view import Block, Curves, Table, View, Wanted, Words

#: How Keras begins the names of what it logs once in an epoch.
_EPOCH = "epoch_"


def _place(tag: str) -> tuple[bool, bool, str]:
    """Epochs before steps, and the loss before all else."""
    return not tag.startswith(_EPOCH), tag.removeprefix(_EPOCH) != "loss", tag


def _ends(points: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """The least and the greatest value; NaN is neither."""
    values = [y for _, y in points if not math.isnan(y)]
    return min(values, default=None), max(values, default=None)


def training_view(artifact: Artifact, wanted: Wanted) -> View:
    """Curves of every number that training logged.

    Raises:
        DataError: The library that knows the logs is not installed.
    """
    folder = storage.local_path(artifact.uri)
    scalars = {
        tag: series
        for tag, series in read_scalars(folder).items()
        if not wanted.features or tag in wanted.features
    }
    blocks: list[Block] = []
    for tag in sorted(scalars, key=_place):
        name = tag.removeprefix(_EPOCH)
        lines = {series or name: points for series, points in scalars[tag].items()}
        step = "epoch" if tag.startswith(_EPOCH) else "step"
        blocks.append(Curves(f"{name} by {step}", step, name, lines))
    if scalars:
        rows = [
            (tag, series, len(points), points[-1][1], *_ends(points))
            for tag, each in scalars.items() for series, points in each.items()
        ]  # fmt: skip
        columns = ("number", "series", "points", "last", "least", "greatest")
        blocks.append(Table(columns, rows, "What was logged"))
    else:
        blocks.append(Words("Training logged nothing that TensorBoard would draw.", "dim"))
        blocks.append(files_table(artifact))
    return View("Training", blocks, artifact.uri)
