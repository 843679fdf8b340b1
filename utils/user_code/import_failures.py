# SPDX-License-Identifier: Apache-2.0
"""Why importing the user's code failed, and what mends it."""

from __future__ import annotations

import os

from ..errors import CodeError, PenstockError, UserCodeError, nearest
from ..missing_modules import install_hint
from .search import neighbours
from .tracebacks import original_path, user_frames


def explain_import(error: BaseException, module: str, path: str) -> PenstockError:
    """The error to raise where importing `module` from the bundle at `path` raised `error`."""
    if isinstance(error, PenstockError):
        # It names the copy that is run; the author edits another file.
        file, colon, line = (error.location or "").rpartition(":")
        if colon and line.isdigit():
            error.location = f"{original_path(file)}:{line}"
        return error
    frames = user_frames(error, [path])
    where = frames[-1].rsplit(" in ", 1)[0] if frames else None
    if isinstance(error, ModuleNotFoundError):
        return explain_missing_module(error, path, location=where)
    if isinstance(error, SyntaxError):
        file = original_path(error.filename or module)
        return CodeError(
            f"syntax error in {file}: {error.msg}",
            got=(error.text or "").strip() or None,
            location=f"{file}:{error.lineno}" if error.lineno else file,
            fix="correct the line; perhaps this Python is older than the code",
        )
    if isinstance(error, SystemExit):
        return UserCodeError(
            f"importing {module} ended the program (SystemExit)",
            frames=frames,
            location=where,
            fix='put what runs the program under `if __name__ == "__main__":`',
        )
    return UserCodeError(
        f"importing {module} raised {type(error).__name__}: {error}",
        frames=frames,
        location=where,
        fix="see that the file can be imported by itself: python -c 'import …'",
    )


def explain_missing_module(
    error: ModuleNotFoundError, path: str, *, location: str | None = None
) -> CodeError:
    """The error to raise where user code from the bundle at `path` lacks a module."""
    absent = error.name or str(error)
    parent, _, last = absent.rpartition(".")
    if absent.split(".", 1)[0] in neighbours([path]):
        folder = os.path.join(path, *parent.split(".")) if parent else path
        return CodeError(
            f"{absent} did not travel with the pipeline",
            expected="a module that your code imports by a plain import statement",
            got="an import by a computed name, or a module added after compiling",
            suggestion=nearest(last, neighbours([folder])),
            location=location,
            fix=f"write `import {absent}` where it is used, and compile again",
        )
    return CodeError(
        f"your code imports {absent}, which is not installed here",
        location=location,
        fix=f"{install_hint(absent)}, or correct the name if it is a module of your own",
    )
