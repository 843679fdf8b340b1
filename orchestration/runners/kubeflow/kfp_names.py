# SPDX-License-Identifier: Apache-2.0
"""What a pipeline's parts are called in Kubeflow: the compiler and the containers agree here.

Both derive the names from the IR, so that no table of names has to travel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...ir import NodeIR, PipelineIR

#: The parameter of every task that holds the run's id.
RUN_ID_KEY = "penstock_run_id"

_GENERIC = "system.Artifact"
_METRICS = "system.Metrics"
_EVALUATION = "ModelEvaluation"
#: Types that Kubeflow's user interface has a symbol for; all others are plain artifacts.
_SCHEMAS = {"Examples": "system.Dataset", "Model": "system.Model", "PushedModel": "system.Model"}


@dataclass(frozen=True)
class KfpArtifact:
    """One artifact that a task declares.

    Attributes:
        key: Its name in Kubeflow.
        node_id: The node that puts it out.
        output: Name of the node's output.
        schema: Kubeflow's type.
    """

    key: str
    node_id: str
    output: str
    schema: str

    @property
    def holds_metrics(self) -> bool:
        """Whether it shows what the output's evaluation found, instead of the output."""
        return self.schema == _METRICS


def kfp_artifacts(nodes: Sequence[NodeIR]) -> list[KfpArtifact]:
    """The artifacts of the task that runs `nodes`: one for every output, and metrics."""
    found: list[KfpArtifact] = []
    used: set[str] = set()
    for node in nodes:
        prefix = f"{node.id}_" if len(nodes) > 1 else ""
        for output, type_name in node.outputs.items():
            key = _unique(_identifier(prefix + output), used)
            found.append(KfpArtifact(key, node.id, output, _SCHEMAS.get(type_name, _GENERIC)))
            if type_name == _EVALUATION:
                key = _unique(_identifier(f"{prefix}{output}_metrics"), used)
                found.append(KfpArtifact(key, node.id, output, _METRICS))
    return found


def parameter_keys(ir: PipelineIR) -> dict[str, str]:
    """The name in Kubeflow of every runtime parameter."""
    used = {RUN_ID_KEY}
    return {name: _unique(_identifier(name), used) for name in ir.runtime_parameters}


def exit_nodes(ir: PipelineIR) -> list[NodeIR]:
    """The nodes that run at the end, whatever happened before."""
    return [node for node in ir.nodes if node.policy.trigger == "always"]


def _identifier(name: str) -> str:
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain.isidentifier() else f"_{plain}"


def _unique(name: str, used: set[str]) -> str:
    found = next(each for each in _candidates(name) if each not in used)
    used.add(found)
    return found


def _candidates(name: str) -> Iterable[str]:
    yield name
    for number in range(2, 1_000_000):
        yield f"{name}_{number}"
