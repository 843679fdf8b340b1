# SPDX-License-Identifier: Apache-2.0
"""Shows things: in a notebook's cell as pictures, elsewhere as text."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ....components.base.artifact import Artifact
from ....components.base.channel import Channel
from ....components.base.node import Node
from ....utils.errors import PenstockError, WiringError
from .registry import view_of
from .view import ROWS, View, Wanted, Words

if TYPE_CHECKING:
    from ..notebook.interactive_context import InteractiveContext

#: The context that channels are looked up in, where none is named: the one made last.
_newest: weakref.ref[InteractiveContext] | None = None


def in_notebook() -> bool:
    """Whether a cell of a notebook is being run."""
    shell = _shell()
    return shell is not None and hasattr(shell, "kernel")


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def show(
    *things: Any,
    split: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    limit: int = ROWS,
    context: InteractiveContext | None = None,
) -> None:
    """Shows something as a picture: in a notebook below the cell, else as text.

        show(statistics_gen.outputs["statistics"])
        show(before, after, split="train")                  # one beside the other
        show(example_gen.outputs["examples"], transform.outputs["transformed_examples"])

    Args:
        *things: An artifact, a channel, what `context.run` answered, an execution, a pipeline,
            a run, a lineage, a metadata store. Several artifacts of one type are compared, the
            last with those before it. Nothing: the pipeline so far.
        split: Names of splits; all by default.
        features: Names of features, metrics or columns; all by default.
        limit: How many records of examples.
        context: Where channels were run; by default the context made last.

    Raises:
        WiringError: It cannot be shown.
        DataError: There is no such split or feature, or what it shows cannot be read.
    """
    wanted = Wanted(
        [split] if isinstance(split, str) else list(split),
        [features] if isinstance(features, str) else list(features),
        limit,
    )
    show_views(views_of(things, wanted, context or newest_context()))


def newest_context() -> InteractiveContext | None:
    """The context made last, if it is still there."""
    return _newest() if _newest is not None else None


def show_views(views: Sequence[View]) -> None:
    """Shows views: in a notebook below the cell, else as text."""
    if in_notebook():
        from IPython.display import display

        from .html_page import html_fragment

        text = "; ".join(view.title for view in views)
        display({"text/html": html_fragment(*views), "text/plain": text}, raw=True)
        return
    from rich.console import Console

    from ....utils.terminal import width
    from .terminal import print_view

    console = Console(width=width(sys.stdout), highlight=False)
    for view in views:
        print_view(console, view)


def views_of(
    things: Sequence[Any], wanted: Wanted, context: InteractiveContext | None = None
) -> list[View]:
    """The pictures of things; artifacts of one type become one picture.

    Raises:
        WiringError: Something cannot be shown.
        DataError: See `show`.
    """
    if not things:
        if context is None:
            raise WiringError("there is nothing to show", expected="something to show")
        return [_so_far(context)]
    artifacts = [_artifacts(thing, context) for thing in things]
    single = [found[0] for found in artifacts if found is not None and len(found) == 1]
    if len(single) == len(things) > 1 and len({each.TYPE_NAME for each in single}) == 1:
        names = [_called(each, thing) for each, thing in zip(single, things, strict=True)]
        names = [n if names.count(n) == 1 else f"{n} ({at})" for at, n in enumerate(names, 1)]
        beside = dict(zip(names[:-1], single[:-1], strict=True))
        chosen = replace(wanted, beside=beside, name=names[-1])
        return [view_of(single[-1], chosen)]
    views: list[View] = []
    for thing, found in zip(things, artifacts, strict=True):
        if found is None:
            views += _other(thing, wanted, context)
        else:
            views += [view_of(each, wanted) for each in found]
    return views


def _called(artifact: Artifact, thing: Any) -> str:
    """What an artifact is called beside another."""
    if isinstance(thing, Channel) and thing.producer is not None:
        return f"{thing.producer.id}.{thing.key}"
    return artifact.name or f"{artifact.TYPE_NAME} {artifact.id or ''}".strip()


def _artifacts(thing: Any, context: InteractiveContext | None) -> list[Artifact] | None:
    """The artifacts that something is; None where it is something else."""
    if isinstance(thing, Artifact):
        return [thing]
    if isinstance(thing, Channel):
        if context is not None:
            return context.artifacts(thing)
        raise WiringError(
            "a channel is shown where it was run",
            got=repr(thing),
            fix="context.show(…), or pass the artifact",
        )
    record = getattr(thing, "artifact", None)
    return [record] if isinstance(record, Artifact) else None


def _other(thing: Any, wanted: Wanted, context: InteractiveContext | None) -> list[View]:
    """Pictures of what is not an artifact."""
    from ...ir import PipelineIR
    from ...launch.outcome import NodeOutcome
    from ...metadata.lineage import LineageGraph
    from ...metadata.records import ExecutionRecord, RunRecord
    from ...metadata.store import MetadataStore
    from ...pipeline import Pipeline
    from ..notebook.cell_result import CellResult
    from ..notebook.interactive_context import InteractiveContext
    from ..run_result import RunResult
    from . import lineage_view, pipeline_view, run_view

    if isinstance(thing, View):
        return [thing]
    if isinstance(thing, CellResult):
        if len(thing.result.outcomes) > 1:
            return [run_view.outcomes_view(thing.result.run, thing.result.outcomes)]
        made = [each for found in thing.outputs.values() for each in found]
        return [run_view.outcome_view(thing.outcome), *(view_of(each, wanted) for each in made)]
    if isinstance(thing, InteractiveContext):
        return [_so_far(thing)]
    if isinstance(thing, Pipeline):
        return [pipeline_view.pipeline_view(thing.compile())]
    if isinstance(thing, PipelineIR):
        return [pipeline_view.pipeline_view(thing)]
    if isinstance(thing, RunResult):
        return [run_view.outcomes_view(thing.run, thing.outcomes)]
    if isinstance(thing, NodeOutcome):
        return [run_view.outcome_view(thing)]
    if isinstance(thing, LineageGraph):
        return [lineage_view.lineage_view(thing)]
    if isinstance(thing, ExecutionRecord):
        return [run_view.execution_view(thing)]
    if isinstance(thing, MetadataStore):
        return [run_view.store_view(thing)]
    if isinstance(thing, RunRecord):
        return [_run(thing, context)]
    if isinstance(thing, Node):
        return _node(thing, wanted, context)
    if isinstance(thing, Mapping):
        return views_of(list(thing.values()), wanted, context)
    if isinstance(thing, Iterable) and not isinstance(thing, (str, bytes)):
        return [view for each in thing for view in views_of([each], wanted, context)]
    raise WiringError(
        "this cannot be shown",
        expected="an artifact, a channel, a result, an execution, a pipeline or a run",
        got=f"{thing!r} ({type(thing).__name__})",
    )


def _run(run: Any, context: InteractiveContext | None) -> View:
    from . import run_view

    if context is None:
        return View(f"Run {run.id}", [run_view.run_facts(run)], f"pipeline {run.pipeline}")
    with context.store() as store:
        return run_view.run_view(store, run)


def _node(node: Node, wanted: Wanted, context: InteractiveContext | None) -> list[View]:
    if context is None:
        return [View(node.id, [Words(node.description)])]
    return [view_of(each, wanted) for each in context.artifacts(node)]


def _so_far(context: InteractiveContext) -> View:
    from .pipeline_view import NodeStanding, pipeline_view
    from .run_view import standing_of

    standing = {}
    for node_id, outcome in context.outcomes.items():
        told = standing_of(outcome)
        if node_id in context.stale:
            told = NodeStanding("interrupted", None, f"{context.stale[node_id]} has changed since")
        standing[node_id] = told
    return pipeline_view(context.graph().compile(), standing)


def show_by_naming(context: InteractiveContext | None = None) -> None:
    """From now on a notebook shows what is named in a cell's last line.

    An `InteractiveContext` does that when it is made; `%load_ext penstock` does it without one.
    """
    global _newest
    if context is not None:
        _newest = weakref.ref(context)
    shell = _shell()
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["text/html"]
    module = __name__.rpartition(".views.")[0]
    core = module.rpartition(".")[0]
    base = f"{core.rpartition('.')[0]}.components.base"
    formatter.for_type(Artifact, _named)
    formatter.for_type(Channel, _named)
    # By name, so that nothing is imported that nobody uses.
    for home, name in (
        (f"{core}.pipeline", "Pipeline"),
        (f"{core}.ir", "PipelineIR"),
        (f"{core}.launch.outcome", "NodeOutcome"),
        (f"{core}.metadata.lineage", "LineageGraph"),
        (f"{core}.metadata.records", "ArtifactRecord"),
        (f"{core}.metadata.records", "ExecutionRecord"),
        (f"{core}.metadata.records", "RunRecord"),
        (f"{core}.metadata.store", "MetadataStore"),
        (f"{module}.notebook.cell_result", "CellResult"),
        (f"{module}.notebook.interactive_context", "InteractiveContext"),
        (f"{module}.run_result", "RunResult"),
        (f"{base}.node", "OutputMapping"),
    ):
        formatter.for_type_by_name(home, name, _named)


def _named(thing: Any) -> str | None:
    """What a notebook shows of something that is named; None where its text has to do."""
    from .html_page import html_fragment

    try:
        return html_fragment(*views_of([thing], Wanted(), newest_context()))
    except PenstockError:
        # Naming something never fails: a channel that has not been run is shown as text.
        return None
