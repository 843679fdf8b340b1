# SPDX-License-Identifier: Apache-2.0
"""What a split may be called: names become folders (`Split-<name>`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_split_name(name: str) -> str:
    """`name`, if it can be a folder's.

    Raises:
        ValueError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a split's name starts with a letter or digit, and has only letters, digits, "
            "'_', '-' and '.'"
        )
    return name


def check_unique(names: Sequence[str]) -> None:
    """Checks that no name occurs twice.

    Raises:
        ValueError: One does.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"split {twice[0]!r} is named twice")
