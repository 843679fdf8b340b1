# SPDX-License-Identifier: Apache-2.0
"""TFX's names, so that a TFX pipeline runs after one changed line.

    from penstock import tfx              # instead of: from tfx import v1 as tfx

Everything below (`tfx.components`, `tfx.dsl`, `tfx.orchestration`, `tfx.proto`, `tfx.types`,
`tfx.utils`) is a thin face over Penstock's own components and runners; there is no second
engine. `from penstock.tfx.components import Trainer` and other imports of inner modules work
as well, and so does `tfx` itself where the package of that name is not installed: in module
files, say. The tables of names are `components/tfx_face/public_names.py` and
`module_names.py`; `docs/from-tfx.md` is made from them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from .components.tfx_face.face_modules import install, lookup, names_in, submodules

#: Makes this module a package for Python, whose modules are made on demand: the folder is not
#: there. Notebooks of TFX's guide look for its own by `tfx.__path__[0]`.
__path__ = [os.path.join(os.path.dirname(__file__), "tfx")]

install()
# Importing TFX makes `tf.keras` Keras 2, for which its users' module files are written. It holds
# for processes that start from here on; whoever has chosen already is left alone.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
with contextlib.suppress(ImportError):
    # Pipelines of TFX write `import absl`, and use `absl.logging`, which TFX has imported.
    import absl.logging  # type: ignore[import-untyped]  # noqa: F401
sys.modules.setdefault(f"{__name__}.v1", sys.modules[__name__])
v1 = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    """A namespace, or one of the names at the top."""
    found = lookup("", name, __name__)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*names_in(""), *submodules(""), "v1"})
