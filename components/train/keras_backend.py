# SPDX-License-Identifier: Apache-2.0
"""Lets a training module choose Keras' backend in a process that has loaded Keras already.

`os.environ["KERAS_BACKEND"] = "jax"` before `import keras` is how users choose. Workers are
forked from a process with TensorFlow's libraries, which have loaded Keras on TensorFlow, so
the choice would come too late, and pass without a word. Here the next `import keras` looks
at the variable again: if it names another backend, Keras is loaded anew; else it is the
module that is there.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ...utils.errors import UserCodeError

_VARIABLE = "KERAS_BACKEND"


class KerasBackend:
    """Watches for the next `import keras`, from its making until `settle`."""

    def __init__(self) -> None:
        self._loaded = sys.modules.pop("keras", None)
        if self._loaded is not None:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Asked by Python for every module that is not loaded yet."""
        del path, target
        if name != "keras" or self._loaded is None:
            return None
        self._stop_watching()
        if self._is_wanted():
            return importlib.machinery.ModuleSpec(name, _Given(self._loaded))
        _forget_keras()
        return None

    def settle(self) -> None:
        """Ends watching: what is chosen by now holds."""
        self._stop_watching()
        if self._loaded is None or "keras" in sys.modules:
            return
        if self._is_wanted():
            sys.modules["keras"] = self._loaded
        else:
            _forget_keras()

    def check(self, node_id: str, location: str | None) -> None:
        """Makes sure that the backend was chosen in time.

        Raises:
            UserCodeError: Keras had been loaded with another one.
        """
        keras = sys.modules.get("keras")
        wanted = os.environ.get(_VARIABLE)
        if keras is None or wanted is None or keras.backend.backend() == wanted:
            return
        raise UserCodeError(
            "run_fn chose a backend for Keras after Keras had been loaded",
            node=node_id,
            expected=f"Keras on {wanted}",
            got=f"Keras on {keras.backend.backend()}: that is what the model was trained with",
            location=location,
            fix=f"set os.environ[{_VARIABLE!r}] at the top of the module file, before importing "
            "keras",
        )

    def _is_wanted(self) -> bool:
        assert self._loaded is not None
        backend: str = self._loaded.backend.backend()
        return os.environ.get(_VARIABLE, backend) == backend

    def _stop_watching(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)


class _Given(importlib.abc.Loader):
    """A loader of a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: Any) -> ModuleType:
        """The module itself."""
        del spec
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has run."""
        # Importing has put our makeshift specification in.
        module.__spec__ = self._spec


def _forget_keras() -> None:
    for name in [each for each in sys.modules if each.startswith("keras.")]:
        del sys.modules[name]
