# SPDX-License-Identifier: Apache-2.0
"""Files and folders, on this machine or behind a URL.

A location is a plain path, a `file://` URL, or a URL of any protocol that fsspec knows
(`s3://`, `gs://`, `memory://`, …). Local locations take the direct way through `os`;
fsspec is imported only when a remote one is met. Whatever goes wrong is a
:class:`StorageError` that says what to do about it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob as local_glob
from typing import IO, Any, NamedTuple
from urllib.parse import unquote

from .errors import StorageError, nearest
from .storage_errors import storage_errors

_COPY_BUFFER = 1 << 20


class StoredFile(NamedTuple):
    """One file of a folder: its path relative to the folder (with `/`), its size in bytes."""

    path: str
    size: int


def is_local(uri: str | os.PathLike[str]) -> bool:
    """Whether `uri` is a path or a `file://` URL."""
    text = os.fspath(uri)
    return "://" not in text or text.startswith("file://")


def local_path(uri: str | os.PathLike[str]) -> str:
    """The path that a local `uri` names.

    Raises:
        StorageError: `uri` is not local.
    """
    text = os.fspath(uri)
    if not is_local(text):
        raise StorageError(
            f"{text} does not lie on this machine",
            expected="a path or a file:// URL",
            fix="copy it to a local folder first",
        )
    if not text.startswith("file://"):
        return text
    # Not urlsplit: `?` and `#` are letters like any other in a path.
    return unquote(text[len("file://") :].removeprefix("localhost"))


def join(base: str | os.PathLike[str], *parts: str) -> str:
    """`base` with `parts` below it, separated by single slashes."""
    text = os.fspath(base)
    below = [part.strip("/") for part in parts if part.strip("/")]
    if not text or not below:
        return "/".join(below) or text
    if text.endswith("://"):
        return text + "/".join(below)
    return "/".join([text.rstrip("/"), *below])


def exists(uri: str | os.PathLike[str]) -> bool:
    """Whether there is a file or folder at `uri`."""
    if is_local(uri):
        return os.path.exists(local_path(uri))
    with _remote(uri, "look for") as (files, path):
        return bool(files.exists(path))


def is_dir(uri: str | os.PathLike[str]) -> bool:
    """Whether there is a folder at `uri`."""
    if is_local(uri):
        return os.path.isdir(local_path(uri))
    with _remote(uri, "look for") as (files, path):
        return bool(files.isdir(path))


def file_size(uri: str | os.PathLike[str]) -> int:
    """Size of the file at `uri` in bytes.

    Raises:
        StorageError: There is no such file, or it cannot be looked at.
    """
    if is_local(uri):
        with storage_errors(uri, "look at"):
            return os.stat(local_path(uri)).st_size
    with _remote(uri, "look at") as (files, path):
        return int(files.size(path))


def open_file(
    uri: str | os.PathLike[str], mode: str = "rb", encoding: str | None = None
) -> IO[Any]:
    """Opens a file; text modes are UTF-8 unless told otherwise.

    Raises:
        StorageError: It cannot be opened.
    """
    if "b" not in mode:
        encoding = encoding or "utf-8"
    action = "read" if "r" in mode and "+" not in mode else "write"
    if is_local(uri):
        with storage_errors(uri, action):
            return open(local_path(uri), mode, encoding=encoding)
    with _remote(uri, action) as (files, path):
        options = {"encoding": encoding} if encoding else {}
        opened: IO[Any] = files.open(path, mode, **options)
        return opened


def read_bytes(uri: str | os.PathLike[str]) -> bytes:
    """The whole file.

    Raises:
        StorageError: It cannot be read.
    """
    with storage_errors(uri, "read"), open_file(uri, "rb") as file:
        data: bytes = file.read()
        return data


def read_text(uri: str | os.PathLike[str]) -> str:
    """The whole file as UTF-8 text.

    Raises:
        StorageError: It cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StorageError(
            f"cannot read {os.fspath(uri)} as text",
            expected="UTF-8",
            got=f"byte 0x{error.object[error.start]:02x} at offset {error.start}",
            fix="save the file as UTF-8",
        ) from None


