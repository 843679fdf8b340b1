# SPDX-License-Identifier: Apache-2.0
"""Loads large libraries without what they say meanwhile about themselves and their like."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Drops, within the block, what is said to the root logger, and announcements.

    Libraries below Beam announce the end of Python versions; Beam misses one that it needs only
    where another is missing; TensorFlow tells how it was built. Errors are raised as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A logger's filter sees what is said to that logger itself, not to those below it.
    root = logging.getLogger()
    root.addFilter(_drop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        root.removeFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:
    del record
    return False
