# SPDX-License-Identifier: Apache-2.0
"""The launcher: the one way in which a node runs, in every runner.

    1 resolve inputs   which artifacts, values and files; whether the node runs at all
    2 fingerprint      the cache key
    3 reuse            an earlier result that still holds is published again: done
    4 register         the execution is RUNNING; its output folders are made
    5 execute          the executor works in a worker process
    6 digest           the worker hashes what was written
    7 publish          one transaction; only now are the outputs live

A node needs three things to be launched: the IR, its id, and the run.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from ...components.base.artifact import Artifact, artifact_class, artifact_from_dict
from ...utils import storage
from ...utils.errors import (
    ApprovalPending,
    Cancelled,
    CodeError,
    ExecutionError,
    ParameterError,
    PenstockError,
)
from ...utils.hashing import FileDigestCache
from ...utils.logs import get_logger
from ...utils.storage_errors import explain as explain_os_error
from ..ir import NodeIR, PipelineIR
from ..metadata.records import ExecutionState, NodeKey
from ..metadata.store import MetadataStore
from ..registry.registration import announce, registration_of
from .approval import APPROVAL_KEY, approved
from .checkpoints import CheckpointFolder
from .evaluation import Scope
from .fingerprint import CacheKey, cache_key
from .input_resolution import ResolvedNode, resolve_node
from .outcome import NodeOutcome, NodeState, RunObserver
from .reuse import ReuseDecision, cache_policy, decide, explanation_properties
from .run import RecordedOutputs, Run, RunFacts
from .steering import steer
from .work import declare_types, work_spec
from .workers.failure_codec import error_to_dict
from .workers.messages import WorkResult
from .workers.pool import Worker

_log = get_logger(__name__)

#: What is wrong with code or settings that are part of the IR is wrong at the next attempt too.
_LASTING = (CodeError, ParameterError)


class Launcher:
    """Launches the nodes of one run; safe to call from several threads.

    Args:
        ir: The compiled pipeline.
        run: The run.
        store: Where everything is recorded.
        worker: Where executors work.
        observer: Who is told.
        cancel: Set to stop whatever is being executed.
    """

    def __init__(
        self,
        ir: PipelineIR,
        run: Run,
        store: MetadataStore,
        worker: Worker,
        *,
        observer: RunObserver | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self.ir = ir
        self.run = run
        self.store = store
        self.worker = worker
        self.observer = observer or RunObserver()
        self.cancel = cancel or threading.Event()
        self.outputs = RecordedOutputs(store, run)
        self.file_digests = FileDigestCache(run.local_folder("digests"))
        self._nodes = {node.id: node for node in ir.nodes}
        declare_types(ir)

    @property
    def scope(self) -> Scope:
        """What expressions can see in this run."""
        facts = RunFacts(self.run, self.store)
        return Scope(self.run.parameters, facts, self.outputs)

    def launch(self, node_id: str) -> NodeOutcome:
        """Runs one node whose predecessors have ended, through all phases.

        Never raises for what goes wrong with the node: the outcome says it.
        """
        started = time.monotonic()
        node = self._nodes.get(node_id) or self.ir.node(node_id)
        try:
            outcome = self._launch(node)
        except PenstockError as error:
            outcome = self._failed_before_execution(node, _placed(error, node))
        outcome = replace(outcome, seconds=time.monotonic() - started)
        self.outputs.remember(node.id, outcome.outputs if outcome.state in _WITH_OUTPUTS else None)
        self.observer.node_ended(outcome)
        return outcome

    def _launch(self, node: NodeIR) -> NodeOutcome:
        # 1 resolve inputs
        resolved = resolve_node(node, self.scope, self.file_digests)
        if resolved.skip:
            self.store.record_skipped(self._key(node), reason=resolved.skip)
            _log.info("%s: skipped: %s", node.id, resolved.skip)
            return NodeOutcome(node.id, NodeState.SKIPPED, resolved.skip)
        if node.executor.kind == "control":
            return self._steer(node, resolved)
        # 2 fingerprint
        key = cache_key(node, resolved)
        # 3 reuse
        decision = decide(node, resolved, key, self.run, self.store)
        if decision.hit:
            return self._reuse(node, resolved, decision)
        if node.executor.kind == "approval":
            try:
                resolved = approved(node, resolved, key, self.run, self.store)
            except PenstockError as unapproved:
                return self._hold(node, resolved, key, unapproved)
        _log.info("%s: runs: %s", node.id, decision.reason)
        return self._attempts(node, resolved, key, decision.reason)

    def _key(self, node: NodeIR) -> NodeKey:
        return NodeKey(self.run.pipeline, self.run.id, node.id, node.type_name)

    def _steer(self, node: NodeIR, resolved: ResolvedNode) -> NodeOutcome:
        """Importers and resolvers: they choose artifacts, and need no worker."""
        outputs = steer(node, resolved, self.run, self.store)
        execution_id = self.store.publish_resolved(
            self._key(node), resolved.inputs, outputs, parameters=resolved.parameters
        )
        found = ", ".join(f"{len(artifacts)} {name}" for name, artifacts in outputs.items())
        return NodeOutcome(node.id, NodeState.COMPLETE, f"found {found}", execution_id, outputs)

    def _reuse(self, node: NodeIR, resolved: ResolvedNode, decision: ReuseDecision) -> NodeOutcome:
        assert decision.execution is not None and decision.outputs is not None
        execution_id = self.store.publish_cached(
            self._key(node),
            resolved.inputs,
            decision.outputs,
            parameters=resolved.parameters,
            cached_from=decision.execution.id,
        )
        _log.info("%s: reused: %s", node.id, decision.reason)
        return NodeOutcome(
            node.id,
            NodeState.CACHED,
            decision.reason,
            execution_id,
            {name: list(found) for name, found in decision.outputs.items()},
        )

    def _hold(
        self, node: NodeIR, resolved: ResolvedNode, key: CacheKey, error: PenstockError
    ) -> NodeOutcome:
        """Records that a node is not approved: nobody has decided yet, or it was rejected."""
        parked = isinstance(error, ApprovalPending)
        error = _placed(error, node)
        execution_id = self.store.register_execution(
            self._key(node),
            resolved.inputs,
            resolved.parameters,
            {APPROVAL_KEY: key.key, "reason": error.what},
        )
        state = ExecutionState.CANCELED if parked else ExecutionState.FAILED
        self.store.fail_execution(execution_id, state, json.dumps(error_to_dict(error)))
        _log.info("%s: %s", node.id, error.what)
        ended = NodeState.PARKED if parked else NodeState.FAILED
        return NodeOutcome(node.id, ended, error.what, execution_id, error=error)

    def _attempts(
        self, node: NodeIR, resolved: ResolvedNode, key: CacheKey, reason: str
    ) -> NodeOutcome:
        delay = node.policy.retry_delay_s
        attempt = 1
        while True:
            self.observer.node_started(node.id, reason, attempt)
            outcome = self._attempt(node, resolved, key, reason, attempt)
            last = attempt > node.policy.retries or self.cancel.is_set()
            last = last or isinstance(outcome.error, _LASTING)
            if outcome.state is not NodeState.FAILED or last or outcome.error is None:
                return outcome
            self.observer.node_retried(node.id, outcome.error, delay)
            _log.warning("%s: attempt %d failed, again in %.1f s", node.id, attempt, delay)
            self.cancel.wait(delay)
            delay *= 2
            attempt += 1

    def _attempt(
        self, node: NodeIR, resolved: ResolvedNode, key: CacheKey, reason: str, attempt: int
    ) -> NodeOutcome:
        # 4 register
        execution_id = self.store.register_execution(
            self._key(node),
            resolved.inputs,
            resolved.parameters,
            {**explanation_properties(node, key), "attempt": attempt, "reason": reason},
        )
        log_path = self.run.log_path(node.id, execution_id)
        done = NodeOutcome(
            node.id, NodeState.COMPLETE, reason, execution_id, attempts=attempt, log_path=log_path
        )
        with ExitStack() as stack:
            checkpoints = None
            try:
                outputs = self._allot(node, execution_id)
                announce(self.store, self.ir, node, resolved, outputs)
                if node.executor.checkpoints:
                    checkpoints = stack.enter_context(self._checkpoints(node, key, execution_id))
                # 5 execute, 6 digest
                result = self._execute(
                    node, resolved, outputs, execution_id, attempt, log_path, checkpoints
                )
            except PenstockError as error:
                return self._give_up(node, done, error)
            except OSError as error:
                return self._give_up(node, done, explain_os_error(error, self.run.root, "write"))
            # 7 publish
            outcome = self._publish(node, resolved, key, done, result)
            if checkpoints and outcome.state is NodeState.COMPLETE:
                checkpoints.clear()
            return outcome

    def _checkpoints(self, node: NodeIR, key: CacheKey, execution_id: int) -> CheckpointFolder:
        # Who wants nothing reused does not want half of an earlier training either.
        shared = cache_policy(node, self.run) == "on"
        return CheckpointFolder(self.run, node.id, key.key, execution_id, shared=shared)

    def _publish(
        self,
        node: NodeIR,
        resolved: ResolvedNode,
        key: CacheKey,
        done: NodeOutcome,
        result: WorkResult,
    ) -> NodeOutcome:
        published = {
            name: [artifact_from_dict(raw) for raw in artifacts]
            for name, artifacts in result.outputs.items()
        }
        keep = cache_policy(node, self.run) == "on"
        try:
            registration = registration_of(
                self.store, self.ir, self.run, node, resolved, done.execution_id, published
            )
            self.store.publish_execution(
                self._key(node),
                done.execution_id,
                published,
                properties={**result.properties, "log_path": done.log_path},
                cache_key=key.key if keep else None,
                registration=registration,
            )
        except PenstockError as error:
            return self._give_up(node, done, error, may_be_live=True)
        return replace(done, outputs=published, properties=result.properties)

    def _give_up(
        self, node: NodeIR, done: NodeOutcome, error: PenstockError, *, may_be_live: bool = False
    ) -> NodeOutcome:
        """Records a failure and deletes what was written.

        Deleting comes first where it can: it makes room on a disk that was full, and whoever
        is killed in between leaves an execution that recovery finds. Where publishing failed,
        only the store can say that nothing is live.
        """
        error = _placed(error, node)
        stopped = isinstance(error, Cancelled)
        if not may_be_live:
            self._delete_outputs(node, done.execution_id)
        try:
            self.store.fail_execution(
                done.execution_id,
                ExecutionState.CANCELED if stopped else ExecutionState.FAILED,
                json.dumps(error_to_dict(error)),
                log_path=done.log_path,
            )
        except PenstockError as second:
            # The first error is the one to mend; recovery finds what is still running.
            say = _log.info if second.what == error.what else _log.warning
            say("%s: the failure could not be recorded: %s", node.id, second)
        else:
            self._delete_outputs(node, done.execution_id)
        state = NodeState.CANCELLED if stopped else NodeState.FAILED
        return replace(done, state=state, reason=str(error.what), error=error)

    def _delete_outputs(self, node: NodeIR, execution_id: int) -> None:
        for name in node.outputs:
            try:
                storage.remove_tree(self.run.output_uri(node.id, name, execution_id))
            except PenstockError as error:
                _log.warning("%s: what it wrote could not be deleted: %s", node.id, error)

    def _failed_before_execution(self, node: NodeIR, error: PenstockError) -> NodeOutcome:
        """Keeps a record of a failure in phases 1 to 3, if the store can take one."""
        execution_id = 0
        try:
            execution_id = self.store.register_execution(self._key(node), {}, {}, {})
            self.store.fail_execution(
                execution_id, ExecutionState.FAILED, json.dumps(error_to_dict(error))
            )
        except PenstockError as second:
            _log.warning("%s: the failure could not be recorded: %s", node.id, second)
        return NodeOutcome(node.id, NodeState.FAILED, str(error.what), execution_id, error=error)

    def _allot(self, node: NodeIR, execution_id: int) -> dict[str, list[Artifact]]:
        outputs: dict[str, list[Artifact]] = {}
        for name, type_name in node.outputs.items():
            uri = self.run.output_uri(node.id, name, execution_id)
            storage.make_dirs(uri)
            outputs[name] = [artifact_class(type_name)(uri)]
        storage.make_dirs(self.run.work_dir(execution_id))
        return outputs

    def _execute(
        self,
        node: NodeIR,
        resolved: ResolvedNode,
        outputs: Mapping[str, Sequence[Artifact]],
        execution_id: int,
        attempt: int,
        log_path: str,
        checkpoints: CheckpointFolder | None,
    ) -> WorkResult:
        kept = checkpoints.path if checkpoints else ""
        spec = work_spec(
            self.ir, node, self.run, resolved, outputs, execution_id, attempt, log_path, kept
        )
        try:
            return self.worker.execute(
                spec,
                timeout=node.policy.timeout_s,
                on_progress=lambda done, total, note: self.observer.node_progress(
                    node.id, done, total, note
                ),
                cancel=self.cancel,
            )
        except PenstockError:
            raise
        except Exception as error:
            raise ExecutionError(
                "the worker could not be used",
                node=node.id,
                got=f"{type(error).__name__}: {error}",
                fix="run it again; if it persists, run the node alone: penstock node run",
            ) from error
        finally:
            # Before anything is recorded, so that whatever is killed, no scratch is forgotten.
            shutil.rmtree(spec.work_dir, ignore_errors=True)


_WITH_OUTPUTS = (NodeState.COMPLETE, NodeState.CACHED)


def _placed(error: PenstockError, node: NodeIR) -> PenstockError:
    """The error with the node that it concerns, and where the user wrote that."""
    error.node = error.node or node.id
    error.location = error.location or node.location or None
    return error
