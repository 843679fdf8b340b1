# SPDX-License-Identifier: Apache-2.0
"""The modules below `penstock.tfx`: made from the tables of names when they are imported.

So `tfx.dsl.Pipeline`, `import penstock.tfx.dsl` and
`from penstock.tfx.components.trainer.fn_args_utils import FnArgs` all find their way, and
importing one of them imports nothing that is not used.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from ...utils.errors import PenstockError, nearest
from ...utils.source_location import caller_location
from ...utils.user_code.tfx_names import FACE, REAL, TfxFinder, tfx_is_installed
from .absent_names import absence
from .module_names import MODULES
from .public_names import PUBLIC

_PACKAGE = __name__.split(".", 1)[0]


class AbsentName(PenstockError, ImportError):
    """A name of TFX that has no counterpart here.

    No AttributeError: Python would take another one's place for `from … import …`, and what
    to do instead would be lost.
    """


class UnknownName(PenstockError, AttributeError):
    """A name that TFX does not have either."""


def names_in(module: str) -> Mapping[str, str]:
    """Homes of the names in a module, by name.

    Args:
        module: Dotted name below `tfx`, with or without `v1`; empty for the face itself.
    """
    return {**MODULES.get(module, {}), **PUBLIC.get(module, {})}


def is_module(module: str) -> bool:
    """Whether there is a module of that dotted name below `tfx`."""
    below = module + "."
    known = [*PUBLIC, *MODULES]
    return module in known or any(each.startswith(below) for each in known)


def submodules(module: str) -> list[str]:
    """Names of the modules directly inside a module."""
    prefix = f"{module}." if module else ""
    found = {
        each[len(prefix) :].split(".", 1)[0]
        for each in (*PUBLIC, *MODULES)
        if each.startswith(prefix) and each != module
    }
    return sorted(name for name in found if name)


def resolve(home: str) -> Any:
    """The object that a table names."""
    module, _, attribute = home.partition(":")
    found: Any = importlib.import_module(f"{_PACKAGE}.{module}")
    for name in attribute.split(".") if attribute else ():
        found = getattr(found, name)
    return found


def lookup(module: str, name: str, python_name: str) -> Any:
    """What `name` is in a module of the face: an object, or a module inside.

    Args:
        module: Dotted name below `tfx`, without `v1`.
        name: The name asked for.
        python_name: Name of the Python module that is asked.

    Raises:
        AbsentName: There is no counterpart; it says what to do instead.
        UnknownName: There is no such name.
    """
    home = names_in(module).get(name)
    if home is not None:
        return resolve(home)
    if not module and name == "v1":
        return importlib.import_module(f"{python_name}.v1")
    inner = f"{module}.{name}" if module else name
    if is_module(inner):
        return importlib.import_module(f"{python_name}.{name}")
    if name.startswith("__"):
        raise AttributeError(f"module {python_name!r} has no attribute {name!r}")
    raise absent(inner, [*names_in(module)] or submodules(module))


def absent(inner: str, known: Sequence[str] = ()) -> PenstockError:
    """The error for a name that is not there."""
    told = absence(inner)
    if told is not None:
        reason, fix = told
        return AbsentName(reason, got=f"tfx.{inner}", location=caller_location(), fix=fix)
    return UnknownName(
        f"tfx.{inner} is not known",
        expected=", ".join(sorted(known)[:20]) or None,
        got=f"tfx.{inner}",
        suggestion=nearest(inner.rpartition(".")[2], known),
        location=caller_location(),
    )


class FaceModule(ModuleType):
    """One module below `penstock.tfx`."""

    def __init__(self, name: str, inner: str) -> None:
        super().__init__(name, f"Names of `tfx.{inner}`; see penstock.tfx.")
        self.__dict__["_inner"] = inner

    def __getattr__(self, name: str) -> Any:
        found = lookup(self.__dict__["_inner"], name, self.__name__)
        self.__dict__[name] = found
        return found

    def __reduce__(self) -> Any:
        # Beam copies users' functions, and with them the modules that they name.
        return importlib.import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        inner = self.__dict__["_inner"]
        return sorted({*names_in(inner), *submodules(inner)})


class FaceFinder(TfxFinder, importlib.abc.Loader):
    """Finds modules below `penstock.tfx`, and those of `tfx` where TFX is not installed."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Asked by Python before everybody else."""
        del path, target
        inner = _inner_name(fullname)
        if inner is None or not _is_ours(fullname):
            return None
        if not is_module(inner):
            if absence(inner) is None:
                return None
            raise absent(inner)
        # A package, so that Python looks for modules inside it.
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module, still empty."""
        inner = _inner_name(spec.name)
        assert inner is not None
        return FaceModule(spec.name, inner)

    def exec_module(self, module: ModuleType) -> None:
        """Lets `from … import *` know what there is."""
        module.__dict__["__all__"] = [name for name in module.__dir__() if not name.startswith("_")]


def _inner_name(fullname: str) -> str | None:
    """The name below `tfx`, without `v1`; None for a module that is none of TFX's."""
    for root in (FACE, REAL):
        if fullname == root and root is REAL:
            return ""
        if fullname.startswith(root + "."):
            below = fullname[len(root) + 1 :]
            return "" if below == "v1" else below.removeprefix("v1.")
    return None


def _is_ours(fullname: str) -> bool:
    """Whether a module of TFX's is to be looked for here."""
    if fullname == REAL:
        return not tfx_is_installed()
    return fullname.startswith(FACE) or isinstance(sys.modules.get(REAL), FaceModule)


def install() -> None:
    """Lets Python find the modules; more than once does no harm."""
    if not any(isinstance(finder, FaceFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, FaceFinder())
