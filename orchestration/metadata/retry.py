# SPDX-License-Identifier: Apache-2.0
"""Tries again what failed only because somebody else was writing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on trying.

    Attributes:
        deadline_s: Seconds after which the last error is raised.
        first_delay_s: Longest wait before the second try, in seconds; doubles each time.
        max_delay_s: Longest wait of all, in seconds.
    """

    deadline_s: float = 60.0
    first_delay_s: float = 0.01
    max_delay_s: float = 1.0


def retrying(
    call: Callable[[], T],
    is_transient: Callable[[Exception], bool],
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """What `call` returns, tried again while it fails with a transient error.

    The waits grow exponentially and are drawn at random below that bound ("full jitter"),
    so that writers which collided once do not collide again in step.

    Raises:
        Exception: What `call` raised last, or at once where it is not transient.
    """
    end = clock() + policy.deadline_s
    bound = policy.first_delay_s
    while True:
        try:
            return call()
        except Exception as error:
            if not is_transient(error) or clock() >= end:
                raise
        sleep(random.uniform(0.0, bound))
        bound = min(2 * bound, policy.max_delay_s)
