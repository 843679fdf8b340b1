# SPDX-License-Identifier: Apache-2.0
"""Which splits of an artifact a validation node works on."""

from __future__ import annotations

from collections.abc import Sequence

from ...utils.errors import ParameterError, nearest


def remaining_splits(
    splits: Sequence[str], exclude_splits: Sequence[str], node: str | None
) -> list[str]:
    """`splits` without those excluded, in order.

    Raises:
        ParameterError: A split to exclude is not there, or none is left.
    """
    for name in exclude_splits:
        if name not in splits:
            raise ParameterError(
                f"exclude_splits names {name!r}, which is no split of the input",
                node=node,
                expected=", ".join(splits),
                got=name,
                suggestion=nearest(name, splits),
            )
    left = [name for name in splits if name not in exclude_splits]
    if not left:
        raise ParameterError(
            "exclude_splits leaves no split",
            node=node,
            expected="at least one split that is not excluded",
            got=", ".join(exclude_splits) or "an input without splits",
        )
    return left
