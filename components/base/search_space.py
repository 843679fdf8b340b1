# SPDX-License-Identifier: Apache-2.0
"""What a search may try for one value: a range of numbers, or a list of choices.

The same description is written in Python, in YAML and on the command line:

=====================================  ===============================  =======================
Python                                 plain data (YAML, JSON)          text
=====================================  ===============================  =======================
`FloatRange(1e-4, 1e-1, log=True)`     `{type: float, low: 0.0001,      `float(1e-4, 1e-1, log)`
                                       high: 0.1, log: true}`
`IntRange(8, 64, step=8)`              `{type: int, low: 8, high: 64,   `int(8, 64, step=8)`
                                       step: 8}`
`Choice(["relu", "tanh"])`             `[relu, tanh]`, or               `choice(relu, tanh)`
                                       `{type: choice, choices: […]}`
=====================================  ===============================  =======================

`type` may be left out where `low` and `high` tell it; `categorical` is another word for
`choice`. The ranges hold both their ends.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...utils.errors import ParameterError, nearest
from ...utils.plain_yaml import read_value

_TYPES = {"float": "float", "int": "int", "choice": "choice", "categorical": "choice"}
_CALL = re.compile(r"\s*([A-Za-z]+)\s*\((.*)\)\s*\Z", re.DOTALL)
_EXPECTED = (
    "float(low, high), int(low, high), with log or step=…, or choice(a, b, …); "
    "or the same as data: {type: float, low: …, high: …, log: true}"
)


@dataclass(frozen=True)
class FloatRange:
    """Numbers from `low` to `high`.

    Attributes:
        low: The least.
        high: The greatest.
        log: Whether magnitudes count rather than differences; then `low` is above 0.
        step: Distance of the values that are tried; None for any value.

    Raises:
        ParameterError: There is no such range.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", _number(self.low, "low"))
        object.__setattr__(self, "high", _number(self.high, "high"))
        if self.step is not None:
            object.__setattr__(self, "step", _number(self.step, "step"))
        _check_range(self)

    def to_dict(self) -> dict[str, Any]:
        """The range as plain data."""
        return _plain("float", self)

    def examples(self) -> list[Any]:
        """Values that stand for all."""
        return [self.low, self.high]


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from `low` to `high`.

    Attributes:
        low: The least.
        high: The greatest.
        log: Whether magnitudes count rather than differences; then `low` is above 0.
        step: Distance of the values that are tried.

    Raises:
        ParameterError: There is no such range.
    """

    low: int
    high: int
    log: bool = False
    step: int | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if value is None and name == "step":
                continue
            if _number(value, name) != int(value):
                raise _bad(f"{name} of a range of whole numbers is not whole", value)
            object.__setattr__(self, name, int(value))
        _check_range(self)

    def to_dict(self) -> dict[str, Any]:
        """The range as plain data."""
        return _plain("int", self)

    def examples(self) -> list[Any]:
        """Values that stand for all."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Choice:
    """One of several values, among which no order is assumed.

    Attributes:
        choices: The values; anything JSON-compatible.

    Raises:
        ParameterError: There are none, or one occurs twice or is not JSON-compatible.
    """

    choices: Sequence[Any]

    def __post_init__(self) -> None:
        if isinstance(self.choices, (str, bytes)) or not isinstance(self.choices, Sequence):
            raise _bad("choices must be a list", self.choices)
        if not self.choices:
            raise _bad("there is nothing to choose from", "an empty list")
        try:
            written = [json.dumps(each, sort_keys=True, allow_nan=False) for each in self.choices]
        except (TypeError, ValueError) as error:
            raise _bad("a choice cannot be written as JSON", error) from None
        if len(set(written)) < len(written):
            raise _bad("a choice occurs twice", ", ".join(written))
        object.__setattr__(self, "choices", tuple(self.choices))

    def to_dict(self) -> dict[str, Any]:
        """The choices as plain data."""
        return {"type": "choice", "choices": list(self.choices)}

    def examples(self) -> list[Any]:
        """Values that stand for all: all of them."""
        return list(self.choices)


#: What may be tried for one value.
Domain = FloatRange | IntRange | Choice


def read_domain(raw: Any, *, name: str) -> Domain:
    """What may be tried, from a description in any of the forms of this module.

    Args:
        raw: The description.
        name: What the values are for, for messages.

    Raises:
        ParameterError: It describes nothing, or something that cannot be.
    """
    try:
        return _read(raw)
    except ParameterError as error:
        error.what = f"the search space of {name!r} is not acceptable: {error.what}"
        error.args = (error.what,)
        error.expected = error.expected or _EXPECTED
        raise


