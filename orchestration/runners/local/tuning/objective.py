# SPDX-License-Identifier: Apache-2.0
"""What a search optimizes: one number that a node of the pipeline puts out.

`NODE.NAME`, where NAME is the first of these that there is:

1. a property that the node's executor recorded with its execution; a Trainer's metrics,
   recorded as `metric.loss`, also without that prefix;
2. an output that is a number, as function components return them, or `output.key` of one
   that is a dict;
3. a metric of an evaluation, over all rows;
4. a property of one of its outputs, also as `output.property`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .....components.analyze.evaluation_summary import metrics_by_slice
from .....components.base.artifact import Artifact, ValueArtifact
from .....components.base.artifact_types import ModelEvaluation
from .....utils.errors import DataError, ParameterError, nearest
from ....ir import PipelineIR
from ....launch.outcome import NodeOutcome, NodeState
from ....metadata.store import MetadataStore

#: Before the name of a metric where a Trainer records it.
_METRIC = "metric."


@dataclass(frozen=True)
class Objective:
    """One number of one node.

    Attributes:
        node: Id of the node.
        name: Name of the number.
    """

    node: str
    name: str

    def __str__(self) -> str:
        return f"{self.node}.{self.name}"


def parse_objective(text: str, ir: PipelineIR) -> Objective:
    """The objective that a text names.

    Raises:
        ParameterError: It names no node of the pipeline, or nothing of it.
    """
    ids = [node.id for node in ir.nodes]
    # Ids of nodes in inner pipelines hold dots: the longest that fits is meant.
    fitting = [each for each in ids if text.startswith(each + ".") and len(text) > len(each) + 1]
    if fitting:
        node = max(fitting, key=len)
        return Objective(node, text[len(node) + 1 :])
    node, _, name = text.partition(".")
    close = nearest(node, ids)
    suggestion = None
    if close:
        suggestion = f"{close}.{name}" if name else f"{close}.{_likely(ir, close)}"
    raise ParameterError(
        f"the objective {text!r} names nothing that a node puts out",
        expected="node.metric or node.property, with one of the nodes " + ", ".join(ids),
        got=text,
        suggestion=suggestion,
    )


def _likely(ir: PipelineIR, node_id: str) -> str:
    outputs = ir.node(node_id).outputs
    numbers = [name for name, kind in outputs.items() if kind in ("Float", "Integer")]
    return numbers[0] if numbers else "metric"


class ObjectiveMissing(DataError):
    """A trial went well, but has no such number: no other trial will have it."""


def read_objective(objective: Objective, outcome: NodeOutcome, store: MetadataStore) -> float:
    """The number, from what became of its node.

    Raises:
        ObjectiveMissing: The node put out no such number; says which ones there are.
        DataError: The node was skipped, or the number is not one to optimize, as NaN is not.
    """
    if outcome.state is NodeState.SKIPPED:
        raise DataError(f"{objective.node} was skipped, so there is no {objective.name}")
    numbers = dict(_numbers(outcome, store))
    if objective.name not in numbers:
        raise ObjectiveMissing(
            f"{objective.node} puts out no number called {objective.name!r}",
            expected=", ".join(sorted(numbers)) or "numbers; it puts out none",
            got=str(objective),
            suggestion=nearest(objective.name, numbers),
            fix="name one of these as the objective; a function component may return one: "
            "-> OutputDict(loss=float)",
        )
    value = numbers[objective.name]
    if not math.isfinite(value):
        raise DataError(f"{objective} is {value}", expected="a finite number", got=str(value))
    return value


def _numbers(outcome: NodeOutcome, store: MetadataStore) -> Mapping[str, float]:
    found: dict[str, float] = {}
    recorded = list(_recorded(outcome, store))
    metrics = [(name[len(_METRIC) :], v) for name, v in recorded if name.startswith(_METRIC)]
    for name, value in [*recorded, *metrics, *_put_out(outcome.outputs)]:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found.setdefault(name, float(value))
    return found


def _recorded(outcome: NodeOutcome, store: MetadataStore) -> Iterator[tuple[str, Any]]:
    """What the executor had recorded: of a reused result, when it was made."""
    yield from outcome.properties.items()
    if outcome.execution_id:
        record = store.get_execution(outcome.execution_id)
        yield from record.results.items()
        if record.cached_from:
            yield from store.get_execution(record.cached_from).results.items()


def _put_out(outputs: Mapping[str, Sequence[Artifact]]) -> Iterator[tuple[str, Any]]:
    artifacts = [(name, each) for name, listed in outputs.items() for each in listed]
    for name, artifact in artifacts:
        if isinstance(artifact, ValueArtifact):
            value = artifact.read()
            yield name, value
            if isinstance(value, dict):
                yield from ((f"{name}.{key}", each) for key, each in value.items())
    for name, artifact in artifacts:
        if isinstance(artifact, ModelEvaluation):
            metrics = _overall(artifact)
            yield from metrics.items()
            yield from ((f"{name}.{key}", value) for key, value in metrics.items())
    for name, artifact in artifacts:
        kept = {**artifact.properties, **artifact.custom_properties}
        yield from kept.items()
        yield from ((f"{name}.{key}", value) for key, value in kept.items())


def _overall(evaluation: ModelEvaluation) -> dict[str, float]:
    """Metrics over all rows; one that is not a number counts as NaN."""
    try:
        slices = metrics_by_slice(evaluation)
    except DataError:
        return {}
    overall = next((each for each in slices if not each["slice"]), None)
    metrics = overall["metrics"] if overall else {}
    return {name: math.nan if value is None else value for name, value in metrics.items()}
