# SPDX-License-Identifier: Apache-2.0
"""Semantic versions of models, `major.minor.patch` (https://semver.org)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ...utils.errors import ParameterError

#: Which part of a version goes up; the parts after it begin at zero again.
Bump = Literal["major", "minor", "patch"]

#: From the one that changes most to the one that changes least.
BUMPS: tuple[Bump, ...] = ("major", "minor", "patch")

_FORM = re.compile(r"v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


@dataclass(frozen=True, order=True)
class SemanticVersion:
    """A version; versions compare by their numbers."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> SemanticVersion:
        """Reads `1.4.0` or `v1.4.0`.

        Raises:
            ParameterError: It is no such version.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise ParameterError(
                "a model's version has three numbers",
                expected="major.minor.patch, as 1.4.0",
                got=text,
            )
        return cls(*map(int, found.groups()))

    def next(self, bump: Bump) -> SemanticVersion:
        """The version after this one."""
        if bump == "major":
            return SemanticVersion(self.major + 1, 0, 0)
        if bump == "minor":
            return SemanticVersion(self.major, self.minor + 1, 0)
        return SemanticVersion(self.major, self.minor, self.patch + 1)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


#: The version of the first push.
FIRST = SemanticVersion(1, 0, 0)
