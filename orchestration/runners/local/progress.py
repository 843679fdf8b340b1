# SPDX-License-Identifier: Apache-2.0
"""Chooses how a run is shown: drawn live, as plain lines, or not at all."""

from __future__ import annotations

import os
from typing import TextIO

from ....utils.terminal import is_terminal
from .live_progress import LiveProgress
from .plain_progress import PlainProgress
from .progress_observer import ProgressObserver


def progress_for(stream: TextIO, title: str, *, quiet: bool = False) -> ProgressObserver:
    """What shows a run on a stream.

    A terminal gets a table that is drawn again and again, unless `TERM` is `dumb` or `CI` is
    set; anything else gets one line for each event.

    Args:
        stream: Where to show it.
        title: Name of the pipeline.
        quiet: Shows nothing.
    """
    if quiet:
        return ProgressObserver()
    if is_terminal(stream) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        return LiveProgress(stream, title)
    return PlainProgress(stream, title)
