# SPDX-License-Identifier: Apache-2.0
"""Runs an execution that takes several workers as an indexed Job of Kubernetes.

The launcher stays where it is, in the pod that an engine started for the node; only phase
5, the execution, happens in the Job's pods. All see one file system, on which the
pipeline's root lies. The node's pod owns the Job, and deletes it whatever happens.

    the node's pod                          the Job's pods, one for each worker
    ──────────────                          ────────────────────────────────────
    spec.json ──────────────────────────▶   index → rank; others by name, from a
    creates a headless Service and a Job    headless Service
    progress.json, answer-0.json  ◀──────   the chief's, whose outputs are published
    deletes both
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ....components.base.executor import ProgressCallback
from ....utils.errors import Cancelled, ExecutionError, NodeTimeout, PenstockError, WorkerDied
from ....utils.logs import get_logger
from .failure_codec import error_from_dict
from .job_folder import DONE, FAILED, JobFolder
from .kubernetes_api import KubernetesApi
from .messages import WorkResult, WorkSpec
from .redirect import last_lines
from .worker_group import member_log

_log = get_logger(__name__)

#: Holds, as JSON, the Job's manifest as far as it is known before it is started.
JOB_VARIABLE = "PENSTOCK_WORKER_JOB"
#: The pod that owns the Job, by the downward API.
POD_NAME_VARIABLE = "PENSTOCK_POD_NAME"
POD_UID_VARIABLE = "PENSTOCK_POD_UID"

#: Where workers listen.
PORT = 2222
#: Labels of the Job, its Service and its pods.
JOB_LABEL, WORK_LABEL = "penstock.job", "penstock.work"

#: How long, in seconds, pods may wait for machines before that is an error.
_LONGEST_WAIT = 1800.0
#: How long, in seconds, the API may be away while pods are at work.
_LONGEST_SILENCE = 300.0
#: How long, in seconds, the answer of a pod that has failed is waited for.
_LAST_ANSWER = 5.0
#: How long, in seconds, the pods of an earlier attempt may take to end.
_LONGEST_END = 120.0


class KubernetesJobWorker:
    """Stands in for `WorkerPool` where a node's workers are pods.

    Args:
        template: The Job's manifest, without names.
        api: The cluster; by default, the one that this process runs in.
        poll_s: Seconds between two looks.
    """

    def __init__(
        self, template: Mapping[str, Any], *, api: KubernetesApi | None = None, poll_s: float = 1.0
    ) -> None:
        self._template = template
        self._api = api
        self._poll_s = poll_s

    @classmethod
    def from_environment(cls) -> KubernetesJobWorker | None:
        """The one that this pod's environment describes, or None."""
        template = os.environ.get(JOB_VARIABLE)
        return cls(json.loads(template)) if template else None

    def execute(
        self,
        spec: WorkSpec,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        cancel: threading.Event | None = None,
    ) -> WorkResult:
        """Runs `spec` in the pods of a Job, and waits for it.

        Raises:
            PenstockError: As `WorkerPool.execute`.
        """
        api = self._api or KubernetesApi.from_pod()
        watch = _Watch(api, spec, timeout, on_progress, cancel or threading.Event(), self._poll_s)
        name = job_name(spec)
        addresses = [f"{name}-{rank}.{name}:{PORT}" for rank in range(spec.workers)]
        folder = JobFolder(os.path.join(spec.work_dir, "job"))
        try:
            watch.end_earlier()
            folder.give(spec, addresses)
            for manifest in manifests(self._template, name, spec, folder.path):
                api.create(manifest)
            return watch.wait(name, folder)
        except PenstockError as error:
            error.node = error.node or spec.node_id
            raise
        finally:
            for kind in ("Job", "Service"):
                # The first error is the one to mend; the Job ends with the pod that owns it.
                with suppress(PenstockError):
                    api.delete(kind, name)
            shutil.rmtree(folder.path, ignore_errors=True)


