# SPDX-License-Identifier: Apache-2.0
"""Collects a module and the modules of the user's own that it imports, transitively.

Files are laid out so that every import finds its target with the bundle's folder first on
`sys.path`: modules that are imported by absolute name under that name, modules of the
entry's package below as many package folders as its relative imports climb.

Only `.py` files travel. Data files, and modules imported by a name that is computed, do
not: open data by a path given as a parameter, and import modules by plain statements.
"""

from __future__ import annotations

import functools
import keyword
import os
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import CodeError, nearest
from ..source_location import display_path
from .bundle import CodeBundle
from .imports import Import, scan_imports
from .search import (
    FRAMEWORK,
    FRAMEWORK_DIR,
    PIPELINES,
    PIPELINES_DIR,
    Located,
    ModuleSearch,
    compiled_module,
    neighbours,
    submodule,
)
from .sources import SourceFile, read_source, text_digest


class _NeedsParent(Exception):
    """A relative import climbs above the folder taken as the bundle's root."""


class _Pending(NamedTuple):
    name: str
    located: Located


def collect_file(path: str) -> tuple[CodeBundle, str]:
    """The bundle of a module file, and the module's name in it.

    The file's own folder is searched first, as if the file were run as a script.

    Raises:
        CodeError: The file or one that it imports is missing or not valid Python.
        StorageError: A file cannot be read.
    """
    file = os.path.abspath(path)
    folder = os.path.dirname(file)
    stem = os.path.splitext(os.path.basename(file))[0]
    init = stem == "__init__"
    # A package's own files need the package around them from the start.
    for depth in range(1 if stem in ("__init__", "__main__") else 0, 64):
        _check_climb(folder, depth, file)
        parents = _parents(folder, depth)
        root = _up(folder, depth)
        parts = [_identifier(os.path.basename(parent)) for parent in parents]
        name = ".".join(parts if init else [*parts, _identifier(stem)])
        walk = _Walk(ModuleSearch([*([root] if depth else []), folder]), name.split(".", 1)[0])
        for index, parent in enumerate(parents):
            package = os.path.join(parent, "__init__.py")
            found = package if os.path.isfile(package) else None
            walk.add(".".join(parts[: index + 1]), Located(found, (parent,)))
        if not init:
            walk.add(name, Located(file))
        try:
            return walk.bundle(), name
        except _NeedsParent:
            continue
    raise CodeError(f"{display_path(path)} climbs out of every folder by its relative imports")


def collect_module(name: str, root: str, located: Located) -> CodeBundle:
    """The bundle of a module known by its dotted name below a folder.

    Raises:
        CodeError: A file that it imports is missing or not valid Python.
        StorageError: A file cannot be read.
    """
    parts = name.split(".")
    walk = _Walk(ModuleSearch([root], own_packages=parts[:1]), "")
    for end in range(1, len(parts)):
        folder = os.path.join(root, *parts[:end])
        init = os.path.join(folder, "__init__.py")
        walk.add(".".join(parts[:end]), Located(init if os.path.isfile(init) else None, (folder,)))
    walk.add(name, located)
    return walk.bundle()


def collect_text(text: str, name: str, display: str) -> CodeBundle:
    """The bundle of a module that has no file: the text, and what it imports.

    Raises:
        CodeError: A file that it imports is missing or not valid Python.
        StorageError: A file cannot be read.
    """
    walk = _Walk(ModuleSearch([]), "")
    walk.add_text(name, text, display)
    return walk.bundle()


