# SPDX-License-Identifier: Apache-2.0
"""The Beam pipeline that a compiled pipeline becomes. Imports Beam, so only `run` imports it.

Each node is one step through which one element goes. The element is made of the signals of
the nodes before it, grouped: a group is complete only when everything that can add to it has
ended, which is exactly when the node may start. (Side inputs would say the same, but Beam's
own local runner gives up on chains of them: https://github.com/apache/beam/issues/26190.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from ...ir import NodeIR, PipelineIR
from ...launch.run import Run
from .node_signal import launch_after

#: A group of signals: the key is the same for all, so that they come together.
_KEY = ""
Signal = tuple[str, str]


@beam.typehints.with_output_types(tuple[str, str])
class LaunchNode(beam.DoFn):  # type: ignore[misc]
    """Launches one node, in Penstock's environment on a Beam worker.

    Holds plain data only, so that any worker that has Penstock can read it.

    Args:
        node_id: The node.
        run: The fields of the `Run` it belongs to.
        metadata: Setting of the metadata store.
    """

    def __init__(self, node_id: str, run: dict[str, Any], metadata: str) -> None:
        super().__init__()
        self.node_id = node_id
        self.run = run
        self.metadata = metadata

    def process(self, element: tuple[str, Iterable[str]], ir_text: str) -> Iterator[Signal]:
        """Launches the node once its predecessors' signals are there, and gives its own."""
        _, signals = element
        yield _KEY, launch_after(ir_text, self.node_id, self.run, self.metadata, signals)


def add_nodes(pipeline: beam.Pipeline, ir: PipelineIR, run: Run, metadata: str) -> None:
    """Adds the graph of a compiled pipeline to a Beam pipeline.

    Args:
        pipeline: The Beam pipeline.
        ir: The compiled pipeline; it travels once, as a side input of every node.
        run: The run.
        metadata: Setting of the metadata store, as workers can open it.
    """
    compiled = pipeline | "the compiled pipeline" >> beam.Create([ir.to_json()])
    facts = dataclasses.asdict(run)
    signals: dict[str, Any] = {}
    for node in ir.nodes:
        ready = _ready(pipeline, node, signals)
        signals[node.id] = ready | node.id >> beam.ParDo(
            LaunchNode(node.id, facts, metadata), beam.pvalue.AsSingleton(compiled)
        )


def _ready(pipeline: beam.Pipeline, node: NodeIR, signals: dict[str, Any]) -> Any:
    """One element, once all nodes before this one have ended."""
    before = [signals[earlier] for earlier in node.predecessors()]
    if not before:
        return pipeline | f"start {node.id}" >> beam.Create([(_KEY, [])])
    together = tuple(before) | f"before {node.id}" >> beam.Flatten()
    return together | f"all before {node.id}" >> beam.GroupByKey()
