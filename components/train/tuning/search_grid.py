# SPDX-License-Identifier: Apache-2.0
"""All combinations of what may be tried."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from ...base.search_space import Choice, Domain, FloatRange

#: So many values of a range that has no step.
_POINTS = 5


def combinations(domains: Iterable[Domain]) -> list[tuple[Any, ...]]:
    """All combinations of the values of some domains, the last one changing fastest.

    Choices are JSON text, as a study draws them.
    """
    return list(itertools.product(*map(_values, domains)))


def _values(domain: Domain) -> list[Any]:
    """The values of a domain that a grid has."""
    if isinstance(domain, Choice):
        return [json.dumps(each) for each in domain.choices]
    if domain.step is not None or not isinstance(domain, FloatRange):
        step = domain.step or max(1, (domain.high - domain.low) // (_POINTS - 1))
        count = int((domain.high - domain.low) / step + 1e-9) + 1
        if domain.log:
            return sorted({round(value) for value in _spread(domain.low, domain.high, log=True)})
        return [domain.low + index * step for index in range(count)]
    return _spread(domain.low, domain.high, log=domain.log)


def _spread(low: float, high: float, *, log: bool) -> list[float]:
    shares = [index / (_POINTS - 1) for index in range(_POINTS)]
    if log:
        found = [low * (high / low) ** share for share in shares]
    else:
        found = [low + (high - low) * share for share in shares]
    return sorted({low, *found[1:-1], high})