class _Walk:
    """One walk along imports."""

    def __init__(self, search: ModuleSearch, movable: str) -> None:
        self._search = search
        #: Top-level name of the tree that may be given more parent packages.
        self._movable = movable
        self._located: dict[str, Located] = {}
        self._sources: dict[str, SourceFile] = {}
        self._queue: list[_Pending] = []

    def add(self, name: str, located: Located) -> None:
        """Includes a module, to be followed later."""
        if name not in self._located:
            self._located[name] = located
            self._queue.append(_Pending(name, located))

    def add_text(self, name: str, text: str, display: str) -> None:
        """Includes a module that has no file."""
        self._located[name] = Located(display)
        self._sources[name + ".py"] = SourceFile(display, text, text_digest(text))
        for found in scan_imports(text, display):
            self._follow(found, name, self._located[name], f"{display}:{found.line}")

    def bundle(self) -> CodeBundle:
        """Follows imports until nothing new turns up."""
        while self._queue:
            name, located = self._queue.pop()
            if located.file is None:
                continue
            source = read_source(located.file)
            layout = name.replace(".", "/") + ("/__init__.py" if located.folders else ".py")
            self._sources[layout] = source
            display = display_path(located.file)
            for found in scan_imports(source.text, display):
                self._follow(found, name, located, f"{display}:{found.line}")
        key = tuple(
            (path, source, display_path(source.path))
            for path, source in sorted(self._sources.items())
        )
        return _bundle_of(key)

    def _follow(self, found: Import, importer: str, located: Located, where: str) -> None:
        if found.level:
            package = importer.split(".") if located.folders else importer.split(".")[:-1]
            if found.level > len(package):
                if importer.split(".", 1)[0] == self._movable:
                    raise _NeedsParent
                raise CodeError(
                    "a relative import climbs above its top-level package",
                    got="." * found.level + found.module,
                    location=where,
                    fix="import the module by its full name",
                )
            base = package[: len(package) - found.level + 1]
            target = [*base, *found.module.split(".")] if found.module else base
        else:
            target = found.module.split(".")
            if target[0] == FRAMEWORK:
                _check_framework_import(found, located, where)
                return
            top = self._search.top_level(target[0])
            if top is None or not _usable(target, top):
                return
            if top.file is not None and not top.file.endswith(".py"):
                raise _compiled(target[0], top.file, where)
            if target[0] not in self._located:
                self.add(target[0], top)
        self._follow_into(target, found, where)

    def _follow_into(self, target: list[str], found: Import, where: str) -> None:
        for end in range(2, len(target) + 1):
            name = ".".join(target[:end])
            if name in self._located:
                continue
            parent = self._located[".".join(target[: end - 1])]
            located = submodule(parent, target[end - 1])
            if located is None:
                self._missing(parent, target[end - 1], name, found, where)
                return
            self.add(name, located)
        module = self._located[".".join(target)]
        if found.name and found.name != "*" and module.folders:
            name = ".".join([*target, found.name])
            located = submodule(module, found.name)
            # A folder of data beside the code is no module unless it holds one.
            if located is not None and (located.file or neighbours(located.folders)):
                self.add(name, located)
            elif module.file is None:
                self._missing(module, found.name, name, found, where)

    def _missing(self, parent: Located, name: str, full: str, found: Import, where: str) -> None:
        compiled = compiled_module(parent.folders, name)
        if compiled is not None:
            raise _compiled(full, compiled, where)
        if found.optional:
            return
        raise CodeError(
            f"there is no module {full}",
            expected=", ".join(neighbours(parent.folders)) or "a module in its folder",
            got=name,
            suggestion=nearest(name, neighbours(parent.folders)),
            location=where,
            fix="correct the import, or add the file",
        )


@functools.lru_cache(maxsize=64)
def _bundle_of(key: tuple[tuple[str, SourceFile, str], ...]) -> CodeBundle:
    return CodeBundle(
        {path: source.text for path, source, _ in key}, {path: shown for path, _, shown in key}
    )


def _usable(target: list[str], top: Located) -> bool:
    """Whether a folder without `__init__.py` really holds what is imported."""
    if top.file is not None or len(target) == 1:
        return top.file is not None or bool(neighbours(top.folders))
    return submodule(top, target[1]) is not None


def _compiled(name: str, file: str, where: str) -> CodeError:
    return CodeError(
        f"{name} is a compiled module and cannot travel with the pipeline",
        got=display_path(file),
        location=where,
        fix="install it as a package where the pipeline runs",
    )


def _up(folder: str, levels: int) -> str:
    for _ in range(levels):
        folder = os.path.dirname(folder)
    return folder


def _parents(folder: str, count: int) -> list[str]:
    """The innermost `count` folders, outermost first."""
    found: list[str] = []
    for _ in range(count):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found[::-1]


def _identifier(name: str) -> str:
    """A name under which a module can be imported without hiding another."""
    cleaned = re.sub(r"\W", "_", name) or "_"
    if cleaned[0].isdigit():
        cleaned = "_" + cleaned
    taken = keyword.iskeyword(cleaned) or cleaned == FRAMEWORK
    special = cleaned in ("__main__", "__init__")
    if (taken or cleaned in sys.stdlib_module_names) and not special:
        return cleaned + "_"
    return cleaned


def _check_climb(folder: str, depth: int, file: str) -> None:
    """Refuses relative imports that leave a pipeline for the framework around it."""
    real = os.path.realpath(folder)
    packages = [_up(real, level) for level in range(depth)]
    if any(_same(package, (FRAMEWORK_DIR, PIPELINES_DIR)) for package in packages):
        raise CodeError(
            f"{display_path(file)} imports the framework by a relative import",
            fix=f"import it by name: from {FRAMEWORK} import …",
            location=display_path(file),
        )
    if depth and folder == os.path.dirname(folder):
        raise CodeError(f"{display_path(file)} climbs out of every folder by a relative import")


def _same(folder: str, others: Iterable[str]) -> bool:
    return folder in {os.path.realpath(other) for other in others}


def _check_framework_import(found: Import, located: Located, where: str) -> None:
    """Refuses to import a pipeline's own modules by way of the framework's package."""
    name = f"{found.module}.{found.name}" if found.name else found.module
    if not name.startswith(PIPELINES + ".") or located.file is None:
        return
    real = os.path.realpath(located.file)
    own = os.path.relpath(real, os.path.realpath(PIPELINES_DIR)).split(os.sep)
    if own[0] != os.pardir and name.split(".")[2] == own[0]:
        raise CodeError(
            "a pipeline imports its own module by way of the framework",
            expected="a relative import, so that the module travels with the pipeline",
            got=f"import of {found.module}",
            location=where,
            fix="from .module import name",
        )
