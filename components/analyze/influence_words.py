# SPDX-License-Identifier: Apache-2.0
"""What a FeatureInfluence node measured, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...utils.readable import counted


def told(found: Mapping[str, Any]) -> str:
    """What was measured, in a sentence."""
    where = f"{counted(found['rows'], 'record')} of {found['split']}"
    if found["method"] == "integrated gradients":
        return f"Mean absolute integrated gradient over {where}."
    if found["score"] == "the prediction's change":
        return f"Mean change of the prediction when a feature's values are shuffled, over {where}."
    return (
        f"How much {found['score']} grows when a feature's values are shuffled, over {where}; "
        "lines are one standard deviation over the shuffles."
    )
