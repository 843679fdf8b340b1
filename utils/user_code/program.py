# SPDX-License-Identifier: Apache-2.0
"""A bundle's modules with their statements, and who means what by an import."""

from __future__ import annotations

import functools

from ..errors import CodeError, nearest
from .bundle import CodeBundle, is_package, module_name
from .scopes import Chain, ImportRef
from .statements import Statement, read_statements


class Module:
    """One module of a bundle.

    Attributes:
        name: Dotted name.
        path: Path in the bundle.
        statements: Its statements.
        binders: Numbers of the statements that bind each name.
        imports: What each name that an import binds may stand for.
        executed: What importing the module imports in turn.
    """

    def __init__(self, path: str, text: str, display: str) -> None:
        self.path = path
        self.name = module_name(path)
        self.statements: tuple[Statement, ...] = read_statements(text, display)
        self.binders: dict[str, list[int]] = {}
        self.imports: dict[str, list[ImportRef]] = {}
        self._package = (self.name if is_package(path) else self.name.rpartition(".")[0]).split(".")
        for number, statement in enumerate(self.statements):
            uses = statement.uses
            for name in uses.binds:
                self.binders.setdefault(name, []).append(number)
            for name, ref in uses.bound_imports:
                self.imports.setdefault(name, []).append(ref)
        self.executed = tuple(
            ref for s in self.statements if s.uses.bound_imports for ref in s.uses.executed
        )

    @property
    def has_star(self) -> bool:
        """Whether it imports everything from somewhere."""
        return any(ref.name == "*" for s in self.statements for ref in s.uses.executed)

    def absolute(self, ref: ImportRef) -> str:
        """Full name of the module that an import in this module names."""
        if not ref.level:
            return ref.module
        base = self._package[: len(self._package) - ref.level + 1]
        return ".".join(part for part in [*base, ref.module] if part)

    def origin(self, chain: Chain) -> str | None:
        """Dotted path from outside that a chain stands for, if an import alone binds it.

        `np.load` is `numpy.load` after `import numpy as np`.
        """
        refs = self.imports.get(chain[0], [])
        if len(refs) != 1 or len(self.binders[chain[0]]) != 1:
            return None
        return self.origin_of(refs[0], chain[1:])

    def origin_of(self, ref: ImportRef, rest: Chain) -> str:
        """Dotted path from outside that an import, and attributes taken from it, stand for."""
        module = self.absolute(ref)
        head = module.split(".", 1)[0] if ref.top else module
        return ".".join([head, *([ref.name] if ref.name else []), *rest])


class Program:
    """All modules of one bundle.

    Attributes:
        modules: By dotted name.
        derived: What other modules of this package found out, by module; kept for next time.
    """

    def __init__(self, bundle: CodeBundle) -> None:
        self.derived: dict[str, object] = {}
        self.modules: dict[str, Module] = {}
        for path, text in bundle.files.items():
            module = Module(path, text, bundle.display(path))
            self.modules[module.name] = module

    def module(self, name: str) -> Module:
        """A module by name.

        Raises:
            CodeError: There is none.
        """
        found = self.modules.get(name)
        if found is None:
            raise CodeError(
                f"the bundle holds no module {name}",
                expected=", ".join(self.modules),
                suggestion=nearest(name, self.modules),
            )
        return found


@functools.lru_cache(maxsize=32)
def program_of(bundle: CodeBundle) -> Program:
    """The program that a bundle's files make up; kept for the next time."""
    return Program(bundle)
