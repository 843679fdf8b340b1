# SPDX-License-Identifier: Apache-2.0
"""Finds the files of a user's own modules, without importing anything.

The user's own is what lies beside the entry file, below a folder on `sys.path`, or below
the current folder, unless it belongs to the standard library, to an environment's
`site-packages`, or to this framework. Order is Python's: a regular package or module
anywhere on the path comes before a folder without `__init__.py`.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from typing import NamedTuple

#: Name of this framework's package.
FRAMEWORK = __name__.split(".", 1)[0]
#: Folder of this framework's package.
FRAMEWORK_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Folder of the pipelines that come with the framework: their code is the user's.
PIPELINES_DIR = os.path.join(FRAMEWORK_DIR, "pipelines")
PIPELINES = FRAMEWORK + ".pipelines"
#: What stands in for TFX; with a checkout as the current folder it looks like a user's `tfx`.
TFX_FILE = os.path.join(FRAMEWORK_DIR, "tfx.py")

_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)


class Located(NamedTuple):
    """Where a module lies.

    Attributes:
        file: Its source file (or compiled file); None for a package without `__init__.py`.
        folders: Where its submodules lie; empty for a plain module.
    """

    file: str | None
    folders: tuple[str, ...] = ()


class ModuleSearch:
    """Looks modules up as Python would, keeping to the user's own.

    Args:
        first: Folders to look in before all others.
        own_packages: Top-level names that are the user's wherever they lie.
    """

    def __init__(self, first: Iterable[str], own_packages: Iterable[str] = ()) -> None:
        first = list(first)
        self._own_packages = frozenset(own_packages)
        self._entries: list[tuple[str, bool]] = [(folder, True) for folder in first]
        for raw in sys.path:
            folder = raw or os.getcwd()
            if folder not in first:
                self._entries.append((folder, is_own_path(folder)))
        cwd = os.getcwd()
        #: Looked at last, where it is not on the path anyway.
        self._last = None if any(cwd == folder for folder, _ in self._entries) else cwd
        self._known: dict[str, Located | None] = {}

    def top_level(self, name: str) -> Located | None:
        """The user's own module or package of that name; None where it is not the user's.

        A compiled module is found only where there is no source of that name anywhere.
        """
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Located | None:
        if name in sys.stdlib_module_names or name == FRAMEWORK:
            return None
        namespace: list[str] = []
        for folder, own in self._entries:
            if own or name in self._own_packages:
                found = in_folder(folder, name)
                if found is not None and found.file is not None:
                    return found
                namespace.extend(found.folders if found else ())
            elif name in _top_levels(folder, _modified(folder)):
                return None
        elsewhere = _by_finders(name)
        if elsewhere is not None:
            own = is_own_path(elsewhere.file or elsewhere.folders[0])
            return elsewhere if own or name in self._own_packages else None
        if self._last is not None:
            found = in_folder(self._last, name)
            if found is not None and found.file is not None:
                return found
            namespace.extend(found.folders if found else ())
        if namespace:
            return Located(None, tuple(dict.fromkeys(namespace)))
        compiled = compiled_module((folder for folder, own in self._entries if own), name)
        return Located(compiled) if compiled else None


def submodule(package: Located, name: str) -> Located | None:
    """The module `name` directly inside a package."""
    namespace: list[str] = []
    for folder in package.folders:
        found = in_folder(folder, name)
        if found is not None and found.file is not None:
            return found
        namespace.extend(found.folders if found else ())
    return Located(None, tuple(namespace)) if namespace else None


def in_folder(folder: str, name: str) -> Located | None:
    """The module, package, or folder that could be a package, called `name` in a folder."""
    base = os.path.join(folder, name)
    if os.path.isdir(base):
        init = os.path.join(base, "__init__.py")
        if os.path.isfile(init):
            return Located(init, (base,))
    if os.path.isfile(base + ".py") and os.path.realpath(base + ".py") != TFX_FILE:
        return Located(base + ".py")
    return Located(None, (base,)) if os.path.isdir(base) else None


def compiled_module(folders: Iterable[str], name: str) -> str | None:
    """The compiled (C or Cython) module called `name` in one of some folders."""
    for folder in folders:
        for extension in _EXTENSIONS:
            file = os.path.join(folder, name + extension)
            if os.path.isfile(file):
                return file
    return None


def neighbours(folders: Iterable[str]) -> list[str]:
    """Names of the modules and packages in some folders, for suggestions."""
    found: set[str] = set()
    for folder in folders:
        if os.path.isdir(folder):
            for name in os.listdir(folder):
                stem, extension = os.path.splitext(name)
                if extension == ".py" or os.path.isfile(os.path.join(folder, name, "__init__.py")):
                    found.add(stem)
    return sorted(found - {"__init__"})


@functools.lru_cache(maxsize=4096)
def is_own_path(path: str) -> bool:
    """Whether what lies at `path` is the user's: not installed, not the standard library."""
    real = os.path.realpath(path)
    parts = real.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return False
    return not any(real == folder or real.startswith(folder + os.sep) for folder in _installed())


@functools.lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    keys = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(key) for key in keys}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix):
        folders |= {os.path.join(prefix, "lib"), os.path.join(prefix, "lib64")}
    return tuple({os.path.realpath(folder) for folder in folders if folder})


def _modified(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=64)
def _top_levels(folder: str, modified: int) -> frozenset[str]:
    """Names that an installation folder provides; `modified` makes a changed one be read anew."""
    del modified
    found: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, dot, rest = entry.name.partition(".")
                if not dot:
                    # A folder without code (data, a namespace's share) hides nothing.
                    if os.path.isfile(os.path.join(entry.path, "__init__.py")):
                        found.add(stem)
                elif rest == "py" or "." + rest in _EXTENSIONS:
                    found.add(stem)
    except OSError:
        # Not a folder: an archive, which the import system's own finders look into.
        return frozenset()
    return frozenset(found)


@functools.lru_cache(maxsize=1024)
def _by_finders(name: str) -> Located | None:
    """Where the import system's other finders (those of editable installs) have a module."""
    for finder in sys.meta_path:
        if finder is importlib.machinery.PathFinder or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, None)
        if spec is None:
            continue
        folders = tuple(spec.submodule_search_locations or ())
        if spec.origin and spec.origin.endswith(".py"):
            return Located(spec.origin, folders)
        return Located(None, folders) if folders else None
    return None
