# SPDX-License-Identifier: Apache-2.0
"""Writes bundles out and imports functions from them.

A bundle lies in a folder named after its digest, so it is written once and never changes.
To load from it, the folder comes first on `sys.path`, and modules of the same names that
were imported from elsewhere (another version, another pipeline, the author's own folder)
are forgotten first. One bundle is active in a process at a time.
"""

from __future__ import annotations

import importlib
import io
import os
import secrets
import shutil
import sys
import threading
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from ..errors import CodeError, nearest
from ..storage import write_bytes_atomic, write_text_atomic
from ..storage_errors import storage_errors
from .bundle import CodeBundle
from .import_failures import explain_import
from .search import neighbours
from .tfx_names import install as install_tfx_names
from .tracebacks import ORIGINS_SUFFIX, bundle_folder, encode_origins

#: What stands in for the `__init__.py` that a package did not have: a package without one
#: would lose against any other package of its name on `sys.path`.
_NAMESPACE_INIT = (
    "# Written by Penstock: this folder had no __init__.py.\n"
    "import pkgutil\n\n"
    "__path__ = pkgutil.extend_path(__path__, __name__)\n"
)

_lock = threading.RLock()
_checked: set[str] = set()
_state = threading.local()


def materialize(bundle: CodeBundle, cache_dir: str | os.PathLike[str]) -> str:
    """Writes a bundle's files below `cache_dir`; returns the folder to import from.

    Any number of processes may do so at once. A folder that exists is compared with the
    bundle once in each process and mended where it differs.

    Raises:
        StorageError: The files cannot be written.
    """
    cache_dir = os.path.abspath(cache_dir)
    path = os.path.join(cache_dir, bundle.digest)
    if path in _checked and os.path.isdir(path):
        return path
    files = {name: _encode(text) for name, text in bundle.files.items()}
    for name in _packages_without_init(bundle):
        files[name] = _NAMESPACE_INIT.encode()
    with storage_errors(path, "write user code to"):
        if not os.path.isdir(path):
            _write_folder(path, files)
        _mend(path, files)
    _write_origins(path, bundle)
    _checked.add(path)
    importlib.invalidate_caches()
    return path


def load_module(path: str, module: str) -> ModuleType:
    """Imports a module of the bundle at `path`.

    Raises:
        CodeError: A module that it needs is missing.
        UserCodeError: Importing it raised.
    """
    path = os.path.abspath(path)
    with _lock:
        _activate(path)
        loaded = sys.modules.get(module)
        if loaded is not None and _lies_below(loaded, path):
            return loaded
        # Anything may have been imported from elsewhere since the last time.
        _forget(path)
        install_tfx_names()
        outer = loading_module()
        _state.loading = module
        try:
            return importlib.import_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # SystemExit too: a script that ends itself must not end the worker.
            raise explain_import(error, module, path) from error
        finally:
            _state.loading = outer


def load_function(path: str, module: str, attribute: str) -> Any:
    """The function, class or other object called `attribute` in a module of a bundle.

    Args:
        path: What `materialize` returned.
        module: Dotted name of the module inside the bundle.
        attribute: Name in the module; `Class.method` works too.

    Raises:
        CodeError: There is no such name, or a module that is needed is missing.
        UserCodeError: Importing the module raised.
    """
    found: Any = load_module(path, module)
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            known = [public for public in vars(found) if not public.startswith("__")]
            raise CodeError(
                f"{module} defines no {name}",
                expected=", ".join(sorted(known)[:12]) or "a module that defines it",
                got=name,
                suggestion=nearest(name, known),
                fix=f"define {name} at the top level of {module}",
            ) from None
    return found


def loading_module() -> str | None:
    """Name of the user's module that is being imported just now, if any.

    Whatever starts a run asks this first: a script that runs its pipeline without an
    `if __name__ == "__main__":` around it would start it again in every worker.
    """
    loading: str | None = getattr(_state, "loading", None)
    return loading


@contextmanager
def preserved_imports() -> Iterator[None]:
    """Restores `sys.path` and the imported modules afterwards.

    For loading user code inside a process that has other work to do: a notebook, a test.
    """
    with _lock:
        path, modules = list(sys.path), dict(sys.modules)
    try:
        yield
    finally:
        with _lock:
            sys.path[:] = path
            for name in [name for name, found in sys.modules.copy().items() if _of_bundle(found)]:
                if modules.get(name) is not sys.modules[name]:
                    del sys.modules[name]
            for name, found in modules.items():
                sys.modules.setdefault(name, found)


def _activate(path: str) -> None:
    """Makes `path` the bundle that imports come from."""
    if sys.path[0] != path:
        others = [p for p in sys.path if p != path and bundle_folder(os.path.join(p, "x")) != p]
        sys.path[:] = [path, *others]


def _forget(path: str) -> None:
    """Forgets modules of other bundles, and those that `path` provides but that lie elsewhere."""
    provided = set(neighbours([path]))
    for name, module in sys.modules.copy().items():
        if not _lies_below(module, path) and (
            name.split(".", 1)[0] in provided or _of_bundle(module)
        ):
            del sys.modules[name]


def _of_bundle(module: Any) -> bool:
    """Whether a module was imported from a bundle."""
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and bundle_folder(file) is not None


def _lies_below(module: Any, path: str) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.startswith(path + os.sep)


def _encode(text: str) -> bytes:
    """A source text as bytes, in the encoding that it declares."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(text.encode("utf-8")).readline)
    return text.encode(encoding)


def _packages_without_init(bundle: CodeBundle) -> list[str]:
    folders = set()
    for name in bundle.files:
        parts = name.split("/")[:-1]
        folders |= {"/".join(parts[: end + 1]) for end in range(len(parts))}
    return sorted(f"{f}/__init__.py" for f in folders if f"{f}/__init__.py" not in bundle.files)


def _write_folder(path: str, files: dict[str, bytes]) -> None:
    temporary = f"{path}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        for name, data in files.items():
            target = os.path.join(temporary, *name.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
        try:
            os.rename(temporary, path)
        except OSError:
            # Another process was first.
            if not os.path.isdir(path):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _mend(path: str, files: dict[str, bytes]) -> None:
    """Rewrites files that are not as they must be (a power cut, an editor)."""
    for name, data in files.items():
        target = os.path.join(path, *name.split("/"))
        with suppress(FileNotFoundError), open(target, "rb") as file:
            if file.read() == data:
                continue
        write_bytes_atomic(target, data)


def _write_origins(path: str, bundle: CodeBundle) -> None:
    text = encode_origins(bundle.origins)
    with suppress(OSError), open(path + ORIGINS_SUFFIX, encoding="utf-8") as file:
        if file.read() == text:
            return
    write_text_atomic(path + ORIGINS_SUFFIX, text)
