# SPDX-License-Identifier: Apache-2.0
"""What the standard components have in TFX beside what they have natively."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..base.component import Component
from .class_component import TfxNode


class TfxComponent(TfxNode, Component):
    """A native component with TFX's methods; a subclass gives it TFX's constructor."""

    def with_beam_pipeline_args(self, beam_pipeline_args: Iterable[str]) -> Any:
        """Asks for flags for the node's own Beam pipelines; the pipeline adds them to its own.

        Returns:
            The node.
        """
        vars(self).setdefault("beam_pipeline_args", []).extend(beam_pipeline_args)
        return self
