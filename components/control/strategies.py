# SPDX-License-Identifier: Apache-2.0
"""How a resolver chooses among the artifacts of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..base.artifact import Artifact
from ..base.control import ControlContext

#: Name of the resolver's input that lists what must not be chosen.
EXCLUDING = "excluding"


class Strategy:
    """Base of strategies. Subclasses implement `resolve` and keep no state."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """Artifacts by output name; an empty list where there is none yet."""
        raise NotImplementedError

    def excluded(self, context: ControlContext) -> set[str]:
        """Content digests that must not be chosen."""
        return {found.content_digest for found in context.inputs.get(EXCLUDING, ())}


class LatestArtifactStrategy(Strategy):
    """Takes the newest artifacts of each type; `config={"desired_num_of_artifacts": n}`."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        wanted = int(context.parameters["config"].get("desired_num_of_artifacts", 1))
        passed_over = self.excluded(context)
        chosen: dict[str, Sequence[Artifact]] = {}
        for name, type_name in context.outputs.items():
            if context.inputs.get(name):
                candidates = list(context.inputs[name])
            else:
                candidates = context.store.latest_artifacts(
                    type_name,
                    pipeline=context.pipeline_name,
                    limit=wanted + len(passed_over),
                )
            kept = [found for found in candidates if found.content_digest not in passed_over]
            chosen[name] = kept[:wanted]
        return chosen


class LatestBlessedModelStrategy(Strategy):
    """Takes the newest model that an evaluator blessed, and its blessing."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        passed_over = self.excluded(context)
        chosen: dict[str, Sequence[Artifact]] = {name: [] for name in context.outputs}
        for model, blessing in context.store.blessed_models(context.pipeline_name):
            if model.content_digest in passed_over:
                continue
            for name, type_name in context.outputs.items():
                chosen[name] = [model if type_name == model.TYPE_NAME else blessing]
            break
        return chosen