def write_bytes_atomic(uri: str | os.PathLike[str], data: bytes) -> None:
    """Writes a whole file, or nothing: a reader sees the old bytes or the new ones.

    Locally by a temporary file in the same folder that is flushed to disk and renamed;
    remotely by one upload. Missing folders are created.

    Raises:
        StorageError: It cannot be written; what was there before is unharmed.
    """
    if not is_local(uri):
        with _remote(uri, "write") as (files, path):
            try:
                files.pipe_file(path, data)
            except FileNotFoundError:
                # Object stores have no folders; servers (sftp, hdfs) do.
                files.makedirs(files._parent(path), exist_ok=True)
                files.pipe_file(path, data)
        return
    path = local_path(uri)
    folder = os.path.dirname(path) or "."
    temporary = os.path.join(folder, f".{os.path.basename(path)[:64]}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path, "write"):
        try:
            descriptor = _create(temporary)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        _flush_folder(folder)


def write_text_atomic(uri: str | os.PathLike[str], text: str) -> None:
    """`write_bytes_atomic` of UTF-8 text."""
    write_bytes_atomic(uri, text.encode("utf-8"))


def list_files(uri: str | os.PathLike[str], *, recursive: bool = True) -> list[StoredFile]:
    """The files of a folder, sorted by path; links are followed, folders are not listed.

    Raises:
        StorageError: There is no such folder, or it cannot be read.
    """
    if is_local(uri):
        with storage_errors(uri, "list"):
            found = list(_walk(local_path(uri), "", recursive, frozenset()))
    else:
        with _remote(uri, "list") as (files, path):
            if not files.isdir(path):
                raise FileNotFoundError(os.fspath(uri))
            details = files.find(path, maxdepth=None if recursive else 1, detail=True)
            start = len(path.rstrip("/")) + 1
            found = [
                StoredFile(name[start:], int(info["size"] or 0)) for name, info in details.items()
            ]
    return sorted(found, key=lambda file: file.path.encode("utf-8", "surrogateescape"))


def glob(pattern: str) -> list[str]:
    """Locations of the files and folders that match `pattern` (`*`, `?`, `[…]`, `**`), sorted."""
    if is_local(pattern):
        return sorted(local_glob(local_path(pattern), recursive=True))
    with _remote(pattern, "look for") as (files, path):
        return sorted(str(files.unstrip_protocol(found)) for found in files.glob(path))


def make_dirs(uri: str | os.PathLike[str]) -> None:
    """Creates a folder and those above it; one that exists is fine.

    Raises:
        StorageError: It cannot be created.
    """
    if is_local(uri):
        with storage_errors(uri, "create"):
            os.makedirs(local_path(uri), exist_ok=True)
    else:
        with _remote(uri, "create") as (files, path):
            files.makedirs(path, exist_ok=True)


def copy_file(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copies one file, between any two kinds of storage; missing folders are created.

    Raises:
        StorageError: It cannot be read or written.
    """
    if is_local(target):
        make_dirs(_parent(target))
    with storage_errors(target, f"copy {os.fspath(source)} to"):
        if is_local(source) and is_local(target):
            shutil.copyfile(local_path(source), local_path(target))
            return
        with open_file(source, "rb") as reader, _open_new(target) as writer:
            shutil.copyfileobj(reader, writer, _COPY_BUFFER)


def copy_tree(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copies a folder's files, or a single file, between any two kinds of storage.

    Files that `target` already holds under other names stay.

    Raises:
        StorageError: Something cannot be read or written.
    """
    if not is_dir(source):
        copy_file(source, target)
        return
    make_dirs(target)
    for file in list_files(source):
        copy_file(join(source, file.path), join(target, file.path))


def remove_tree(uri: str | os.PathLike[str]) -> None:
    """Deletes a file or folder with all it holds; one that is not there is fine.

    A symbolic link is deleted, not what it points to.

    Raises:
        StorageError: It cannot be deleted.
    """
    if not is_local(uri):
        with _remote(uri, "delete") as (files, path):
            if files.exists(path):
                files.rm(path, recursive=True)
        return
    path = local_path(uri)
    with storage_errors(path, "delete"):
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return


def move(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Moves a file or folder to a name that is free.

    Within one local file system this is one rename: it happens whole or not at all.

    Raises:
        StorageError: `target` exists, or something cannot be read or written.
    """
    if exists(target):
        raise StorageError(
            f"cannot move {os.fspath(source)} to {os.fspath(target)}: the target exists",
            fix="delete the target or choose another name",
        )
    if is_local(source) and is_local(target):
        make_dirs(_parent(target))
        with storage_errors(target, f"move {os.fspath(source)} to"):
            shutil.move(local_path(source), local_path(target))
        return
    copy_tree(source, target)
    remove_tree(source)


def remote_version(uri: str | os.PathLike[str]) -> str:
    """What the remote store says about a file's state: equal text means an unchanged file.

    Raises:
        StorageError: The file cannot be looked at.
    """
    with _remote(uri, "look at") as (files, path):
        return str(files.ukey(path))


def _create(path: str) -> int:
    """A descriptor of a new file; creates missing folders on the way."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o666)


def _flush_folder(folder: str) -> None:
    """Makes a rename survive a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _walk(
    folder: str, prefix: str, recursive: bool, above: frozenset[tuple[int, int]]
) -> Iterator[StoredFile]:
    state = os.stat(folder)
    identity = (state.st_dev, state.st_ino)
    if identity in above:
        # A link to a folder that holds it: what it shows has been listed already.
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if recursive:
                    yield from _walk(entry.path, f"{prefix}{entry.name}/", True, above | {identity})
            else:
                yield StoredFile(prefix + entry.name, entry.stat().st_size)


def _parent(path: str | os.PathLike[str]) -> str:
    return os.path.dirname(local_path(path).rstrip("/")) or "."


def _open_new(uri: str | os.PathLike[str]) -> IO[Any]:
    if is_local(uri):
        return open_file(uri, "wb")
    with _remote(uri, "write") as (files, path):
        try:
            opened: IO[Any] = files.open(path, "wb")
        except FileNotFoundError:
            files.makedirs(files._parent(path), exist_ok=True)
            opened = files.open(path, "wb")
        return opened


@contextmanager
def _remote(uri: str | os.PathLike[str], action: str) -> Iterator[tuple[Any, str]]:
    """(the fsspec file system, the path in it) of a remote location."""
    text = os.fspath(uri)
    try:
        # Imported here: most pipelines never leave the local disk.
        from fsspec.core import url_to_fs

        files, path = url_to_fs(text)
    except ImportError as error:
        raise _no_driver(text, action, str(error)) from None
    except ValueError as error:
        raise _unknown_protocol(text, action, str(error)) from None
    try:
        yield files, path
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise StorageError(
            f"cannot {action} {text}: it does not exist",
            got=str(error),
            fix="check the location's spelling, and that the node that writes it has run",
        ) from error
    except PermissionError as error:
        raise StorageError(
            f"cannot {action} {text}: permission denied",
            got=str(error),
            fix="check the credentials of this environment and the rights on the bucket",
        ) from error
    except Exception as error:
        # Drivers raise types of their own (botocore, google.api_core, …).
        raise StorageError(
            f"cannot {action} {text}", got=f"{type(error).__name__}: {error}"
        ) from error


def _no_driver(uri: str, action: str, reason: str) -> StorageError:
    protocol = uri.split("://", 1)[0]
    package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}
    package |= {"abfs": "adlfs", "abfss": "adlfs", "hdfs": "pyarrow", "sftp": "paramiko"}
    return StorageError(
        f"cannot {action} {uri}: the driver for {protocol}:// is not installed",
        got=reason,
        fix=f"pip install {package.get(protocol, 'fsspec')}",
    )


def _unknown_protocol(uri: str, action: str, reason: str) -> StorageError:
    from fsspec import available_protocols

    protocol = uri.split("://", 1)[0]
    close = nearest(protocol, available_protocols())
    return StorageError(
        f"cannot {action} {uri}: {protocol}:// is no known kind of storage",
        got=reason,
        suggestion=f"{close}://" if close else None,
        fix="use a path, or a URL such as s3://bucket/folder or gs://bucket/folder",
    )
