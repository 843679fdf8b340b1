# SPDX-License-Identifier: Apache-2.0
"""`tfx.dsl.io.fileio`: files by path or URL, on every storage that fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from ...utils import storage
from ...utils.errors import StorageError

#: What a path may be.
PathType = str | bytes | os.PathLike[str]

#: What is raised where there is no file.
NotFoundError = FileNotFoundError


class FileStat(NamedTuple):
    """What `stat` tells.

    Attributes:
        length: Bytes.
        is_directory: Whether it is a folder.
    """

    length: int
    is_directory: bool


def _path(path: PathType) -> str:
    return os.fsdecode(path) if isinstance(path, (bytes, os.PathLike)) else path


def open(path: PathType, mode: str = "r") -> IO[Any]:
    """Opens a file.

    Raises:
        FileNotFoundError: It is to be read, and not there.
    """
    name = _path(path)
    if not storage.is_local(name):
        import fsspec

        opened: IO[Any] = fsspec.open(name, mode.replace("+", "")).open()
        return opened
    import builtins

    return builtins.open(storage.local_path(name), mode)


def copy(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Copies a file.

    Raises:
        OSError: The target exists, and is not to be overwritten.
    """
    if not overwrite and exists(dst):
        raise FileExistsError(f"{_path(dst)} exists; copy(…, overwrite=True) replaces it")
    _check(src)
    storage.copy_file(_path(src), _path(dst))


def exists(path: PathType) -> bool:
    """Whether there is a file or folder."""
    return storage.exists(_path(path))


def isdir(path: PathType) -> bool:
    """Whether there is a folder."""
    return storage.is_dir(_path(path))


def glob(pattern: PathType) -> list[str]:
    """Paths that fit a pattern, sorted."""
    import glob as local

    name = _path(pattern)
    return (
        sorted(local.glob(storage.local_path(name)))
        if storage.is_local(name)
        else (storage.glob(name))
    )


def listdir(path: PathType) -> list[str]:
    """Names in a folder, sorted.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    _check(path)
    name = _path(path)
    if storage.is_local(name):
        return sorted(os.listdir(storage.local_path(name)))
    prefix = name.rstrip("/") + "/"
    found = {each.uri[len(prefix) :].split("/", 1)[0] for each in _files(name)}
    return sorted(found)


def makedirs(path: PathType) -> None:
    """Makes a folder, and those above it."""
    storage.make_dirs(_path(path))


def mkdir(path: PathType) -> None:
    """Makes a folder."""
    name = _path(path)
    if storage.is_local(name):
        os.mkdir(storage.local_path(name))
    else:
        storage.make_dirs(name)


def remove(path: PathType) -> None:
    """Removes a file.

    Raises:
        FileNotFoundError: It is not there.
    """
    _check(path)
    storage.remove_tree(_path(path))


def rename(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Gives a file or folder another name.

    Raises:
        OSError: The target exists, and is not to be overwritten.
    """
    if exists(dst):
        if not overwrite:
            raise FileExistsError(f"{_path(dst)} exists; rename(…, overwrite=True) replaces it")
        storage.remove_tree(_path(dst))
    _check(src)
    storage.move(_path(src), _path(dst))


def rmtree(path: PathType) -> None:
    """Removes a folder with all that is in it.

    Raises:
        FileNotFoundError: It is not there.
    """
    _check(path)
    storage.remove_tree(_path(path))


def stat(path: PathType) -> FileStat:
    """Size and kind.

    Raises:
        FileNotFoundError: It is not there.
    """
    _check(path)
    folder = isdir(path)
    return FileStat(0 if folder else storage.file_size(_path(path)), folder)


def walk(
    top: PathType, topdown: bool = True, onerror: Callable[..., None] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folders below one, each with the names of folders and files in it."""
    name = _path(top)
    if storage.is_local(name):
        yield from os.walk(storage.local_path(name), topdown=topdown, onerror=onerror)
        return
    prefix = name.rstrip("/")
    tree: dict[str, tuple[set[str], set[str]]] = {prefix: (set(), set())}
    for each in _files(name):
        parts = each.uri[len(prefix) + 1 :].split("/")
        for depth, part in enumerate(parts):
            where = tree.setdefault("/".join([prefix, *parts[:depth]]), (set(), set()))
            where[depth == len(parts) - 1].add(part)
    for folder in sorted(tree, reverse=not topdown):
        yield folder, sorted(tree[folder][0]), sorted(tree[folder][1])


def _files(name: str) -> list[Any]:
    return list(storage.list_files(name))


def _check(path: PathType) -> None:
    try:
        there = exists(path)
    except StorageError:
        there = False
    if not there:
        raise FileNotFoundError(f"there is nothing at {_path(path)}")
