# SPDX-License-Identifier: Apache-2.0
"""Whether training code needs TensorFlow, found out by reading it, not by running it."""

from __future__ import annotations

import re
from typing import Any

from ...utils.errors import PenstockError
from ...utils.user_code import collect

_IMPORT = re.compile(
    r"^\s*(?:import|from)\s+(?:tensorflow|tensorflow_\w+|keras|tf_keras|tfx_bsl)\b", re.MULTILINE
)


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
