# SPDX-License-Identifier: Apache-2.0
"""`%%skip_for_export`, which notebooks written for TFX put above cells.

TFX leaves such cells out when it exports a notebook's pipeline. `InteractiveContext.export`
writes what was run, so the cell is run as any other.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Called by `%load_ext`."""

    def skip_for_export(line: str, cell: str) -> None:
        del line
        ipython.run_cell(cell)

    ipython.register_magic_function(skip_for_export, "cell", "skip_for_export")
