# SPDX-License-Identifier: Apache-2.0
"""Which heavy libraries training code needs, found out by reading it, not by running it."""

from __future__ import annotations

import re
from typing import Any

from ...utils.errors import PenstockError
from ...utils.user_code import collect

_IMPORT = re.compile(
    r"^\s*(?:import|from)\s+(?:tensorflow|tensorflow_\w+|keras|tf_keras|tfx_bsl)\b", re.MULTILINE
)
#: Those that take seconds to load, and do nothing yet when they are loaded.
_PRELOADED = re.compile(r"^\s*(?:import|from)\s+((?:pandas|sklearn|skops)(?:\.\w+)*)", re.MULTILINE)
#: Loads skops without PyTorch, so it has to come before skops itself.
_LEAN_SKOPS = "penstock.components.transform.light.skops_library"


def imported_libraries(*entries: Any) -> tuple[str, ...]:
    """Modules of pandas, scikit-learn and skops that the user's modules import.

    Whoever runs the code many times, as a search does, would else load them each time.

    Args:
        *entries: Module files, functions or their dotted names.
    """
    found: set[str] = set()
    for entry in entries:
        try:
            texts = collect(entry).bundle.files.values()
        except PenstockError:
            continue
        found.update(match for text in texts for match in _PRELOADED.findall(text))
    if any(name.startswith("skops") for name in found):
        return (_LEAN_SKOPS, *sorted(found))
    return tuple(sorted(found))


def uses_tensorflow(entry: Any) -> bool:
    """Whether the user's modules behind an entry import TensorFlow or what builds on it.

    Args:
        entry: A module file, a function or its dotted name. What cannot be read counts as
            code that does; whoever compiles it will say what is wrong with it.
    """
    if entry is None:
        return True
    try:
        bundle = collect(entry).bundle
    except PenstockError:
        return True
    return any(_IMPORT.search(text) for text in bundle.files.values())
