# SPDX-License-Identifier: Apache-2.0
"""The interactive context: a pipeline run cell by cell, by the one launcher.

As `tfx.orchestration.experimental.interactive.InteractiveContext`
(https://www.tensorflow.org/tfx/tutorials/tfx/components_keras), and with the same records and
the same cache as a pipeline that runs as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.channel import Channel
from ....components.base.node import Node
from ....utils import storage
from ....utils.errors import Cancelled, WiringError
from ...launch.outcome import NodeOutcome, RunObserver
from ...launch.run import Run, default_root
from ...metadata.connection_settings import MetadataConfig
from ...metadata.store import MetadataStore
from ...pipeline import Pipeline
from ..local.local_runner import LocalRunner
from ..local.selection import Selection
from ..run_lifecycle import default_metadata, refuse_inside_worker
from ..views.pictured import Workplace
from ..views.showing import in_notebook
from ..views.view import View, Wanted
from .cell_errors import show_short
from .cell_result import CellResult
from .kept_nodes import KeptNodes, called
from .meaning import artifacts_of, single


class InteractiveContext(Workplace):
    """Runs components one by one, each when its cell is run.

        context = InteractiveContext("taxi")
        example_gen = CsvExampleGen(input_base="data")
        context.run(example_gen)
        context.run(StatisticsGen(examples=example_gen.outputs["examples"]))

    A cell that is run again reuses what was there, if nothing has changed. A component whose
    id another one had before takes its place.

    Args:
        pipeline_name: Name of the pipeline in the metadata store.
        pipeline_root: Folder or URL below which payloads are written; by default
            `.penstock/<name>` in the current folder.
        metadata: The metadata store, as text or a `MetadataConfig`; by default a SQLite file
            below the root.
        beam_pipeline_args: Flags for Beam pipelines that components start.
        observer: Who is told how a component gets on; by default the cell shows it.

    Raises:
        ParameterError: The name cannot be used in paths.
    """

    def __init__(
        self,
        pipeline_name: str = "interactive",
        pipeline_root: str = "",
        metadata: MetadataConfig | str = "",
        beam_pipeline_args: Sequence[str] = (),
        *,
        observer: RunObserver | None = None,
    ) -> None:
        if in_notebook():
            show_short()
        self.pipeline_name = pipeline_name
        self.pipeline_root = os.fspath(pipeline_root)
        self.beam_pipeline_args = list(beam_pipeline_args)
        self._given = metadata.url if isinstance(metadata, MetadataConfig) else metadata
        self._observer = observer
        self._kept = KeptNodes()
        # Says at once, not in the first cell that runs something, what is wrong with the name.
        self._pipeline([])
        if in_notebook():
            # Naming an artifact in a cell shows it from now on.
            from ..views.showing import show_by_naming

            show_by_naming(self)

    @property
    def nodes(self) -> list[Node]:
        """What has been run, in order; of nodes with one id the newest."""
        return list(self._kept)

    @property
    def pipeline(self) -> Pipeline:
        """A pipeline of everything that has been run, to compile or to run as a whole.

        Raises:
            WiringError: A component was run on something that has been replaced since.
        """
        return self._pipeline(self._kept.ordered())

    @property
    def outcomes(self) -> Mapping[str, NodeOutcome]:
        """What became of each node when it was run last, by id."""
        return self._kept.outcomes

    @property
    def stale(self) -> Mapping[str, str]:
        """Ids of nodes that no longer hold, with that of the node that changed since."""
        return self._kept.stale

    @property
    def metadata(self) -> str:
        """Setting of the metadata store."""
        root = self.pipeline_root or default_root(self.pipeline_name)
        if storage.is_local(root):
            root = os.path.abspath(storage.local_path(root))
        return self._given or default_metadata(Run("", self.pipeline_name, root))

    def store(self) -> MetadataStore:
        """The metadata store, opened; close it when done."""
        return MetadataStore(self.metadata, create=False)

    def run(
        self,
        component: Node,
        enable_cache: bool = True,
        parameters: Mapping[str, Any] | None = None,
        beam_pipeline_args: Sequence[str] | None = None,
    ) -> CellResult:
        """Runs a component whose inputs have been run, and waits for it.

        Args:
            component: A component, importer or resolver, or a whole pipeline.
            enable_cache: Whether a result that still holds is reused.
            parameters: Values of runtime parameters.
            beam_pipeline_args: Flags for Beam, in place of the context's own.

        Raises:
            WiringError: It is not a component, or takes from one that was not run here.
            PenstockError: It failed.
        """
        if not isinstance(component, Node):
            raise WiringError(
                "the interactive context runs components",
                expected="context.run(StatisticsGen(...)), or a pipeline",
                got=f"{component!r} ({type(component).__name__})",
                fix=_instead(component),
            )
        refuse_inside_worker()
        before = self._kept.before(component)
        ir = self._pipeline([*before, component], beam_pipeline_args).compile()
        own = component.nodes(f"{component.id}.") if isinstance(component, Pipeline) else None
        chosen = [name for name, _ in own] if own is not None else [component.id]
        runner = LocalRunner(
            metadata=self._given, observer=self._observer or _cell_observer(component.id)
        )
        known = {node.id: self._kept.outputs(node.id) for node in ir.nodes if node.id not in chosen}
        try:
            result = runner.run(
                ir,
                parameters=parameters,
                cache=None if enable_cache else "off",
                selection=Selection(only=chosen),
                known=known,
            ).raise_for_failure()
        except Cancelled as error:
            # What it would have one do is a command's.
            told = f"{component.id} was stopped"
            raise Cancelled(told, location=component.location, fix="run the cell again") from error
        code = {
            node.id: {name: found.fingerprint for name, found in node.code.items()}
            for node in ir.nodes
        }
        self._kept.keep(component, result.outcomes, code)
        return CellResult(component, result, result.metadata)

    def show(self, *things: Any, **choices: Any) -> None:
        """Shows something as a picture: see `show`."""
        from ..views.showing import show

        show(*things, context=self, **choices)

    def to_pandas(self, thing: Any, **choices: Any) -> Any:
        """The data behind something as a `pandas.DataFrame`: see `to_pandas`."""
        from ..views.frames import to_pandas

        return to_pandas(self.artifact(thing), **choices)

    def to_arrow(self, thing: Any, **choices: Any) -> Any:
        """The data behind something as a `pyarrow.Table`: see `to_arrow`."""
        from ..views.frames import to_arrow

        return to_arrow(self.artifact(thing), **choices)

    def artifact(self, thing: Any) -> Artifact:
        """The artifact that something means: an artifact, a channel, or a result with one.

        Raises:
            WiringError: It has not been run, or means several.
        """
        return single(self.artifacts(thing), thing)

    def artifacts(self, thing: Any) -> list[Artifact]:
        """The artifacts that something means: see `artifact`.

        Raises:
            WiringError: It has not been run in this context.
        """
        return artifacts_of(thing, self._kept)

    def export(self, path: str | os.PathLike[str]) -> str:
        """Writes everything that has been run as a pipeline file, in order.

        Functions from cells are written into it. What has been computed here is found again
        by whoever runs the file, from the same folder: nothing runs twice.

        Args:
            path: The file: `.py`; or `.yaml`, beside which functions from cells are put into
                a `.py` file.

        Returns:
            The path.

        Raises:
            WiringError: A component was run on something that has been replaced since.
            CodeError: A function cannot travel.
            ParameterError: Something has no form in the file, or the path has another ending.
            StorageError: The file cannot be written.
        """
        from .export import export

        return export(self.pipeline, os.fspath(path), self._kept)

    def views(self, wanted: Wanted) -> list[View]:
        """What has been run, as a picture of the pipeline so far; stale nodes are marked."""
        del wanted
        from ..views.pipeline_view import NodeStanding, pipeline_view
        from ..views.run_view import standing_of

        standing = {}
        for node_id, outcome in self.outcomes.items():
            standing[node_id] = standing_of(outcome)
            if node_id in self.stale:
                told = f"{self.stale[node_id]} has changed since"
                standing[node_id] = NodeStanding("interrupted", None, told)
        return [pipeline_view(self._pipeline(self.nodes).compile(), standing)]

    def forget(self, component: Node | str) -> None:
        """Leaves out something that was run and is wanted no more, as after it was renamed.

        Its records, and what it put out, stay in the store.

        Args:
            component: The component, or its id.

        Raises:
            WiringError: It has not been run here, or something else reads it.
        """
        self._kept.forget(component if isinstance(component, str) else component.id)

    def __repr__(self) -> str:
        names = ", ".join(node.id for node in self.nodes) or "nothing"
        return f"InteractiveContext({self.pipeline_name!r}) has run {names}"

    def _pipeline(self, nodes: Sequence[Node], beam: Sequence[str] | None = None) -> Pipeline:
        return Pipeline(
            self.pipeline_name,
            self.pipeline_root,
            nodes,
            metadata=self._given,
            beam_pipeline_args=self.beam_pipeline_args if beam is None else beam,
        )


def _instead(given: Any) -> str:
    """What somebody meant who gave this to be run."""
    if isinstance(given, Channel) and given.producer is not None:
        return f"run what puts it out: context.run({called(given.producer)})"
    name = getattr(given, "__name__", "")
    if name and callable(given):
        return f"call it with its inputs: context.run({name}(...))"
    if isinstance(given, (list, tuple)):
        return "one context.run for each, or a Pipeline of them"
    return ""


def _cell_observer(title: str) -> RunObserver:
    if in_notebook():
        from .cell_progress import CellProgress

        return CellProgress(title)
    import sys

    from ..local.progress import progress_for

    return progress_for(sys.stdout, title)
