# SPDX-License-Identifier: Apache-2.0
"""A cluster in this process: answers as Kubernetes' API does, and runs pods as processes.

Manifests are read by the Kubernetes client's own models, and refused where those do not
know what is in them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from penstock.orchestration.launch.workers.worker_group import loopback_addresses

NAMESPACE = "team"


def strictly_read(manifest: dict[str, Any], model: str) -> Any:
    """A manifest as the Kubernetes client has it; nothing in it may be unknown to that."""
    from kubernetes import client

    api = client.ApiClient()
    read = api.deserialize(type("Answer", (), {"data": json.dumps(manifest)})(), model)
    assert api.sanitize_for_serialization(read) == manifest
    return read


@dataclass
class Cluster:
    """What is in the cluster.

    Attributes:
        url: Address of its API.
        jobs: Manifests by name.
        services: Manifests by name.
        pods: Processes of each job, by rank.
        seen: Methods and paths of all requests.
        refuse: Answers every request that creates something with 403.
        full: Leaves pods waiting for a machine.
        away_after_creation: How many questions about running pods get no proper answer.
        env: Environment of all pods.
    """

    url: str = ""
    jobs: dict[str, Any] = field(default_factory=dict)
    services: dict[str, Any] = field(default_factory=dict)
    pods: dict[str, list[subprocess.Popen[bytes] | None]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    created: list[Any] = field(default_factory=list)
    refuse: bool = False
    full: bool = False
    away_after_creation: int = 0
    env: dict[str, str] = field(default_factory=dict)

    def create(self, manifest: dict[str, Any]) -> None:
        """Takes a Job or a Service, and starts the Job's pods."""
        name = manifest["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", name)
        self.created.append(manifest)
        if manifest["kind"] == "Service":
            service = strictly_read(manifest, "V1Service")
            assert service.spec.cluster_ip == "None" and service.spec.publish_not_ready_addresses
            self.services[name] = manifest
            return
        job = strictly_read(manifest, "V1Job")
        assert job.spec.completion_mode == "Indexed"
        assert job.spec.completions == job.spec.parallelism
        self.jobs[name] = manifest
        ranks = range(job.spec.completions)
        if self.full:
            self.pods[name] = [None for _ in ranks]
            return
        self._resolve_names(name, job)
        self.pods[name] = [self._start(job, rank) for rank in ranks]

    def _resolve_names(self, name: str, job: Any) -> None:
        """Puts loopback addresses where the cluster's names would lead."""
        pod = job.spec.template
        service = strictly_read(self.services[pod.spec.subdomain], "V1Service")
        assert service.spec.selector.items() <= pod.metadata.labels.items()
        (port,) = service.spec.ports
        arguments = pod.spec.containers[0].args
        path = Path(arguments[arguments.index("--folder") + 1], "spec.json")
        spec = json.loads(path.read_text())
        ranks = range(job.spec.completions)
        names = [f"{name}-{rank}.{service.metadata.name}:{port.port}" for rank in ranks]
        assert spec["addresses"] == names
        spec["addresses"] = loopback_addresses(len(names))
        path.write_text(json.dumps(spec))

    def _start(self, job: Any, rank: int) -> subprocess.Popen[bytes]:
        (container,) = job.spec.template.spec.containers
        own = {each.name: each.value for each in container.env or [] if each.value is not None}
        command = [sys.executable, *container.command[1:], *container.args]
        variables = {**os.environ, **self.env, **own, "JOB_COMPLETION_INDEX": str(rank)}
        return subprocess.Popen(command, env=variables, start_new_session=True)

    def list(self, kind: str, selector: str) -> list[Any]:
        """Objects with labels."""
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        if kind == "pods":
            return [
                self._pod(name, rank)
                for name, job in self.jobs.items()
                if wanted.items() <= job["spec"]["template"]["metadata"]["labels"].items()
                for rank in range(len(self.pods[name]))
            ]
        found = self.jobs if kind == "jobs" else self.services
        return [
            each for each in found.values() if wanted.items() <= each["metadata"]["labels"].items()
        ]

    def _pod(self, name: str, rank: int) -> dict[str, Any]:
        process = self.pods[name][rank]
        meta = {
            "name": f"{name}-{rank}-x",
            "annotations": {"batch.kubernetes.io/job-completion-index": str(rank)},
        }
        if process is None:
            said = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
            waits = {"type": "PodScheduled", "status": "False", "message": said}
            return {"metadata": meta, "status": {"phase": "Pending", "conditions": [waits]}}
        code = process.poll()
        if code is None:
            return {"metadata": meta, "status": {"phase": "Running"}}
        code = 128 - code if code < 0 else code
        ended = {
            "exitCode": code,
            "reason": "OOMKilled" if code == 137 else "Error" if code else "Completed",
        }
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{"name": "worker", "state": {"terminated": ended}}],
        }
        return {"metadata": meta, "status": status}

    def delete(self, kind: str, name: str) -> bool:
        """Deletes an object, and a Job's pods with it."""
        if kind == "services":
            return self.services.pop(name, None) is not None
        for process in self.pods.pop(name, []):
            if process is not None:
                process.kill()
                process.wait()
        return self.jobs.pop(name, None) is not None


@contextmanager
def kubernetes_cluster(**env: str) -> Iterator[Cluster]:
    """A cluster, for the block; nothing of it is left afterwards."""
    cluster = Cluster(env=env)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, code: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _asked(self) -> tuple[str, str, str]:
            parts = urlsplit(self.path)
            found = re.fullmatch(
                rf"/(?:apis/batch/v1|api/v1)/namespaces/{NAMESPACE}/(\w+)(?:/(.+))?", parts.path
            )
            assert found, self.path
            cluster.seen.append(f"{self.command} {found[1]}")
            return found[1], found[2] or "", parse_qs(parts.query).get("labelSelector", [""])[0]

        def do_GET(self) -> None:
            kind, _, selector = self._asked()
            if cluster.jobs and cluster.away_after_creation:
                cluster.away_after_creation -= 1
                self._answer(503, {"message": "the server is currently unable to handle"})
                return
            self._answer(200, {"items": cluster.list(kind, selector)})

        def do_POST(self) -> None:
            self._asked()
            manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if cluster.refuse:
                self._answer(403, {"message": "jobs.batch is forbidden: User cannot create"})
                return
            cluster.create(manifest)
            self._answer(201, manifest)

        def do_DELETE(self) -> None:
            kind, name, _ = self._asked()
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200 if cluster.delete(kind, name) else 404, {"kind": "Status"})

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        for name in list(cluster.pods):
            cluster.delete("jobs", name)
