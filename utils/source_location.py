# SPDX-License-Identifier: Apache-2.0
"""Where in the user's files something was written."""

from __future__ import annotations

import functools
import os
import sys
from types import FrameType

_FRAMEWORK = __name__.split(".", 1)[0]


def caller_location(skip_package: str = _FRAMEWORK) -> str:
    """`file:line` of the nearest caller outside a package.

    Code in the package's `pipelines` folder is written by users, and counts as such.
    Costs about a microsecond for each frame that is skipped.

    Args:
        skip_package: Top-level name of the package whose frames are passed over.

    Returns:
        The place, relative to the current folder where it lies below it; an empty string
        where every frame belongs to the package.
    """
    frame: FrameType | None = sys._getframe(1)
    inside = skip_package + "."
    own = inside + "pipelines."
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "__main__":
            # `python -m package` runs the package's own file under another name.
            module = (frame.f_globals.get("__package__") or "") + ".__main__"
        file = frame.f_code.co_filename
        generated = file == "<string>" or file.startswith("<frozen ")
        framework = module == skip_package or (
            module.startswith(inside) and not module.startswith(own)
        )
        if not framework and not generated:
            return f"{display_path(file)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def display_path(path: str) -> str:
    """`path` relative to the current folder where it lies below it, else as it is."""
    try:
        return _relative(path, os.getcwd())
    except OSError:
        # The current folder was deleted.
        return path


@functools.lru_cache(maxsize=4096)
def _relative(path: str, folder: str) -> str:
    if path.startswith("<"):
        return path
    prefix = folder.rstrip(os.sep) + os.sep
    full = os.path.normpath(os.path.join(folder, path))
    return full[len(prefix) :] if full.startswith(prefix) else full
