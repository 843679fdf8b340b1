# SPDX-License-Identifier: Apache-2.0
"""Lets module files import `tfx` where that package is not installed.

`penstock.tfx` stands in for it. It is asked for by name, and only once a module file asks.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from .search import TFX_FILE

#: The face's own module; the name of the package that it stands in for.
FACE, REAL = f"{__name__.split('.', 1)[0]}.tfx", "tfx"


class TfxFinder(importlib.abc.MetaPathFinder):
    """A finder for `tfx`, asked before everybody else, that gives way to an installed one."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Imports what stands in, which brings a finder of its own."""
        if fullname != REAL or tfx_is_installed():
            return None
        sys.meta_path.remove(self)
        importlib.import_module(FACE)
        return importlib.util.find_spec(fullname)


def tfx_is_installed() -> bool:
    """Whether somebody else has a `tfx`: TFX itself, or a user's module of that name.

    The file that stands in does not count: with a checkout on `sys.path` it can be imported by
    that name, but not as part of its package.
    """
    for finder in sys.meta_path:
        if isinstance(finder, TfxFinder) or not hasattr(finder, "find_spec"):
            continue
        found = finder.find_spec(REAL, None)
        if found is not None and os.path.realpath(found.origin or "") != TFX_FILE:
            return True
    return False


def install() -> None:
    """Makes ready for the first `import tfx`; more than once does no harm."""
    loaded = FACE in sys.modules
    if not loaded and not any(isinstance(found, TfxFinder) for found in sys.meta_path):
        sys.meta_path.insert(0, TfxFinder())
