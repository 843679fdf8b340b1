# SPDX-License-Identifier: Apache-2.0
"""Components that do nothing. By themselves, so that workers load nothing else."""

from __future__ import annotations

import time

from penstock import Integer, OptionalInput, OutputDict, component


@component
def idle(number: int, after: OptionalInput[Integer] = None) -> OutputDict(out=int):
    """Does nothing."""
    return {"out": number}


@component
def nap(number: int) -> OutputDict(out=int):
    """Sleeps."""
    time.sleep(2.0)
    return {"out": number}
