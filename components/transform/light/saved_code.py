# SPDX-License-Identifier: Apache-2.0
"""The user's own modules, saved beside what they made, and imported apart from all others.

Two models served by one process may both have a module `features`, of different content. So
a bundle's modules are in `sys.modules` only while they are being imported or, where one may
import another as it works, while its functions run.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from shutil import rmtree
from typing import Any

from ....utils import storage
from ....utils.errors import CodeError, DataError, PenstockError, UserCodeError
from ....utils.trust import TRUST_VARIABLE, trusted_here
from ....utils.user_code import CodeBundle, explain_missing_module, materialize, user_frames
from ....utils.user_code.import_failures import explain_import

CODE_FILE = "code.json"
#: What to trust so that saved code may run: all of it, or, with `:<digest>`, that one.
CODE = "code"

_lock = threading.RLock()


class SavedCode:
    """Modules of a bundle, ready to call.

    Args:
        bundle: The modules.
        cache_dir: A folder to write them below; one of their own where not given.
    """

    def __init__(self, bundle: CodeBundle, cache_dir: str | None = None) -> None:
        if cache_dir is None:
            cache_dir = tempfile.mkdtemp(prefix="penstock-transform-")
            weakref.finalize(self, rmtree, cache_dir, ignore_errors=True)
        self.bundle = bundle
        self.path = materialize(bundle, cache_dir)
        self._modules: dict[str, Any] = {}

    def function(self, module: str, name: str) -> Callable[..., Any]:
        """A function of a module, imported anew.

        Raises:
            CodeError: There is none, or a module that is needed is missing.
            UserCodeError: Importing raised.
        """
        with self.active():
            try:
                found = getattr(importlib.import_module(module), name, None)
            except Exception as error:
                raise explain_import(error, module, self.path) from error
        if not callable(found):
            raise CodeError(f"{module} defines no function {name}", location=self.path)
        called: Callable[..., Any] = found
        return called

    def defines(self, type_name: str) -> bool:
        """Whether the type or function of a dotted name is at the top level of a module.

        Raises:
            CodeError: A module that is needed is missing.
            UserCodeError: Importing raised.
        """
        module, _, name = type_name.rpartition(".")
        with self.active():
            try:
                return hasattr(importlib.import_module(module), name)
            except Exception as error:
                raise explain_import(error, module, self.path) from error

    def owns(self, type_name: str) -> bool:
        """Whether the type of a dotted name is defined in these modules."""
        return type_name.partition(".")[0] in self.bundle.roots

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function of these modules, or one that calls them.

        Raises:
            CodeError: It imports what is not there.
            UserCodeError: These modules raised.
            Exception: Something else raised.
        """
        try:
            if len(self.bundle.files) == 1:
                return function(*arguments)
            with self.active():
                return function(*arguments)
        except PenstockError:
            raise
        except ModuleNotFoundError as error:
            raise explain_missing_module(error, self.path) from error
        except Exception as error:
            frames = user_frames(error, [self.path])
            if not frames:
                raise
            raise UserCodeError(
                f"{type(error).__name__}: {error}",
                frames=frames,
                location=frames[-1].rpartition(" in ")[0],
            ) from error

    @contextmanager
    def active(self) -> Iterator[None]:
        """Makes the modules importable, and those of other code by the same names not."""
        with _lock:
            others = self._taken()
            sys.modules.update(self._modules)
            sys.path.insert(0, self.path)
            importlib.invalidate_caches()
            try:
                yield
            finally:
                sys.path.remove(self.path)
                self._modules = self._taken()
                sys.modules.update(others)

    def _taken(self) -> dict[str, Any]:
        """Takes the modules under this bundle's names out of `sys.modules`."""
        roots = self.bundle.roots
        names = [name for name in sys.modules.copy() if name.partition(".")[0] in roots]
        return {name: sys.modules.pop(name) for name in names}


def write_code(bundle: CodeBundle, folder: str) -> None:
    """Writes a bundle to `code.json`, without the places that its modules were read from."""
    plain = CodeBundle(bundle.files).to_dict()
    text = json.dumps({"digest": plain["digest"], "files": plain["files"]}, indent=1)
    storage.write_text_atomic(os.path.join(folder, CODE_FILE), text + "\n")


def read_code(folder: str, trusted: Collection[str] = ()) -> SavedCode | None:
    """The code in a folder, or None where there is none.

    Args:
        folder: Where to look.
        trusted: Whether it may run: `code`, or `code:<digest>` of this one. Those named in
            the environment variable `PENSTOCK_TRUSTED_TYPES` count as well.

    Raises:
        CodeError: The modules do not fit their digest, or nobody trusts them.
        DataError: The file is damaged.
    """
    location = storage.join(folder, CODE_FILE)
    if not storage.exists(location):
        return None
    try:
        bundle = CodeBundle.from_dict(json.loads(storage.read_text(location)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "the code saved with a transform cannot be read",
            got=f"{type(error).__name__}: {error}",
            location=location,
            fix="run the node that writes it again",
        ) from error
    _check_trusted(bundle.digest, trusted, location)
    return SavedCode(bundle)


def code_name(digest: str) -> str:
    """How code of a digest is named where it is trusted."""
    return f"{CODE}:{digest}"


def saved_code_name(folder: str) -> str | None:
    """How the code in a folder is named where it is trusted; None where there is no code."""
    location = storage.join(folder, CODE_FILE)
    if not storage.exists(location):
        return None
    return code_name(str(json.loads(storage.read_text(location))["digest"]))


def _check_trusted(digest: str, trusted: Collection[str], location: str) -> None:
    told = {*trusted, *trusted_here()}
    if {CODE, code_name(digest)} & told:
        return
    raise CodeError(
        "the transform saved with the model is code of its author, which is not trusted here",
        expected=f"{code_name(digest)} among what is trusted",
        got=", ".join(sorted(told - {""})) or "nothing",
        location=location,
        fix=f"read the file; if you trust it, set {TRUST_VARIABLE}={code_name(digest)}, "
        f"or {TRUST_VARIABLE}={CODE} where all models are your own",
    )
