# SPDX-License-Identifier: Apache-2.0
"""Reasons to run a pipeline, and those that only the clock knows.

A trigger keeps nothing by itself. What it has to remember is a *state*, plain data that the
watcher keeps in the metadata store; so a watcher that was stopped goes on where it was.
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ....utils.errors import ParameterError
from ....utils.readable import duration, moment

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True)
class Due:
    """A trigger says that the pipeline is to run.

    Attributes:
        reason: Why, for people.
        state: The trigger's state once the run has been.
    """

    reason: str
    state: Any


@dataclass(frozen=True)
class Quiet:
    """A trigger has no reason for a run.

    Attributes:
        state: The trigger's state from now on.
        next_look: When it is worth looking again, in seconds since the epoch.
        waits_for: What it waits for, for people.
    """

    state: Any
    next_look: float = math.inf
    waits_for: str = ""


class Trigger(Protocol):
    """A reason to run a pipeline."""

    @property
    def key(self) -> str:
        """Under which its state is kept."""

    def check(self, state: Any, now: float) -> Due | Quiet:
        """Whether the pipeline is to run.

        Args:
            state: What was kept for the trigger; None at first.
            now: The time, in seconds since the epoch.
        """

    def after_run(self, state: Any) -> Any:
        """The state once a run has ended, from the one of when it began."""


class Every:
    """Runs at intervals, the first time at once.

    An interval that passed while nobody watched, or while a run went on, is not made up for:
    however many passed, there is one run.

    Args:
        seconds: Length of an interval.

    Raises:
        ParameterError: It is not positive.
    """

    key = "every"

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ParameterError("an interval is longer than nothing", got=repr(seconds))
        self.seconds = seconds

    def check(self, state: Any, now: float) -> Due | Quiet:
        """See `Trigger.check`."""
        kept = state if isinstance(state, dict) and state.get("seconds") == self.seconds else {}
        due = float(kept.get("next", now))
        if now < due:
            return Quiet(state, due, f"the next interval, at {moment(due)}")
        missed = math.floor((now - due) / self.seconds)
        following = due + (missed + 1) * self.seconds
        return Due(f"every {duration(self.seconds)}", {"next": following, "seconds": self.seconds})

    def after_run(self, state: Any) -> Any:
        """See `Trigger.after_run`."""
        return state


class Cron:
    """Runs at the moments of a cron expression.

    Moments that passed while nobody watched are made up for by one run.

    Args:
        expression: Five fields (`0 6 * * 1-5`), or a preset such as `@daily`.
        timezone: Name of the time zone in which it is meant; UTC by default.

    Raises:
        ParameterError: There is no such expression or time zone.
    """

    key = "cron"

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        from croniter import croniter

        if not croniter.is_valid(expression):
            raise ParameterError(
                f"{expression!r} is no cron expression",
                expected="minute, hour, day of month, month, day of week, as in '0 6 * * 1-5'; "
                "or @hourly, @daily, @weekly, @monthly",
                got=expression,
            )
        try:
            self.zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ParameterError(
                f"there is no time zone {timezone!r}",
                expected="a name such as Europe/Berlin or UTC",
                got=timezone,
            ) from None
        self.expression = expression
        self.timezone = timezone

    def following(self, now: float) -> float:
        """The first moment after `now`."""
        from croniter import croniter

        start = datetime.datetime.fromtimestamp(now, self.zone)
        found: datetime.datetime = croniter(self.expression, start).get_next(datetime.datetime)
        return found.timestamp()

    def check(self, state: Any, now: float) -> Due | Quiet:
        """See `Trigger.check`."""
        mine = {"cron": self.expression, "timezone": self.timezone}
        known = isinstance(state, dict) and mine.items() <= state.items() and "next" in state
        following: dict[str, Any] = {**mine, "next": self.following(now)}
        kept: dict[str, Any] = state if known else following
        due = float(kept["next"])
        if now < due:
            return Quiet(kept, due, f"{moment(due)} ({self.expression})")
        late = f", {duration(now - due)} late" if now - due >= 60 else ""
        return Due(f"{moment(due)} by {self.expression!r}{late}", following)

    def after_run(self, state: Any) -> Any:
        """See `Trigger.after_run`."""
        return state


def read_duration(text: str) -> float:
    """Seconds of a duration as people write it: `90s`, `15m`, `1h 30m`, `1d`; a number is seconds.

    Raises:
        ParameterError: It is none.
    """
    found = _PART.findall(text)
    rest = _PART.sub("", text).strip()
    try:
        seconds = float(text) if not found else sum(float(n) * _UNITS[unit] for n, unit in found)
    except ValueError:
        seconds = 0.0
    if (rest and found) or not 0 < seconds < math.inf:
        raise ParameterError(
            f"{text!r} is no duration", expected="for instance 30s, 15m, 1h 30m or 1d", got=text
        )
    return seconds
