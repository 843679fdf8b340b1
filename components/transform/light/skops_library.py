# SPDX-License-Identifier: Apache-2.0
"""skops, loaded without PyTorch.

skops lists the types that it trusts by walking through scikit-learn's packages
(`sklearn.utils.all_estimators`), one of which is the adapter for PyTorch's tensors: wherever
torch is installed, it would be loaded, for no use. That takes seconds and hundreds of
megabytes in each server and worker.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_ADAPTER = "sklearn.externals.array_api_compat.torch"


def _load() -> Any:
    hidden = "torch" not in sys.modules and _ADAPTER not in sys.modules
    if hidden:
        sys.modules[_ADAPTER] = None  # type: ignore[assignment]  # what says that there is none
    try:
        return importlib.import_module("skops.io")
    finally:
        if hidden:
            del sys.modules[_ADAPTER]


#: The module `skops.io`. Others import it from here, or else it is loaded before.
skops_io = _load()
