# SPDX-License-Identifier: Apache-2.0
"""A component that does nothing. By itself, so that workers load nothing else."""

from __future__ import annotations

from penstock import Input, Integer, OutputDict, component


@component
def idle(number: int, after: Input[Integer] = None) -> OutputDict(out=int):  # type: ignore
    """Does nothing."""
    return {"out": number}
