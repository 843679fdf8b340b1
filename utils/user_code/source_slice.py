# SPDX-License-Identifier: Apache-2.0
"""What of the user's code a function depends on, statement by statement.

The slice of a function holds its own definition; transitively, every top-level statement
that binds a name which the slice uses, in whatever module of the bundle it stands; and of
every module that the slice imports, the statements that do more than bind names (see
`effects`). What cannot be followed is taken whole: a module that is passed around as a
value, or read by `globals()`, `eval()` or `exec()`; every module of the bundle where one is
imported by a computed name. Only the user's own modules count: other packages take part in
a cache key, if at all, by their version.

The digest of a slice is that of its statements in order (see `normal_form`), so it stays
the same when anything else in the files is edited. `SLICE_VERSION` is part of it: raise it
when anything here or in `effects` and `scopes` changes what a slice holds.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping

from ..errors import CodeError, nearest
from .bundle import CodeBundle
from .effects import effects_of
from .program import Module, Program, program_of
from .scopes import Chain, ImportRef
from .statements import Statement

SLICE_VERSION = "penstock-slice-1"

_READS_NAMESPACE = frozenset({"globals", "locals", "eval", "exec"})
_IMPORTS_ANYTHING = (
    "__import__",
    "importlib.__import__",
    "importlib.import_module",
    "importlib.machinery",
    "importlib.reload",
    "importlib.util",
    "pkgutil",
    "runpy",
    "sys.modules",
)


def fingerprint(
    bundle: CodeBundle, module: str, attribute: str | Iterable[str] | None = None
) -> str:
    """Digest of everything in a bundle that some functions depend on.

    Args:
        bundle: The user's modules.
        module: Dotted name of a module of the bundle.
        attribute: Name of a function or class in it, or several; None for the whole module.

    Returns:
        64 hexadecimal characters, the same for code that differs only in comments,
        docstrings, layout, or in parts that the functions do not depend on.

    Raises:
        CodeError: There is no such module or name, or a module is not valid Python.
    """
    names = _names(attribute)
    return _fingerprint(bundle, module, names)


def slice_report(
    bundle: CodeBundle, module: str, attribute: str | Iterable[str] | None = None
) -> dict[str, str]:
    """Digest of each statement of a slice, such as `features.py: bucketize_zip()`.

    Raises:
        CodeError: There is no such module or name, or a module is not valid Python.
    """
    report: dict[str, str] = {}
    for found, statement in _slice(bundle, module, _names(attribute)):
        label = f"{found.path}: {statement.label}"
        count = 1
        while label in report:
            count += 1
            label = f"{found.path}: {statement.label} (no. {count})"
        report[label] = statement.digest[:16]
    return report


def describe_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What differs between two slice reports, one clause each."""
    changes = []
    for label in sorted({*before, *after}):
        if label not in before:
            changes.append(f"{label} is new")
        elif label not in after:
            changes.append(f"{label} is gone")
        elif before[label] != after[label]:
            changes.append(f"{label} changed")
    return changes


def defined_names(bundle: CodeBundle, module: str) -> frozenset[str]:
    """Names that a module of a bundle binds at its top level, as far as can be seen.

    Raises:
        CodeError: There is no such module, or it is not valid Python.
    """
    return frozenset(program_of(bundle).module(module).binders)


