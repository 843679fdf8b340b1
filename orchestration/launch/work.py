# SPDX-License-Identifier: Apache-2.0
"""What a worker is told: one node, resolved, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...components.base.artifact import Artifact, PropertyType, declare_artifact_type
from ...utils.user_code import CodeBundle, materialize
from ..code_collector import EXECUTOR_ENTRY
from ..ir import CodeIR, NodeIR, PipelineIR
from .input_resolution import ResolvedNode
from .run import Run
from .workers.messages import CodeRef, WorkSpec


def declare_types(ir: PipelineIR) -> None:
    """Makes the artifact types of an IR known to this process."""
    for name, declared in ir.artifact_types.items():
        declare_artifact_type(
            name, {key: PropertyType(kind) for key, kind in declared.properties.items()}
        )


def work_spec(
    ir: PipelineIR,
    node: NodeIR,
    run: Run,
    resolved: ResolvedNode,
    outputs: Mapping[str, Sequence[Artifact]],
    execution_id: int,
    attempt: int,
    log_path: str,
    checkpoint_dir: str = "",
) -> WorkSpec:
    """Everything that a worker needs to execute one node.

    Raises:
        StorageError: User code cannot be written out.
    """
    refs = {entry: code_ref(ir, code, run.code_folder) for entry, code in node.code.items()}
    return WorkSpec(
        executor=node.executor.path,
        executor_code=refs.pop(EXECUTOR_ENTRY, None),
        node_id=node.id,
        inputs={name: [a.to_dict() for a in found] for name, found in resolved.inputs.items()},
        outputs={name: [a.to_dict() for a in found] for name, found in outputs.items()},
        artifact_types={name: dict(kind.properties) for name, kind in ir.artifact_types.items()},
        parameters=resolved.parameters,
        code=refs,
        run_id=run.id,
        pipeline_name=run.pipeline,
        execution_id=execution_id,
        attempt=attempt,
        work_dir=run.work_dir(execution_id),
        beam_pipeline_args=list(ir.beam_pipeline_args),
        log_path=log_path,
        heavy=bool(node.executor.preload),
        checkpoint_dir=checkpoint_dir,
        gpus=node.policy.resources.gpu,
        workers=node.policy.resources.workers,
    )


def code_ref(ir: PipelineIR, code: CodeIR, folder: str) -> CodeRef:
    """Writes a function's bundle out, unless it is there, and says where the function is."""
    path = materialize(CodeBundle.from_dict(ir.code[code.bundle]), folder)
    return CodeRef(path, code.module, code.attribute)
