# SPDX-License-Identifier: Apache-2.0
"""What runs in a pod: `penstock node run`, between Kubeflow's words and its.

    python -m penstock.orchestration.runners.kubeflow.node_container
        --node Trainer --ir-data … --metadata grpc://… --executor-input '{…}'

The last argument is KFP's `ExecutorInput` message: the run's id, the values of runtime
parameters, and where KFP wants to be told of artifacts. With `--end-run` the container
runs those nodes that run at the end, and then `penstock node finish`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from ....utils.errors import IRError, PenstockError
from ...ir import PipelineIR, read_ir
from ...launch.workers.kubernetes_job import JOB_VARIABLE
from .executor_output import executor_output, write_executor_output
from .ir_transport import receive
from .kfp_names import RUN_ID_KEY, kfp_artifacts, parameter_keys

_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a task of Kubeflow's, and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _Task(options).run()
    except PenstockError as error:
        print(error, file=sys.stderr)
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="node_container", allow_abbrev=False)
    parser.add_argument("--node", dest="nodes", action="append", default=[])
    parser.add_argument("--end-run", action="store_true")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--ir-data", default="")
    where.add_argument("--ir", default="")
    parser.add_argument("--ir-digest", default="")
    parser.add_argument("--metadata", default="")
    parser.add_argument("--root")
    parser.add_argument("--cache")
    parser.add_argument("--worker-job", default="")
    parser.add_argument("--executor-input", type=json.loads, required=True)
    return parser


class _Task:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._data = receive(options.ir_data, options.ir, options.ir_digest)
        self._ir = read_ir(self._data.decode(), source=options.ir or "--ir-data")
        given = options.executor_input.get("inputs", {}).get("parameterValues", {})
        self._parameters = _parameters(self._ir, given)
        self._run_id = str(given.get(RUN_ID_KEY, ""))
        if not self._run_id or "{{" in self._run_id:
            raise IRError(
                "Kubeflow did not say which run this is",
                expected=f"the id in the parameter {RUN_ID_KEY}",
                got=self._run_id or "nothing",
                fix="use Kubeflow Pipelines 2.0 or later",
            )

    def run(self) -> int:
        options = self._options
        if options.worker_job:
            os.environ[JOB_VARIABLE] = options.worker_job
        documents: dict[str, dict[str, Any]] = {}
        code = 0
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            path = os.path.join(folder, "pipeline.json")
            with open(path, "wb") as file:
                file.write(self._data)
            for node_id in options.nodes:
                ended, document = self._run_node(path, node_id)
                code = code or ended
                if document:
                    documents[node_id] = document
            if options.end_run:
                code = code or self._finish(path)
        declared = kfp_artifacts([self._ir.node(node_id) for node_id in options.nodes])
        output = executor_output(documents, declared, options.executor_input)
        write_executor_output(output, options.executor_input)
        return code

    def _run_node(self, path: str, node_id: str) -> tuple[int, dict[str, Any]]:
        cache = ["--cache", self._options.cache] if self._options.cache else []
        return _penstock(["run", "--node", node_id, *cache, *self._common(path)])

    def _finish(self, path: str) -> int:
        code, document = _penstock(["finish", *self._common(path)])
        if not document:
            return code
        # That the run failed is told by the task of the node that did.
        print(f"run {self._run_id}: {document['state']} {document['error'] or ''}", file=sys.stderr)
        return 0

    def _common(self, path: str) -> list[str]:
        """Options of both commands."""
        words = ["--json", "--ir", path, "--run-id", self._run_id]
        for name in ("metadata", "root"):
            if getattr(self._options, name):
                words += [f"--{name}", getattr(self._options, name)]
        for name, text in self._parameters.items():
            words += ["--param", f"{name}={text}"]
        return words


def _penstock(words: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Runs a command of `penstock node`: its exit code, and the JSON that it printed."""
    command = [sys.executable, "-m", "penstock", "node", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        # When the pod is stopped, the launcher records that before it goes.
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        said, _ = child.communicate()
    code = child.returncode
    return (128 - code if code < 0 else code), json.loads(said) if said.strip() else {}


def _parameters(ir: PipelineIR, given: Mapping[str, Any]) -> dict[str, str]:
    """Values of runtime parameters as `--param` reads them."""
    found: dict[str, str] = {}
    for name, key in parameter_keys(ir).items():
        if key in given:
            value = given[key]
            if ir.runtime_parameters[name].type == "int":
                # JSON of protocol buffers knows one kind of number.
                value = int(value)
            found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


if __name__ == "__main__":
    sys.exit(main())
