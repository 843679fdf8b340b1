# SPDX-License-Identifier: Apache-2.0
"""A bundle: the source text of a user's modules, ready to travel inside a compiled pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CodeError
from .sources import text_digest

_VERSION = b"penstock-code-1\n"


@dataclass(frozen=True)
class CodeBundle:
    """Source texts by path, as they must lie below a folder on `sys.path` to be imported.

    Attributes:
        files: Text by relative path, such as `features.py` or `shop/features.py`; sorted.
        origins: The file that each was read from, by the same paths, as shown to people;
            not part of the digest, nor of equality.
        digest: SHA-256 over paths and texts.
    """

    files: Mapping[str, str]
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        for path in self.files:
            _check_path(path)
        whole = hashlib.sha256(_VERSION)
        for path in sorted(self.files):
            whole.update(f"{text_digest(self.files[path])} {path}\n".encode())
        object.__setattr__(self, "files", {path: self.files[path] for path in sorted(self.files)})
        object.__setattr__(self, "origins", dict(sorted(self.origins.items())))
        object.__setattr__(self, "digest", whole.hexdigest())

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def modules(self) -> dict[str, str]:
        """Path of each module's file, by dotted name."""
        return {module_name(path): path for path in self.files}

    @property
    def roots(self) -> frozenset[str]:
        """Top-level names that the bundle provides."""
        return frozenset(name.split(".", 1)[0] for name in self.modules)

    def display(self, path: str) -> str:
        """The name of a file as its author knows it."""
        return self.origins.get(path, path)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-compatible form; `from_dict` reads back an equal bundle."""
        return {
            "digest": self.digest,
            "files": dict(self.files),
            "origins": dict(self.origins),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CodeBundle:
        """Reads the form that `to_dict` wrote.

        Raises:
            CodeError: A path leads out of the bundle, or the digest does not fit the files.
        """
        bundle = cls(raw["files"], raw.get("origins", {}))
        if bundle.digest != raw["digest"]:
            raise CodeError(
                "the user code in a compiled pipeline does not fit its digest",
                expected=str(raw["digest"]),
                got=bundle.digest,
                fix="compile the pipeline again; a compiled pipeline is not meant to be edited",
            )
        return bundle


def module_name(path: str) -> str:
    """Dotted name of the module in a bundle's file: `a/b.py` and `a/b/__init__.py` are `a.b`."""
    stem = path[: -len(".py")]
    return (stem[: -len("/__init__")] if stem.endswith("/__init__") else stem).replace("/", ".")


def is_package(path: str) -> bool:
    """Whether a bundle's file is a package's `__init__.py`."""
    return path.endswith("/__init__.py")


def _check_path(path: str) -> None:
    parts = path.split("/")
    stem_ok = path.endswith(".py") and all(
        part.isidentifier() for part in [*parts[:-1], parts[-1][:-3]]
    )
    if not stem_ok:
        # Whoever writes files below a folder by these names must be able to trust them.
        raise CodeError(
            f"{path!r} cannot be the path of a module",
            expected="identifiers, separated by '/', ending in .py",
        )
