# SPDX-License-Identifier: Apache-2.0
"""Runs one execution in this process: load, execute, digest."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

# The standard types must be known before artifacts of them are read.
from ....components.base import artifact_types as _standard_types  # noqa: F401
from ....components.base.artifact import (
    Artifact,
    PropertyType,
    PropertyValue,
    artifact_from_dict,
    declare_artifact_type,
)
from ....components.base.executor import Executor, ProgressCallback, Task, WorkerGroup
from ....utils.errors import CodeError, ExecutionError
from ....utils.hashing import digest_tree
from ....utils.peak_memory import peak_memory
from ....utils.user_code import load_function
from .isolation import environment, isolated, temporary_files
from .messages import ArtifactDicts, CodeRef, WorkResult, WorkSpec


def run_task(spec: WorkSpec, report_progress: ProgressCallback) -> WorkResult:
    """Runs the execution that `spec` describes.

    Raises:
        PenstockError: The executor said what is wrong.
        Exception: Anything else that the executor or user code raised.
    """
    own_files = temporary_files() if spec.heavy else nullcontext()
    with environment(spec.env), own_files:
        started = time.perf_counter()
        executor = _load_executor(spec)
        code = {name: _load_code(ref) for name, ref in spec.code.items()}
        # After the code: it may define the artifact types that it works with.
        task = _build_task(spec, code, report_progress)
        imported = time.perf_counter()
        # Not what loading changed: modules stay loaded, so what they set up must stay too.
        with isolated():
            properties = executor.execute(task)
        executed = time.perf_counter()
        _digest(task.outputs)
        digested = time.perf_counter()
    return WorkResult(
        outputs={
            name: [_to_dict(artifact, spec) for artifact in found]
            for name, found in task.outputs.items()
        },
        properties=_plain(properties or {}, "the executor returned", spec),
        import_seconds=imported - started,
        execute_seconds=executed - imported,
        digest_seconds=digested - executed,
        peak_memory=peak_memory(),
    )


def _load_executor(spec: WorkSpec) -> Executor:
    if spec.executor_code is not None:
        found: Any = _load_code(spec.executor_code)
    else:
        module, _, attribute = spec.executor.partition(":")
        found = getattr(importlib.import_module(module), attribute, None)
    if not callable(found):
        raise CodeError(
            f"there is no executor class {spec.executor!r}",
            node=spec.node_id,
            expected="package.module:Class",
            fix="correct `executor` in the component's declaration",
        )
    executor: Executor = found()
    return executor


def _load_code(ref: CodeRef) -> Callable[..., Any]:
    loaded: Callable[..., Any] = load_function(ref.bundle_path, ref.module, ref.attribute)
    return loaded


def _build_task(
    spec: WorkSpec, code: Mapping[str, Callable[..., Any]], report_progress: ProgressCallback
) -> Task:
    for type_name, declared in spec.artifact_types.items():
        declare_artifact_type(
            type_name, {name: PropertyType(kind) for name, kind in declared.items()}
        )
    return Task(
        inputs=_artifacts(spec.inputs),
        outputs=_artifacts(spec.outputs),
        parameters=spec.parameters,
        code=code,
        node_id=spec.node_id,
        run_id=spec.run_id,
        pipeline_name=spec.pipeline_name,
        execution_id=spec.execution_id,
        attempt=spec.attempt,
        work_dir=spec.work_dir,
        beam_pipeline_args=spec.beam_pipeline_args,
        report_progress=report_progress,
        checkpoint_dir=spec.checkpoint_dir,
        group=WorkerGroup(spec.rank, tuple(spec.addresses), spec.gpus),
    )


def _artifacts(raw: ArtifactDicts) -> dict[str, list[Artifact]]:
    return {name: [artifact_from_dict(one) for one in found] for name, found in raw.items()}


def _digest(outputs: Mapping[str, Any]) -> None:
    for found in outputs.values():
        for artifact in found:
            if not artifact.content_digest:
                artifact.content_digest = digest_tree(artifact.uri)


def _to_dict(artifact: Artifact, spec: WorkSpec) -> dict[str, Any]:
    raw = artifact.to_dict()
    for kind in ("properties", "custom_properties"):
        raw[kind] = _plain(raw[kind], f"the executor set on {artifact.TYPE_NAME}", spec)
    return raw


def _plain(properties: Mapping[str, Any], whence: str, spec: WorkSpec) -> dict[str, PropertyValue]:
    """The properties as plain Python values; NumPy's scalars become what they hold."""
    plain: dict[str, PropertyValue] = {}
    for name, value in properties.items():
        if not isinstance(value, (int, float, str, bool)) and hasattr(value, "item"):
            value = value.item()
        if not isinstance(value, (int, float, str, bool)):
            raise ExecutionError(
                f"property {name!r}, which {whence}, cannot be recorded",
                node=spec.node_id,
                expected="a number, a text or a truth value",
                got=f"{value!r} ({type(value).__name__})",
                fix="turn it into a text, for instance with json.dumps()",
            )
        plain[name] = value
    return plain