def job_name(spec: WorkSpec) -> str:
    """A name that no other execution's Job has, short enough for a host name with an index."""
    plain = re.sub(r"[^a-z0-9]+", "-", spec.node_id.lower()).strip("-")[:24].strip("-")
    digest = hashlib.sha256(f"{spec.run_id} {spec.node_id} {spec.execution_id}".encode())
    return f"penstock-{plain}-{digest.hexdigest()[:10]}".replace("--", "-")


def work_label(spec: WorkSpec) -> str:
    """What all attempts at one node of one run have in common, as the value of a label."""
    return hashlib.sha256(f"{spec.run_id} {spec.node_id}".encode()).hexdigest()[:32]


def manifests(
    template: Mapping[str, Any], name: str, spec: WorkSpec, folder: str
) -> list[dict[str, Any]]:
    """The headless Service, by which workers find each other, and the indexed Job.

    Args:
        template: The Job without names; its first container is the worker.
        name: Name of both.
        spec: The execution.
        folder: Where workers find it.
    """
    job = copy.deepcopy(dict(template))
    labels = {JOB_LABEL: name, WORK_LABEL: work_label(spec)}
    owner = _owner()
    for meta in (
        job.setdefault("metadata", {}),
        job["spec"]["template"].setdefault("metadata", {}),
    ):
        meta["labels"] = {**meta.get("labels", {}), **labels}
    job["metadata"].update({"name": name, **owner})
    job["spec"].update({"completions": spec.workers, "parallelism": spec.workers})
    pod = job["spec"]["template"]["spec"]
    # Gives each pod the host name that its address has.
    pod["subdomain"] = name
    pod["containers"][0]["args"] = ["--folder", folder]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels, **owner},
        "spec": {
            "clusterIP": "None",
            # Workers look for each other before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": {JOB_LABEL: name},
            "ports": [{"name": "workers", "port": PORT}],
        },
    }
    return [service, job]


def _owner() -> dict[str, Any]:
    name, uid = os.environ.get(POD_NAME_VARIABLE), os.environ.get(POD_UID_VARIABLE)
    if not name or not uid:
        return {}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
    return {"ownerReferences": [owner]}


