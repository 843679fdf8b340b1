# SPDX-License-Identifier: Apache-2.0
"""Which splits of two artifacts are compared with each other."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...utils.errors import ParameterError, nearest
from ..base.artifact import SplitArtifact

Pair = tuple[str, str]


def split_pairs(
    test: Sequence[str], base: Sequence[str], included: Sequence[Pair], node: str
) -> list[Pair]:
    """The pairs that are included; by default those of equal names.

    Raises:
        ParameterError: A pair names a split that is not there, or there is no pair.
    """
    for pair in included:
        for name, splits, whose in zip(pair, (test, base), ("the", "the baseline's"), strict=True):
            if name not in splits:
                raise ParameterError(
                    f"include_split_pairs names {name!r}, which is not among {whose} splits",
                    node=node,
                    expected=", ".join(splits),
                    got=f"{pair[0]}, {pair[1]}",
                    suggestion=nearest(name, splits),
                )
    found = list(dict.fromkeys(included)) or [(name, name) for name in test if name in base]
    if not found:
        raise ParameterError(
            "no split has a name that both inputs have",
            node=node,
            expected=f"one of {', '.join(test)}",
            got=", ".join(base),
            fix="say which to compare: include_split_pairs=[(split, split of the baseline)]",
        )
    return found


def pair_name(pair: Pair) -> str:
    """Name of a pair as a split of the output."""
    return f"{pair[0]}_{pair[1]}"


def pair_folder(artifact: SplitArtifact, pair: Pair) -> str:
    """The folder of a pair, which exists then."""
    folder = artifact.path(f"SplitPair-{pair_name(pair)}")
    os.makedirs(folder, exist_ok=True)
    return folder
