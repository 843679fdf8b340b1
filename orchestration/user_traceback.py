# SPDX-License-Identifier: Apache-2.0
"""Errors that the user's code raised while a pipeline was being built, told from our own."""

from __future__ import annotations

import os
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from typing import Any

from ..components.base.expression import Expression
from ..utils.errors import UserCodeError, nearest
from ..utils.missing_modules import install_hint
from ..utils.source_location import display_path

_PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
#: What users did not write: our own code (but our example pipelines count as theirs), Python
#: and what is installed.
_NOT_USERS = (
    *(os.path.join(_PACKAGE_DIR, name) for name in ("cli", "components/", "orchestration/")),
    os.path.join(_PACKAGE_DIR, "utils/"),
    *sorted(
        os.path.realpath(sysconfig.get_path(name)) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    ),
)


def raised_in_user_code(error: BaseException, doing: str) -> UserCodeError:
    """What to show for an error that user code raised: its own lines, the raising one last.

    Args:
        error: What was raised.
        doing: What was going on, such as `importing pipeline.py failed`.
    """
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    location: str | None = None
    if isinstance(error, SyntaxError) and error.filename:
        what = f"{type(error).__name__}: {error.msg}"
        location = f"{display_path(error.filename)}:{error.lineno}"
    elif isinstance(error, SystemExit):
        what = f"it called sys.exit({error.code!r})"
    got = error.text.rstrip() if isinstance(error, SyntaxError) and error.text else None
    fix = _fix(error)
    if type(error).__module__.startswith("pydantic") and hasattr(error, "errors"):
        what, got, fix = _refused(str(getattr(error, "title", "a value")), error.errors())
    frames = user_frames(error)
    return UserCodeError(
        f"{doing}: {what}",
        # One alone says no more than the location does.
        frames=frames if len(frames) > 1 else (),
        location=location or (frames[-1].rpartition(" in ")[0] if frames else None),
        got=got,
        suggestion=_nearest_module(error),
        fix=fix,
    )


def _refused(model: str, complaints: list[Mapping[str, Any]]) -> tuple[str, str, str | None]:
    """What is said where pydantic refuses to make a settings object: what, got, fix."""
    said = []
    for each in complaints:
        place = ".".join(map(str, each["loc"]))
        given = "" if each["type"] == "missing" else f", got {each['input']!r}"
        said.append(f"{place + ': ' if place else ''}{each['msg']}{given}")
    fix = None
    if any(isinstance(each["input"], Expression) for each in complaints):
        fix = (
            f"write a dict instead of {model}(…): in dicts and lists, values may stand that are "
            "known only when the pipeline runs"
        )
    return f"{model} is not acceptable", "; ".join(said)[:500], fix


def user_frames(error: BaseException) -> list[str]:
    """The traceback's entries in user code, `file:line in function`, the innermost last."""
    return [
        f"{display_path(entry.filename)}:{entry.lineno} in {entry.name}"
        for entry in traceback.extract_tb(error.__traceback__)
        if _is_users(entry.filename)
    ]


def _is_users(file: str) -> bool:
    if file.startswith("<"):
        return False
    return not os.path.realpath(file).startswith(_NOT_USERS)


def _nearest_module(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError) or not error.name or "." in error.name:
        return None
    return nearest(error.name, (found.name for found in pkgutil.iter_modules()))


def _fix(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        if top not in sys.stdlib_module_names:
            return f"{install_hint(error.name)}, or check the import's spelling"
    if isinstance(error, SystemExit):
        return "put what runs the file as a program under `if __name__ == '__main__':`"
    return None
