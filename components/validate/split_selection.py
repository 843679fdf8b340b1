# SPDX-License-Identifier: Apache-2.0
"""Which splits of an artifact a validation node works on."""

from __future__ import annotations

from collections.abc import Sequence

from ...utils.errors import ParameterError, nearest
from ...utils.logs import get_logger

_log = get_logger(__name__)


def remaining_splits(
    splits: Sequence[str], exclude_splits: Sequence[str], node: str | None
) -> list[str]:
    """`splits` without those excluded, in order.

    A name like none of the splits is passed over with a warning: what comes after a node that
    left a split out may leave it out as well.

    Raises:
        ParameterError: A name looks like a misspelt split, or none is left.
    """
    for name in exclude_splits:
        if name in splits:
            continue
        near = nearest(name, splits)
        if near:
            raise ParameterError(
                f"exclude_splits names {name!r}, which is no split of the input",
                node=node,
                expected=", ".join(splits),
                got=name,
                suggestion=near,
            )
        _log.warning("%s: there is no split %r to exclude: %s", node, name, ", ".join(splits))
    left = [name for name in splits if name not in exclude_splits]
    if not left:
        raise ParameterError(
            "exclude_splits leaves no split",
            node=node,
            expected="at least one split that is not excluded",
            got=", ".join(exclude_splits) or "an input without splits",
        )
    return left
