# SPDX-License-Identifier: Apache-2.0
"""Errors on their way out of a worker.

`explain` turns whatever an executor raised into one of Penstock's errors, in the worker,
where the traceback is. `error_to_dict` and `error_from_dict` carry it across as JSON.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ....utils import errors, storage, storage_errors
from ....utils.errors import ExecutionError, PenstockError, StorageError, UserCodeError
from ....utils.missing_modules import install_hint
from ....utils.peak_memory import peak_memory
from ....utils.readable import memory
from ....utils.user_code import explain_missing_module, user_frames
from .messages import WorkSpec

_MORE_MEMORY = (
    "let it hold less at a time (fewer rows, smaller batches), or run it where there is more memory"
)

#: As many lines of an exception's text are shown; the log has all.
_LINES = 15


def explain(error: BaseException, spec: WorkSpec) -> PenstockError:
    """The error to show for what an executor raised.

    Args:
        error: What was raised, with its traceback.
        spec: The execution.
    """
    if isinstance(error, PenstockError):
        error.node = error.node or spec.node_id
        return error
    try:
        return _explain(error, spec)
    except Exception:  # the class is the user's: even its text may raise
        name = type(error).__qualname__
        return ExecutionError(
            f"it raised {name}, which raises again when one reads its text",
            node=spec.node_id,
            location=_innermost(error),
            fix=f"let {name}.__str__ return a text",
        )


def _explain(error: BaseException, spec: WorkSpec) -> PenstockError:
    full = _disk_full(error)
    if full is not None:
        return _explain_disk_full(full, spec)
    fix = f"read the whole traceback in {spec.log_path}" if spec.log_path else None
    if isinstance(error, MemoryError):
        fix = f"{_MORE_MEMORY}; it held {memory(peak_memory())} at most"
    frames = user_frames(error, spec.bundle_paths)
    if frames:
        return _explain_user_error(error, spec, frames, fix)
    what = _brief(_text(error))
    if isinstance(error, ModuleNotFoundError) and error.name:
        what = f"{spec.executor} needs {error.name}, which is not installed"
        fix = install_hint(error.name)
    return ExecutionError(what, node=spec.node_id, location=_innermost(error), fix=fix)


def _explain_user_error(
    error: BaseException, spec: WorkSpec, frames: Sequence[str], fix: str | None
) -> UserCodeError:
    location = frames[-1].rpartition(" in ")[0]
    if isinstance(error, ModuleNotFoundError):
        fix = explain_missing_module(error, spec.bundle_paths[0], location=location).fix
    what = _brief(_text(error))
    return UserCodeError(what, node=spec.node_id, frames=frames, location=location, fix=fix)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _disk_full(error: BaseException) -> OSError | None:
    for found in _chain(error):
        if isinstance(found, OSError) and found.errno in (errno.ENOSPC, errno.EDQUOT):
            return found
        # TensorFlow raises an error class of its own, with the system's words in it.
        if os.strerror(errno.ENOSPC) in _text(found):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


def _explain_disk_full(error: OSError, spec: WorkSpec) -> StorageError:
    uris = [str(raw["uri"]) for found in spec.outputs.values() for raw in found]
    places = [storage.local_path(uri) for uri in uris if storage.is_local(uri)]
    # Where the error names no file, the fullest of the disks that it may write to is the one.
    places = sorted([*places, spec.work_dir or os.curdir], key=storage_errors.free_bytes)
    explained = storage_errors.explain(error, places[0], "write below")
    explained.node = spec.node_id
    return explained


def _text(error: BaseException) -> str:
    # Unlike str(), this does not fail where the error's own method does.
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _brief(text: str) -> str:
    """A message of many lines (an array's values, say) without those in the middle."""
    lines = text.splitlines()
    if len(lines) <= _LINES:
        return text
    return "\n".join([*lines[: _LINES - 3], "…", *lines[-2:]])


def _innermost(error: BaseException) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def error_to_dict(error: PenstockError) -> dict[str, Any]:
    """A JSON-compatible form of `error`."""
    # A subclass that only the worker knows crosses as the nearest class both sides know.
    known = next(cls for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
    raw: dict[str, Any] = {**error.to_dict(), "kind": known.__name__}
    if isinstance(error, UserCodeError):
        raw["frames"] = list(error.frames)
    return raw


def error_from_dict(raw: Mapping[str, Any]) -> PenstockError:
    """Reads the form that `error_to_dict` wrote."""
    parts = dict(raw)
    kind = getattr(errors, str(parts.pop("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, PenstockError)):
        kind = ExecutionError
    return kind(parts.pop("what"), **parts)
