# SPDX-License-Identifier: Apache-2.0
"""The file of a SQLite store: how it is made, and how it is named to ML Metadata.

ML Metadata leaves SQLite's rollback journal as it is, which forces three or four writes to
the disk for every transaction and keeps readers out meanwhile. A file that we make has a
write-ahead log instead (https://www.sqlite.org/wal.html): one forced write, and readers
never wait. The log needs memory shared between processes, which network file systems do not
give; there, and in files that something else made, the journal stays.
"""

from __future__ import annotations

import os
from urllib.parse import quote

#: File systems known to be of this machine.
_LOCAL = frozenset(
    {"apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
)


def make_file(path: str, journal: str) -> None:
    """Makes the file where there is none, with the journal asked for.

    Must not be called while this process has the store open: that another copy of SQLite
    closes the file would take away the locks of ML Metadata's.

    Args:
        path: Where to make it.
        journal: `wal`, `delete`, or empty to choose what suits the file system.
    """
    if os.path.exists(path) and os.path.getsize(path) > 0:
        return
    if journal == "delete" or (not journal and file_system(path) not in _LOCAL):
        return
    import contextlib
    import sqlite3

    # What is wrong with the path, ML Metadata will run into too, and we then say it once.
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode=WAL")


def has_log(path: str) -> bool:
    """Whether an open store has a write-ahead log."""
    return os.path.exists(path + "-wal")


def read_only_uri(path: str) -> str:
    """How to name a file that this user cannot write.

    Without permission to make the log's files SQLite opens a store only as immutable. That
    is right where no log is there, as then nobody has the store open.
    """
    immutable = "" if has_log(path) else "&immutable=1"
    return f"file:{quote(path)}?mode=ro{immutable}"


def file_system(path: str) -> str:
    """Kind of the file system on which `path` lies; empty where the machine does not tell."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return ""
    real = os.path.realpath(path)
    found = ("", "")
    for fields in mounts:
        # See proc(5): the mount point is the fifth field; the kind follows a lone dash.
        point = fields[4].encode().decode("unicode_escape")
        below = real == point or real.startswith(point.rstrip("/") + "/")
        if below and len(point) >= len(found[0]):
            found = (point, fields[fields.index("-") + 1])
    return found[1]
