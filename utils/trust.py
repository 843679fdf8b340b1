# SPDX-License-Identifier: Apache-2.0
"""What somebody said on this machine that may be run though it came with a model."""

from __future__ import annotations

import os

#: Environment variable with names of types, and of code, separated by commas.
TRUST_VARIABLE = "PENSTOCK_TRUSTED_TYPES"


def trusted_here() -> list[str]:
    """The names in the environment variable, in its order."""
    names = os.environ.get(TRUST_VARIABLE, "").split(",")
    return [name.strip() for name in names if name.strip()]