def describe(domain: Domain) -> str:
    """The description as short text, which `read_domain` reads again."""
    if isinstance(domain, Choice):
        return f"choice({', '.join(json.dumps(each) for each in domain.choices)})"
    words = [repr(domain.low), repr(domain.high)]
    if domain.log:
        words.append("log")
    if domain.step is not None:
        words.append(f"step={domain.step!r}")
    return f"{'int' if isinstance(domain, IntRange) else 'float'}({', '.join(words)})"


def _read(raw: Any) -> Domain:
    if isinstance(raw, (FloatRange, IntRange, Choice)):
        return raw
    if isinstance(raw, str):
        return _read_text(raw)
    if isinstance(raw, (list, tuple)):
        return Choice(list(raw))
    if isinstance(raw, Mapping):
        return _read_mapping(dict(raw))
    raise _bad("it describes nothing", f"{raw!r} ({type(raw).__name__})")


def _read_text(text: str) -> Domain:
    found = _CALL.match(text)
    if found is None:
        data = read_value(text, source="a search space")
        if isinstance(data, (list, dict)):
            return _read(data)
        raise _bad("it describes nothing", text or "an empty text")
    kind = _kind(found[1].lower())
    items = read_value(f"[{found[2]}]", source="a search space")
    if kind == "choice":
        return Choice(items)
    named: dict[str, Any] = {"type": kind}
    names = ["low", "high"]
    for item in items:
        if isinstance(item, str) and item.strip() == "log":
            named["log"] = True
        elif isinstance(item, str) and "=" in item:
            key, _, value = item.partition("=")
            named[key.strip()] = read_value(value.strip(), source="a search space")
        elif names:
            named[names.pop(0)] = item
        else:
            raise _not_a_part(item, text)
    return _read_mapping(named)


def _not_a_part(item: Any, text: str) -> ParameterError:
    if not isinstance(item, str):
        return _bad("it has too many parts", text)
    return ParameterError(
        f"what is {item.strip()!r}?",
        expected=_EXPECTED,
        got=text,
        suggestion=nearest(item.strip(), ["log", "step=…"]),
    )


def _kind(word: Any) -> str:
    if word not in _TYPES:
        raise ParameterError(
            "its type is unknown",
            expected=", ".join(_TYPES),
            got=repr(word),
            suggestion=nearest(str(word), _TYPES),
        )
    return _TYPES[word]


def _read_mapping(raw: dict[str, Any]) -> Domain:
    if "type" in raw:
        kind = _kind(raw.pop("type"))
    elif "choices" in raw:
        kind = "choice"
    else:
        ends = [raw.get("low"), raw.get("high")]
        kind = "int" if all(type(end) is int for end in ends) else "float"
    known = ["choices"] if kind == "choice" else ["low", "high", "log", "step"]
    for name in raw:
        if name not in known:
            raise ParameterError(
                f"there is no setting {name!r} for type {kind}",
                expected=", ".join(known),
                got=str(name),
                suggestion=nearest(str(name), known),
            )
    missing = [name for name in known[: 1 if kind == "choice" else 2] if name not in raw]
    if missing:
        raise _bad(f"{' and '.join(missing)} missing", raw)
    if kind == "choice":
        return Choice(raw["choices"])
    if not isinstance(raw.get("log", False), bool):
        raise _bad("log is true or false", raw["log"])
    return IntRange(**raw) if kind == "int" else FloatRange(**raw)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _bad(f"{name} is not a number", f"{value!r} ({type(value).__name__})")
    if not math.isfinite(value):
        raise _bad(f"{name} is not finite", value)
    return float(value)


def _check_range(domain: FloatRange | IntRange) -> None:
    if domain.low > domain.high:
        raise _bad("low is above high", f"low {domain.low}, high {domain.high}")
    if domain.log and domain.low <= 0:
        raise _bad("with log, low must be above 0", f"low {domain.low}")
    if domain.step is not None and domain.step <= 0:
        raise _bad("step must be above 0", domain.step)
    if domain.log and domain.step not in (None, 1):
        raise _bad("log and step exclude each other", f"step {domain.step}")


def _plain(kind: str, domain: FloatRange | IntRange) -> dict[str, Any]:
    raw: dict[str, Any] = {"type": kind, "low": domain.low, "high": domain.high}
    if domain.log:
        raw["log"] = True
    if domain.step is not None:
        raw["step"] = domain.step
    return raw


def _bad(what: str, got: object) -> ParameterError:
    return ParameterError(what, got=str(got))
