# SPDX-License-Identifier: Apache-2.0
"""Something in a project that rewriting imports does not move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """A place that needs a hand.

    Attributes:
        line: Its line; of a notebook, the line in its cell.
        what: What is there.
        instead: What to do.
        cell: Number of the notebook's cell, from 1; 0 in a file of Python.
    """

    cell: int
    line: int
    what: str
    instead: str
