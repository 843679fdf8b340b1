# SPDX-License-Identifier: Apache-2.0
"""Components that do nothing. By themselves, so that workers load nothing else."""

from __future__ import annotations

import time

from penstock import Input, Integer, OutputDict, component


@component
def idle(number: int, after: Input[Integer] = None) -> OutputDict(out=int):  # type: ignore
    """Does nothing."""
    return {"out": number}


@component
def nap(number: int) -> OutputDict(out=int):  # type: ignore
    """Sleeps."""
    time.sleep(2.0)
    return {"out": number}
