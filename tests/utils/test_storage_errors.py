# SPDX-License-Identifier: Apache-2.0
"""What people read when the operating system refuses."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.utils import storage
from penstock.utils.errors import StorageError
from penstock.utils.storage_errors import free_bytes, mount_point, storage_errors


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may do anything; refusals need someone else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_full_disk_names_mount_and_free_bytes() -> None:
    """Whoever has filled a disk must learn which, and how much is left."""
    with (
        pytest.raises(StorageError, match="the disk is full") as raised,
        storage_errors("/dev/full", "write"),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")
    assert "bytes (" in str(raised.value.got)
    assert f"free at {mount_point('/dev/full')}" in str(raised.value.got)
    assert "penstock gc" in str(raised.value.fix)
    assert isinstance(raised.value.__cause__, OSError)


def test_unwritable_folder_names_owner_and_user() -> None:
    """Whoever may not write must learn where it stops, whose it is, and who they are."""
    # Not tmp_path: the folders above it are closed to others.
    with tempfile.TemporaryDirectory() as folder:
        locked = Path(folder) / "locked"
        locked.mkdir()
        os.chmod(folder, 0o755)
        os.chmod(locked, 0o555)
        with ordinary_user():
            user = os.geteuid()
            with pytest.raises(StorageError, match="permission denied") as raised:
                storage.write_bytes_atomic(locked / "pipeline" / "root" / "f", b"")
        assert f"folder {locked} belongs to" in str(raised.value.got)
        assert f"(uid {user})" in str(raised.value.got)
        assert "dr-xr-xr-x" in str(raised.value.got)


def test_read_only_file_system() -> None:
    """A read-only mount is no matter of permissions."""
    with (
        pytest.raises(StorageError, match="mounted read-only") as raised,
        storage_errors("/proc/x", "write"),
    ):
        raise OSError(errno.EROFS, "Read-only file system")
    assert "/proc" in str(raised.value.got)


def test_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    """A misspelt folder is the commonest reason for a missing file."""
    (tmp_path / "complaints").mkdir()
    with pytest.raises(StorageError, match="does not exist") as raised:
        storage.read_bytes(tmp_path / "complaint" / "2015.csv")
    assert raised.value.suggestion == str(tmp_path / "complaints")
    assert raised.value.got == f"{tmp_path} holds no 'complaint'"


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    """An output folder may be called like an old file."""
    (tmp_path / "out").write_text("")
    for act in (
        lambda: storage.make_dirs(tmp_path / "out"),
        lambda: storage.write_bytes_atomic(tmp_path / "out" / "f", b""),
    ):
        with pytest.raises(StorageError, match="a file is in the way") as raised:
            act()
        assert str(tmp_path / "out") in str(raised.value.got)


def test_other_refusals(tmp_path: Path) -> None:
    """Folders read as files, long names, and too many open files each have a remedy."""
    with pytest.raises(StorageError, match="it is a folder"):
        storage.read_bytes(tmp_path)
    with pytest.raises(StorageError, match="name is too long"):
        storage.write_bytes_atomic(tmp_path / ("x" * 300), b"")
    with pytest.raises(StorageError, match="too many files"), storage_errors("/a", "read"):
        raise OSError(errno.EMFILE, "Too many open files")
    with (
        pytest.raises(StorageError, match="cannot read /a") as raised,
        storage_errors("/a", "read"),
    ):
        raise OSError(errno.EIO, "Input/output error")
    assert raised.value.got == "Input/output error"


def test_other_errors_pass() -> None:
    """A bug must not be dressed up as a storage problem."""
    with pytest.raises(KeyError), storage_errors("/a", "read"):
        raise KeyError("x")


def test_free_bytes_of_a_folder_to_come() -> None:
    """Room must be known before anything is written."""
    assert free_bytes("/absent/path") > 0
