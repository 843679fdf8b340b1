# SPDX-License-Identifier: Apache-2.0
"""What importers and resolvers choose: asked by the launcher, and by the plan beforehand."""

from __future__ import annotations

from ...components.base.artifact import Artifact
from ...components.base.control import ControlContext, ControlExecutor
from ...utils.module_loading import load_object
from ..ir import NodeIR
from ..metadata.store import MetadataStore
from .input_resolution import ResolvedNode
from .run import Run


def steer(
    node: NodeIR, resolved: ResolvedNode, run: Run, store: MetadataStore
) -> dict[str, list[Artifact]]:
    """Artifacts by output name, as a control node chooses them now. Records nothing."""
    context = ControlContext(
        store=store,
        inputs=resolved.inputs,
        outputs=node.outputs,
        parameters=resolved.parameters,
        pipeline_name=run.pipeline,
        node_id=node.id,
        run_id=run.id,
    )
    executor: ControlExecutor = load_object(node.executor.path)()
    chosen = executor.resolve(context)
    return {name: list(chosen.get(name, ())) for name in node.outputs}
