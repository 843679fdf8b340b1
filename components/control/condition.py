# SPDX-License-Identifier: Apache-2.0
"""Conditions: nodes that run only where a predicate over upstream values holds.

with Cond(trainer.outputs["loss"].future().value < 0.5):
    pusher = Pusher(...)
"""

from __future__ import annotations

from ...utils.errors import WiringError
from ...utils.source_location import caller_location
from ..base.expression import Predicate
from ..base.node import ConditionScope


class Cond(ConditionScope):
    """Makes every node built inside the `with` block conditional on `predicate`.

    A node whose condition is false is recorded as skipped, and so are the nodes that need
    its outputs. Blocks nest: all conditions must hold.

    Args:
        predicate: A comparison of upstream values, such as
            `node.outputs["loss"].future().value < 0.5`, combined with `&`, `|`, `~`.

    Raises:
        WiringError: `predicate` is not such an expression.
    """

    def __init__(self, predicate: Predicate) -> None:
        if not isinstance(predicate, Predicate):
            raise WiringError(
                "Cond needs a comparison of values that are known only when the pipeline runs",
                expected="for instance node.outputs['loss'].future().value < 0.5",
                got=f"{predicate!r} ({type(predicate).__name__})",
                location=caller_location(),
                fix="compare with == < > …, and join comparisons with & | ~",
            )
        super().__init__(predicate)
