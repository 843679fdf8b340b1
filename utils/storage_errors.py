# SPDX-License-Identifier: Apache-2.0
"""Turns the operating system's refusals into sentences a newcomer can act on.

`with storage_errors(path, "write the statistics"):` around any code that touches files
raises :class:`StorageError` in place of `OSError`, naming the full disk, the folder
that may not be written and by whom, or the nearest name that does exist.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import StorageError, nearest
from .readable import size

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM}


@contextmanager
def storage_errors(path: str | os.PathLike[str], action: str) -> Iterator[None]:
    """Raises `StorageError` where the code inside raises `OSError`.

    Args:
        path: What the code works on, for the message.
        action: A verb phrase that completes "cannot …", such as "read" or "copy".

    Raises:
        StorageError: The code inside raised an `OSError`; its cause is that error.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, os.fspath(path), action) from error


def explain(error: OSError, path: str, action: str) -> StorageError:
    """The `StorageError` that says what `error` means for `path`."""
    # The system's own idea of the path is the better one: it may lie deep below `path`.
    where = error.filename if isinstance(error.filename, str) else path
    what = f"cannot {action} {path}"
    code = error.errno
    if code in _FULL:
        return _full(what, where, code)
    if code == errno.EROFS:
        return StorageError(
            f"{what}: the file system is mounted read-only",
            got=f"read-only mount at {mount_point(where)}",
            location=where,
            fix="choose a folder on a writable disk, or remount that one with write access",
        )
    if code in _REFUSED:
        return _refused(what, where)
    if code == errno.ENOENT:
        return _missing(what, where)
    if code in {errno.ENOTDIR, errno.EEXIST} and os.path.exists(_existing(where)):
        return StorageError(
            f"{what}: a file is in the way",
            expected="a folder",
            got=f"a file at {_existing(where)}",
            location=where,
            fix="move or delete that file, or choose another path",
        )
    if code == errno.EISDIR:
        return StorageError(
            f"{what}: it is a folder",
            expected="a file",
            got="a folder",
            location=where,
            fix="name a file inside the folder",
        )
    if code == errno.ENAMETOOLONG:
        return StorageError(
            f"{what}: the name is too long",
            expected="at most 255 bytes for each part of the path",
            got=f"{max(len(os.fsencode(part)) for part in where.split(os.sep))} bytes",
            fix="use a shorter name or pipeline root",
        )
    if code in {errno.EMFILE, errno.ENFILE}:
        return StorageError(
            f"{what}: too many files are open",
            fix="raise the limit (ulimit -n 4096), or run fewer nodes at once",
        )
    return StorageError(what, got=error.strerror or str(error), location=where)


def mount_point(path: str) -> str:
    """The mount point of the file system that holds `path`, which need not exist."""
    current = os.path.realpath(_existing(path))
    while not os.path.ismount(current):
        current = os.path.dirname(current)
    return current


def free_bytes(path: str) -> int:
    """Bytes an ordinary user may still write on the file system that holds `path`."""
    usage = os.statvfs(mount_point(path))
    return usage.f_bavail * usage.f_frsize


def _full(what: str, where: str, code: int | None) -> StorageError:
    mount = mount_point(where)
    free = f"{free_bytes(where):,} bytes ({size(free_bytes(where))}) free at {mount}"
    reason = {
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file would be larger than the file system allows",
    }.get(code or 0, "the disk is full")
    return StorageError(
        f"{what}: {reason}",
        got=free,
        location=where,
        fix=f"free space on {mount} (`penstock gc` deletes unused artifacts), or move the "
        "pipeline root to a larger disk",
    )


def _refused(what: str, where: str) -> StorageError:
    barrier = _barrier(where)
    user = _user_name(os.geteuid())
    try:
        state = os.stat(barrier)
    except OSError:
        got = f"user {user} may not look into {os.path.dirname(barrier)}"
    else:
        kind = "folder" if stat.S_ISDIR(state.st_mode) else "file"
        got = (
            f"{kind} {barrier} belongs to {_user_name(state.st_uid)} with permissions "
            f"{stat.filemode(state.st_mode)}; this process runs as {user}"
        )
    return StorageError(
        f"{what}: permission denied",
        got=got,
        location=where,
        fix=f"choose a folder that {user} may use, or ask for access to {barrier}",
    )


def _missing(what: str, where: str) -> StorageError:
    present = _existing(where)
    absent = os.path.relpath(where, present).split(os.sep)[0]
    try:
        close = nearest(absent, os.listdir(present))
    except OSError:
        close = None
    return StorageError(
        f"{what}: it does not exist",
        got=f"{present} holds no {absent!r}" if present != where else "nothing there",
        suggestion=os.path.join(present, close) if close else None,
        location=where,
    )


def _existing(path: str) -> str:
    """The nearest part of `path` that exists: itself or a folder above it."""
    current = os.path.abspath(path)
    while not os.path.lexists(current) and current != os.path.dirname(current):
        current = os.path.dirname(current)
    return current


def _barrier(path: str) -> str:
    """The first part of `path`, from the root, that this process may not use."""
    current = os.path.abspath(path)
    chain = [current]
    while current != os.path.dirname(current):
        current = os.path.dirname(current)
        chain.append(current)
    for part in reversed(chain[1:]):
        if os.path.isdir(part) and not os.access(part, os.X_OK):
            return part
    return _existing(path)


def _user_name(uid: int) -> str:
    try:
        import pwd

        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except (ImportError, KeyError):
        return f"uid {uid}"