def _names(attribute: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if attribute is None:
        return None
    return (attribute,) if isinstance(attribute, str) else tuple(sorted(set(attribute)))


def _fingerprint(bundle: CodeBundle, module: str, names: tuple[str, ...] | None) -> str:
    top = module.split(".", 1)[0]
    whole = hashlib.sha256(f"{SLICE_VERSION}\n{names}\n".encode())
    for found, statement in _slice(bundle, module, names):
        # The entry's top-level name comes from a file or folder, which may be called anything.
        head, dot, rest = found.name.partition(".")
        place = f"~{dot}{rest}" if head == top else found.name
        whole.update(f"{place} {statement.digest}\n".encode())
    return whole.hexdigest()


@functools.lru_cache(maxsize=1024)
def _slice(
    bundle: CodeBundle, module: str, names: tuple[str, ...] | None
) -> tuple[tuple[Module, Statement], ...]:
    program = program_of(bundle)
    entry = program.module(module)
    slicer = _Slicer(program)
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        above = program.modules.get(".".join(parts[:end]))
        if above is not None:
            slicer.run_module(above)
    if names is None:
        slicer.whole(entry)
    for name in names or ():
        top = name.split(".", 1)[0]
        if top not in entry.binders and not entry.has_star:
            raise CodeError(
                f"{bundle.display(entry.path)} defines no {top}",
                expected=", ".join(sorted(entry.binders)[:12]) or "a module that defines it",
                got=top,
                suggestion=nearest(top, entry.binders),
                location=bundle.display(entry.path),
                fix=f"define {top} at the top level of the module",
            )
        slicer.name(entry, top, ())
    slicer.finish()
    return tuple(
        (program.modules[name], program.modules[name].statements[number])
        for name, number in sorted(slicer.included)
    )


class _Slicer:
    """Gathers one slice. Each method notes what follows from one fact; none repeats itself."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.included: set[tuple[str, int]] = set()
        self._pending: list[tuple[Module, Statement]] = []
        self._done: set[tuple[str, ...]] = set()

    def finish(self) -> None:
        """Follows what the included statements use until nothing new turns up."""
        while self._pending:
            module, statement = self._pending.pop()
            uses = statement.uses
            for ref in uses.executed:
                self._execute(module, ref)
            for chain in uses.chains:
                self._check_dynamic(module, chain)
                self.name(module, chain[0], chain[1:])
            for ref, rest in uses.local_imports:
                self._check_import(module.origin_of(ref, rest))
                self._imported(module, ref, rest)

    def name(self, module: Module, name: str, rest: Chain) -> None:
        """A name of a module is used, and `rest` taken from it."""
        refs = module.imports.get(name, ())
        if not self._first("name", module.name, name, *(rest if refs else ())):
            return
        touching = effects_of(self._program, module).touching
        for number in (*module.binders.get(name, ()), *touching.get(name, ())):
            self._include(module, number)
        for ref in refs:
            self._imported(module, ref, rest)
        if name not in module.binders:
            # `from . import part` makes a submodule an attribute of its package.
            below = self._program.modules.get(f"{module.name}.{name}")
            if below is not None:
                self._module_used(below, rest)

    def run_module(self, module: Module) -> None:
        """A module is imported: what it does on import belongs to the slice."""
        if not self._first("run", module.name):
            return
        for number in effects_of(self._program, module).always:
            self._include(module, number)
        for ref in module.executed:
            self._execute(module, ref)

    def whole(self, module: Module) -> None:
        """Anything in a module may be used."""
        if not self._first("whole", module.name):
            return
        self.run_module(module)
        for number, statement in enumerate(module.statements):
            self._include(module, number)
            for _, ref in statement.uses.bound_imports:
                self._imported(module, ref, ())

    def _include(self, module: Module, number: int) -> None:
        if (module.name, number) not in self.included:
            self.included.add((module.name, number))
            self._pending.append((module, module.statements[number]))

    def _execute(self, module: Module, ref: ImportRef) -> None:
        """An import runs its module, and the packages above it."""
        target = module.absolute(ref)
        parts = target.split(".") if target else []
        for end in range(1, len(parts) + 1):
            found = self._program.modules.get(".".join(parts[:end]))
            if found is not None:
                self.run_module(found)
        found = self._program.modules.get(target)
        if ref.name == "*" and found is not None:
            self.whole(found)
        below = self._program.modules.get(f"{target}.{ref.name}")
        if ref.name is not None and below is not None:
            self.run_module(below)

    def _imported(self, module: Module, ref: ImportRef, rest: Chain) -> None:
        """Something imported is used, and `rest` taken from it."""
        target = module.absolute(ref)
        if ref.top:
            target = target.split(".", 1)[0]
        if ref.name is None:
            self._path_used(target, rest)
            return
        found = self._program.modules.get(target)
        if found is not None:
            self.name(found, ref.name, rest)
            if ref.name not in found.binders and not self._below(target, ref.name):
                # Made in a way that cannot be seen: by a star import, or by __getattr__.
                self.whole(found)
        elif self._below(target, ref.name):
            self._path_used(f"{target}.{ref.name}", rest)

    def _path_used(self, target: str, rest: Chain) -> None:
        """A module, or a package without a file, is used, and `rest` taken from it."""
        found = self._program.modules.get(target)
        if found is not None:
            self._module_used(found, rest)
        elif rest:
            if self._below(target, rest[0]):
                self._path_used(f"{target}.{rest[0]}", rest[1:])
        else:
            for name, module in self._program.modules.items():
                if name.startswith(target + "."):
                    self.whole(module)

    def _module_used(self, module: Module, rest: Chain) -> None:
        self.run_module(module)
        if not rest:
            self.whole(module)
            return
        below = self._below(module.name, rest[0])
        if rest[0] in module.binders:
            self.name(module, rest[0], rest[1:])
        if below:
            self._path_used(f"{module.name}.{rest[0]}", rest[1:])
        elif rest[0] not in module.binders and not rest[0].startswith("__"):
            self.whole(module)

    def _below(self, package: str, name: str) -> bool:
        """Whether the bundle holds a module, or modules, called `name` inside a package."""
        full = f"{package}.{name}"
        return full in self._program.modules or any(
            module.startswith(full + ".") for module in self._program.modules
        )

    def _check_dynamic(self, module: Module, chain: Chain) -> None:
        if chain[0] in module.binders:
            for ref in module.imports.get(chain[0], ()):
                self._check_import(module.origin_of(ref, chain[1:]))
        elif chain[0] in _READS_NAMESPACE:
            self.whole(module)
        else:
            self._check_import(chain[0])

    def _check_import(self, path: str) -> None:
        """Whether `path`, used as a value, can import a module by a computed name."""
        if path == "importlib" or any(
            path == name or path.startswith(name + ".") for name in _IMPORTS_ANYTHING
        ):
            for module in self._program.modules.values():
                self.whole(module)

    def _first(self, *fact: str) -> bool:
        if fact in self._done:
            return False
        self._done.add(fact)
        return True
