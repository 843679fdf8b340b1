# SPDX-License-Identifier: Apache-2.0
"""What happens on a Beam worker: one node is launched, or left out, and says how it ended.

Nodes hear of each other by signals, one line of JSON each: how a node ended. All else they
find in the metadata store.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ....utils.errors import PenstockError
from ....utils.logs import get_logger
from ...ir import read_ir
from ...launch.outcome import NodeOutcome, NodeState
from ...launch.run import Run
from ...metadata.records import RunState
from ...metadata.store import MetadataStore
from ..local.single_node import run_single_node
from ..local.summary import outcome_document

_log = get_logger(__name__)

#: In a signal: whether the node, or one before it, waits for somebody's approval.
_PARKED = "parked"


def launch_after(
    ir_text: str, node_id: str, run: Mapping[str, Any], metadata: str, signals: Iterable[str]
) -> str:
    """Launches a node whose predecessors have ended, unless one of them did not succeed.

    Args:
        ir_text: The compiled pipeline, as JSON.
        node_id: The node.
        run: The fields of its `Run`.
        metadata: Setting of the metadata store.
        signals: What its predecessors answered here.

    Returns:
        How it ended: its outcome as JSON.

    Raises:
        PenstockError: It could not be started, say as the store cannot be reached.
    """
    ir = read_ir(ir_text, source="the compiled pipeline that the Beam pipeline carries")
    node = ir.node(node_id)
    heard = [json.loads(each) for each in signals]
    failed = [each["node"] for each in heard if not _succeeded(each)]
    parked = [each["node"] for each in heard if each[_PARKED]]
    left_out = ""
    if parked:
        left_out = f"{min(parked)} is not approved yet"
    elif failed and node.policy.trigger != "always":
        left_out = f"{min(failed)} did not succeed"
    elif _stopped(run["id"], metadata):
        left_out = "the run was stopped"
    if left_out:
        _log.info("%s: not run: %s", node_id, left_out)
        outcome = NodeOutcome(node_id, NodeState.CANCELLED, left_out)
    else:
        # Beam may run a bundle again, say after a worker was lost: what the node has
        # published by then is its result, whatever the cache policy.
        described = Run(**{**run, "resumed": True})
        with _Watch(described.id, metadata) as cancel:
            outcome = run_single_node(ir, node_id, described, metadata=metadata, cancel=cancel)
    waits = bool(parked) or outcome.state is NodeState.PARKED
    return json.dumps({**outcome_document(outcome), _PARKED: waits}, sort_keys=True)


def _succeeded(signal: Mapping[str, Any]) -> bool:
    return NodeState(signal["state"]).succeeded


def _stopped(run_id: str, metadata: str) -> bool:
    with MetadataStore(metadata, create=False) as store:
        return _ended(store, run_id)


def _ended(store: MetadataStore, run_id: str) -> bool:
    """Whether somebody ended the run, or the process that conducts it is gone."""
    found = store.get_run(run_id)
    return found.state is not RunState.RUNNING or found.interrupted


class _Watch:
    """Stops a node when its run has been stopped, of which its process may hear only here.

    Args:
        run_id: The run.
        metadata: Setting of the metadata store.
    """

    def __init__(self, run_id: str, metadata: str) -> None:
        self.cancel = threading.Event()
        self._run_id = run_id
        self._metadata = metadata
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> threading.Event:
        self._thread.start()
        return self.cancel

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        # Most nodes have ended before the first look, so that they pay nothing for it.
        while not self._over.wait(_LOOK_EVERY):
            try:
                with MetadataStore(self._metadata, create=False) as store:
                    while not self._over.wait(_LOOK_EVERY):
                        if _ended(store, self._run_id):
                            self.cancel.set()
                            return
            except PenstockError as error:
                # The node itself will say so, if it cannot reach the store either.
                _log.warning("it is unknown whether run %s goes on: %s", self._run_id, error)


#: How often a node looks whether its run still goes on, in seconds.
_LOOK_EVERY = 1.0
