# SPDX-License-Identifier: Apache-2.0
"""Functions and classes from notebook cells, as a module that can travel.

A cell's function has no file. A module is written for it that holds its source, the
sources of the cell functions and classes that it refers to, plain constants by value, and
an `import` for everything that can be imported. What is none of these is an error that
names it, rather than a surprise in another process.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import linecache
import os
import sys
import textwrap
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from ..errors import CodeError
from .bundle import CodeBundle
from .closure import collect_text
from .scopes import global_names
from .search import FRAMEWORK
from .sources import parse

_CONSTANTS = (type(None), bool, int, float, complex, str, bytes)


def collect_cells(entry: FunctionType | type) -> tuple[CodeBundle, str]:
    """The bundle of something defined in a notebook, and the module's name in it.

    Raises:
        CodeError: Its source is not known, or it needs something that cannot travel.
    """
    module = CellModule(entry)
    name = f"notebook_{entry.__name__}"
    return collect_text(module.text(), name, f"notebook cell of {entry.__name__}"), name


class CellImport(NamedTuple):
    """What makes a name available, sorted as it stands in a module.

    Attributes:
        module: Dotted name of the module.
        attribute: What is taken from it; empty for the module itself.
        name: The name that it gets.
    """

    module: str
    attribute: str
    name: str

    def __str__(self) -> str:
        origin = self.attribute or self.module
        renamed = "" if origin == self.name else f" as {self.name}"
        head = f"from {self.module} import {origin}" if self.attribute else f"import {origin}"
        return head + renamed


class CellModule:
    """What a function or class from a notebook's cell needs.

    Attributes:
        imports: What is imported, by name.
        constants: Python source of constants, by name.
        sources: Sources of functions and classes by name, each after those that it refers to.

    Args:
        entry: The function or class.

    Raises:
        CodeError: The interpreter did not keep its source.
    """

    def __init__(self, entry: FunctionType | type) -> None:
        self._entry = entry.__name__
        self._globals = vars(sys.modules[entry.__module__])
        if isinstance(entry, FunctionType):
            self._globals = entry.__globals__
        self.imports: dict[str, CellImport] = {}
        self.constants: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self._missing: list[str] = []
        self._add_source(entry)

    @property
    def postponed(self) -> bool:
        """Whether the notebook has `from __future__ import annotations`."""
        return (
            "annotations" in self._globals
            and getattr(self._globals["annotations"], "compiler_flag", None) is not None
        )

    def text(self) -> str:
        """The module's source.

        Raises:
            CodeError: Something that it needs cannot travel.
        """
        self.check()
        parts = [
            "from __future__ import annotations\n" if self.postponed else "",
            "".join(f"{line}\n" for line in sorted(self.imports.values())),
            "".join(f"{name} = {value}\n" for name, value in sorted(self.constants.items())),
            *self.sources.values(),
        ]
        return "\n\n".join(part for part in parts if part)

    def check(self) -> None:
        """Checks that all that it needs can travel.

        Raises:
            CodeError: Something cannot.
        """
        if self._missing:
            names = ", ".join(sorted(set(self._missing)))
            raise CodeError(
                f"{self._entry} refers to names that cannot travel with the pipeline: {names}",
                expected="functions and classes defined in cells, importable names, and "
                "constants such as numbers and text",
                got="; ".join(
                    f"{name} is a {type(self._globals[name]).__name__}"
                    for name in sorted(set(self._missing))
                ),
                fix=f"create {names} inside {self._entry}, pass them as parameters, or move "
                "the code to a .py file",
            )

    def _add_source(self, value: FunctionType | type) -> None:
        name = value.__name__
        if name in self.sources:
            return
        self.sources[name] = ""
        text = cell_source(value)
        needed = global_names(parse(text, f"notebook cell of {name}").body[0])
        for found in sorted(needed - {name}):
            if found in self._globals:
                self._add(found, self._globals[found])
        # Reinserted last: what it refers to now stands before it.
        del self.sources[name]
        self.sources[name] = text

    def _add(self, name: str, value: Any) -> None:
        wrapped = getattr(value, "__wrapped__", None)
        if _from_cell(wrapped) and not isinstance(value, FunctionType):
            # A component made of a cell's function: its source holds the decorator.
            value = wrapped
        literal = _literal(value)
        if isinstance(value, ModuleType):
            self.imports[name] = CellImport(value.__name__, "", name)
        elif literal is not None:
            self.constants[name] = literal
        elif _from_cell(value) and value.__name__ == name:
            self._add_source(value)
        else:
            place = _importable(name, value)
            if place is None:
                self._missing.append(name)
                return
            self.imports[name] = CellImport(*place, name)


def cell_source(value: FunctionType | type) -> str:
    """Source of something typed into a notebook or an interpreter.

    Raises:
        CodeError: The interpreter did not keep it.
    """
    try:
        function = isinstance(value, FunctionType)
        text = inspect.getsource(value) if function else _class_source(value)
    except (OSError, TypeError):
        raise CodeError(
            f"the source of {value.__name__} is not known: it was typed into an interpreter, "
            "or made by exec()",
            expected="a function or class in a .py file or a notebook cell",
            fix=f"save {value.__name__} in a .py file and import it",
        ) from None
    return textwrap.dedent(text).strip() + "\n"


def _class_source(value: FunctionType | type) -> str:
    # inspect looks for a class in its module's file, and a notebook has none.
    for file, kept in reversed(list(linecache.cache.items())):
        if len(kept) < 3 or (os.path.isfile(file) and "ipykernel" not in file):
            continue
        lines = kept[2]
        try:
            body = ast.parse("".join(lines)).body
        except (SyntaxError, ValueError):
            continue
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name == value.__name__:
                first = min([node.lineno, *(found.lineno for found in node.decorator_list)])
                return "".join(lines[first - 1 : node.end_lineno])
    raise OSError("source not available")


def _literal(value: Any) -> str | None:
    """Python source that gives `value` again; None where there is none."""
    if not _plain(value):
        return None
    text = repr(value)
    try:
        return text if ast.literal_eval(text) == value else None
    except (ValueError, SyntaxError):
        # Infinities and the like.
        return None


def _plain(value: Any) -> bool:
    if type(value) in (list, tuple, set):
        return bool(value or type(value) is not set) and all(_plain(item) for item in value)
    if type(value) is dict:
        return all(_plain(key) and _plain(item) for key, item in value.items())
    return type(value) in _CONSTANTS


def _from_cell(value: Any) -> bool:
    return (
        isinstance(value, (FunctionType, type))
        and value.__module__ == "__main__"
        and value.__qualname__.isidentifier()
        and not keyword.iskeyword(value.__name__)
    )


def _importable(name: str, value: Any) -> tuple[str, str] | None:
    """(module, name in it) under which `value` can be imported; None where it cannot."""
    module = getattr(value, "__module__", None)
    qualname = getattr(value, "__qualname__", None)
    # Our own names are best known by where people import them from.
    root = sys.modules.get(FRAMEWORK)
    if isinstance(module, str) and module.startswith(f"{FRAMEWORK}.") and root is not None:
        for attribute in (getattr(value, "__name__", None), name):
            public = isinstance(attribute, str) and attribute in getattr(root, "__all__", ())
            if public and getattr(root, str(attribute)) is value:
                return FRAMEWORK, str(attribute)
    for attribute in (qualname, getattr(value, "__name__", None), name):
        if isinstance(module, str) and isinstance(attribute, str) and attribute.isidentifier():
            found = sys.modules.get(module)
            if module != "__main__" and getattr(found, attribute, None) is value:
                return module, attribute
    # Aliases of the typing kind know no module: look for one that offers the same object.
    places = [
        module
        for module, loaded in sys.modules.copy().items()
        if module != "__main__"
        # Under whatever name: the notebook itself is nothing to import from.
        and getattr(loaded, "__name__", "") != "__main__"
        and getattr(loaded, "__dict__", {}).get(name) is value
    ]
    return (min(places, key=lambda place: (place.count("."), place)), name) if places else None
