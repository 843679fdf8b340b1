# SPDX-License-Identifier: Apache-2.0
"""What importers and resolvers choose: asked by the launcher, and by the plan beforehand."""

from __future__ import annotations

from ...components.base.artifact import Artifact
from ...components.base.control import ControlContext, ControlExecutor
from ...utils.errors import PenstockError
from ...utils.module_loading import load_object
from ..ir import NodeIR
from ..metadata.store import MetadataStore
from ..user_traceback import raised_in_user_code, user_frames
from .input_resolution import ResolvedNode
from .run import Run


def steer(
    node: NodeIR, resolved: ResolvedNode, run: Run, store: MetadataStore
) -> dict[str, list[Artifact]]:
    """Artifacts by output name, as a control node chooses them now. Records nothing.

    Raises:
        UserCodeError: A user's strategy raised.
    """
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
    try:
        chosen = executor.resolve(context)
    except PenstockError:
        raise
    except Exception as error:
        if not user_frames(error):
            raise
        name = node.executor.path.rpartition(":")[2]
        raise raised_in_user_code(error, f"{name} failed") from error
    return {name: list(chosen.get(name, ())) for name in node.outputs}
