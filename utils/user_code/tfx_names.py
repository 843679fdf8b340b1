# SPDX-License-Identifier: Apache-2.0
"""Lets module files import `tfx` where that package is not installed.

`penstock.tfx` stands in for it. It is asked for by name, and only once a module file asks.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

_STANDS_IN = f"{__name__.split('.', 1)[0]}.tfx"


class _TfxFinder(importlib.abc.MetaPathFinder):
    """Asked after everybody else, so that an installed `tfx` comes first."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Imports what stands in, which brings a finder of its own."""
        if fullname != "tfx":
            return None
        sys.meta_path.remove(self)
        importlib.import_module(_STANDS_IN)
        return importlib.util.find_spec(fullname)


def install() -> None:
    """Makes ready for the first `import tfx`; more than once does no harm."""
    loaded = _STANDS_IN in sys.modules
    if not loaded and not any(isinstance(found, _TfxFinder) for found in sys.meta_path):
        sys.meta_path.append(_TfxFinder())
