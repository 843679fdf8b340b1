# SPDX-License-Identifier: Apache-2.0
"""Shows things: in a notebook's cell as pictures, elsewhere as text."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.channel import Channel
from ....components.base.node import Node
from ....utils.errors import PenstockError, WiringError
from .pictured import Pictured, Workplace
from .registry import view_of
from .view import ROWS, View, Wanted, Words

#: The context that channels are looked up in, where none is named: the one made last.
_newest: weakref.ref[Workplace] | None = None


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
    context: Workplace | None = None,
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


def newest_context() -> Workplace | None:
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


def views_of(things: Sequence[Any], wanted: Wanted, context: Workplace | None = None) -> list[View]:
    """The pictures of things; artifacts of one type become one picture.

    Raises:
        WiringError: Something cannot be shown.
        DataError: See `show`.
    """
    if not things:
        if context is None:
            raise WiringError("there is nothing to show", expected="something to show")
        return context.views(wanted)
    artifacts = [_artifacts(thing, context) for thing in things]
    single = [found[0] for found in artifacts if found is not None and len(found) == 1]
    if len(single) == len(things) > 1 and len({each.TYPE_NAME for each in single}) == 1:
        names = _names(single, things)
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


def _names(artifacts: Sequence[Artifact], things: Sequence[Any]) -> list[str]:
    """What artifacts are called beside each other: no longer than it takes to tell them apart."""
    made_by = [_maker(thing) for thing in things]
    # By nodes where all are known; else they would seem to be of different kinds.
    names = [
        each.name or (node if all(made_by) else each.TYPE_NAME)
        for each, node in zip(artifacts, made_by, strict=True)
    ]
    keys = [f".{each.key}" if isinstance(each, Channel) else "" for each in things]
    spans = [each.properties.get("span") for each in artifacts]
    for more in (
        keys,
        [f", span {span}" if span else "" for span in spans],
        [f" {each.id}" if each.id else "" for each in artifacts],
        [f" ({at})" for at in range(1, len(names) + 1)],
    ):
        if len(set(names)) < len(names) and len(set(more)) > 1:
            names = [name + end for name, end in zip(names, more, strict=True)]
    return names


def _maker(thing: Any) -> str:
    """The node that something comes from; empty where it does not say."""
    if isinstance(thing, Channel) and thing.producer is not None:
        return thing.producer.id
    return str(getattr(thing, "node_id", ""))


def _artifacts(thing: Any, context: Workplace | None) -> list[Artifact] | None:
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


def _other(thing: Any, wanted: Wanted, context: Workplace | None) -> list[View]:
    """Pictures of what is not an artifact."""
    from ...ir import PipelineIR
    from ...launch.outcome import NodeOutcome
    from ...metadata.lineage import LineageGraph
    from ...metadata.records import ExecutionRecord, RunRecord
    from ...metadata.store import MetadataStore
    from ...pipeline import Pipeline
    from ..run_result import RunResult
    from . import lineage_view, pipeline_view, run_view

    if isinstance(thing, View):
        return [thing]
    if isinstance(thing, Pictured):
        return thing.views(wanted)
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


def _run(run: Any, context: Workplace | None) -> View:
    from . import run_view

    if context is not None:
        with context.store() as store:
            if store.run_executions(run.id):
                return run_view.run_view(store, run)
    return run_view.alone_view(run)


def _node(node: Node, wanted: Wanted, context: Workplace | None) -> list[View]:
    if context is None:
        return [View(node.id, [Words(node.description)])]
    return [view_of(each, wanted) for each in context.artifacts(node)]


def show_by_naming(context: Workplace | None = None) -> None:
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
    formatter.for_type(Pictured, _named)
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