class _Watch:
    """Waits for one Job."""

    def __init__(
        self,
        api: KubernetesApi,
        spec: WorkSpec,
        timeout: float | None,
        on_progress: ProgressCallback | None,
        cancel: threading.Event,
        poll_s: float,
    ) -> None:
        self._api = api
        self._spec = spec
        self._timeout = timeout
        self._on_progress = on_progress
        self._cancel = cancel
        self._poll_s = poll_s
        self._began = self._answered_at = time.monotonic()

    def end_earlier(self) -> None:
        """Ends the Job of an attempt whose launcher was killed: it would write checkpoints too."""
        selector = f"{WORK_LABEL}={work_label(self._spec)}"
        until = time.monotonic() + _LONGEST_END
        while True:
            jobs = self._api.listed("Job", selector)
            if not jobs and not self._api.listed("Pod", selector):
                return
            for job in jobs:
                name = job["metadata"]["name"]
                _log.warning("%s: ends job %s of an earlier attempt", self._spec.node_id, name)
                self._api.delete("Job", name)
                self._api.delete("Service", name)
            if time.monotonic() > until:
                raise ExecutionError(
                    "pods of an earlier attempt do not end",
                    got=", ".join(job["metadata"]["name"] for job in jobs) or "no job any more",
                    fix=f"kubectl delete pods -l {selector} --force",
                )
            self._pause()

    def wait(self, name: str, folder: JobFolder) -> WorkResult:
        """The chief's answer."""
        shown: object = None
        trouble: float | None = None
        beat = 0
        while True:
            beat += 1
            folder.beat(beat)
            pods = self._pods(name)
            # After the pods: one that has ended has answered before.
            answers = folder.answers(self._spec.workers)
            if DONE in answers.get(0, ()):
                return WorkResult(**answers[0][DONE])
            failed = [rank for rank, answer in sorted(answers.items()) if FAILED in answer]
            dead = [pod for pod in pods if _phase(pod) == "Failed" and _rank(pod) not in answers]
            if failed or dead:
                # Where one died without a word, the others' errors come from that.
                trouble = time.monotonic() if trouble is None else trouble
                late = time.monotonic() - trouble > _LAST_ANSWER
                if dead and late:
                    raise self._death(dead[0])
                if failed and (late or len(failed) == self._spec.workers):
                    raise self._answered(failed, answers)
            progress = folder.progress()
            if progress is None:
                self._look_at_waiting(pods)
            elif progress != shown and self._on_progress is not None:
                shown = progress
                self._on_progress(*progress)
            self._pause()

    def _pods(self, name: str) -> list[dict[str, Any]]:
        """The Job's pods; none where the API does not answer for a while."""
        try:
            found = self._api.listed("Pod", f"{JOB_LABEL}={name}")
        except ExecutionError as error:
            # A control plane that is being upgraded is no reason to end hours of training.
            if time.monotonic() - self._answered_at > _LONGEST_SILENCE:
                raise
            _log.warning("%s: %s", self._spec.node_id, error)
            return []
        self._answered_at = time.monotonic()
        return found

    def _pause(self) -> None:
        node = self._spec.node_id
        if self._cancel.wait(self._poll_s):
            raise Cancelled("it was stopped while it ran", node=node)
        if self._timeout is not None and time.monotonic() - self._began > self._timeout:
            raise NodeTimeout(
                f"it ran longer than its timeout of {self._timeout:g} seconds",
                node=node,
                fix="give it a longer timeout",
            )

    def _answered(
        self, failed: Sequence[int], answers: Mapping[int, Mapping[str, Any]]
    ) -> PenstockError:
        error = error_from_dict(answers[failed[0]][FAILED])
        if len(failed) < self._spec.workers:
            error.what = f"worker {failed[0]} of {self._spec.workers}: {error.what}"
        return error

    def _look_at_waiting(self, pods: Sequence[Mapping[str, Any]]) -> None:
        """Says what pods wait for, and ends it where that takes too long."""
        waits = [said for said in map(_why_waiting, pods) if said]
        if not waits:
            return
        many = f"{len(waits)} of {self._spec.workers} workers"
        if self._on_progress is not None:
            self._on_progress(0.0, None, f"{many} wait: {waits[0]}")
        if time.monotonic() - self._began > _LONGEST_WAIT:
            raise ExecutionError(
                f"{many} cannot start",
                got=waits[0],
                fix="ask for fewer GPUs, less memory or fewer workers, or add machines",
            )

    def _death(self, pod: Mapping[str, Any]) -> WorkerDied:
        status = pod.get("status", {})
        rank = _rank(pod)
        reason = str(status.get("reason") or "")
        for container in status.get("containerStatuses", ()):
            ended = container.get("state", {}).get("terminated")
            if ended:
                reason = f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}"
        log = member_log(self._spec.log_path, rank)
        said = "\n".join(f"    {line}" for line in last_lines(log))
        return WorkerDied(
            f"worker {rank} of {self._spec.workers}: its pod died ({reason or 'no reason given'})",
            node=self._spec.node_id,
            got=f"the last lines of its log:\n{said}" if said else None,
            fix="with retries, the next attempt goes on from its checkpoints"
            + ("; give the node more memory_gb" if "OOM" in reason else ""),
        )


def _rank(pod: Mapping[str, Any]) -> int:
    notes = pod.get("metadata", {}).get("annotations", {})
    return int(notes.get("batch.kubernetes.io/job-completion-index", 0))


def _phase(pod: Mapping[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase", ""))


def _why_waiting(pod: Mapping[str, Any]) -> str:
    status = pod.get("status", {})
    if _phase(pod) != "Pending":
        return ""
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".strip(": ")
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "not scheduled")
    return ""
