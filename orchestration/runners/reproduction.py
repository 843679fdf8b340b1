# SPDX-License-Identifier: Apache-2.0
"""Makes a registered version of a model once more, and compares what comes out.

Code and settings are those of the compiled pipeline that was kept with the version; the data
is read again from where it was, with its spans pinned, and is compared with the digests that
were recorded. Everything is written below a root of its own, with a store of its own and
without any cache; nothing is pushed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...components.base.artifact import Artifact
from ...utils import storage
from ...utils.errors import DataError, ExecutionError, MetadataError, PenstockError
from ...utils.hashing import digest_file
from ...utils.module_loading import load_object
from ..ir import NodeIR, PipelineIR, load_ir
from ..launch.evaluation import Scope, ValueUnavailable
from ..launch.fingerprint import short
from ..launch.outcome import RunObserver
from ..launch.run import NoOutputs, Run, RunFacts
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore
from ..metadata.type_names import MODEL
from ..registry.model_diff import version_metrics
from ..registry.model_metrics import metrics_of
from ..registry.model_version import ModelVersion
from ..registry.recipe import Recipe, ingredients_of, recipe_of
from .local.local_runner import LocalRunner
from .local.selection import Selection

_EVALUATION = "ModelEvaluation"
_EXTERNAL = "external."

# How a thing compares.
EQUAL, CLOSE, DIFFERS, MISSING = "equal", "within tolerance", "differs", "missing"


@dataclass(frozen=True)
class Comparison:
    """One thing that was compared.

    Attributes:
        what: `data`, `schema`, `transform`, `given`, `model` or `metric`.
        name: Which one.
        recorded: What was recorded: a digest or a number.
        reproduced: What came out now.
        verdict: `equal`, `within tolerance`, `differs` or `missing`.
    """

    what: str
    name: str
    recorded: str | float | None
    reproduced: str | float | None
    verdict: str


@dataclass(frozen=True)
class Reproduction:
    """What came of making a version again.

    Attributes:
        version: The version.
        root: Where everything was written.
        comparisons: What was compared.
        tolerance: How far metrics may be apart.
        sources: How source files differ from those recorded, in sentences.
    """

    version: ModelVersion
    root: str
    comparisons: list[Comparison]
    tolerance: float
    sources: list[str]

    @property
    def agrees(self) -> bool:
        """Whether the version was reproduced.

        Data, schemas and transformations have to be equal, metrics within the tolerance. The
        model's own digest counts only where no metrics are known: training need not give
        equal bytes to give an equal model.
        """
        metrics = any(each.what == "metric" for each in self.comparisons)
        counted = [each for each in self.comparisons if each.what != "model" or not metrics]
        return bool(counted) and all(each.verdict in (EQUAL, CLOSE) for each in counted)


class NodeFailed(ExecutionError):
    """A node failed when a version was made again.

    Args:
        error: How it failed.
    """

    def __init__(self, error: PenstockError) -> None:
        super().__init__(str(error))
        self.error = error


def reproduce(
    store: MetadataStore,
    version: ModelVersion,
    root: str,
    *,
    tolerance: float = 0.01,
    anyway: bool = False,
    observer: RunObserver | None = None,
) -> Reproduction:
    """Makes a version once more.

    Args:
        store: Where it is registered.
        version: The version.
        root: An empty or missing folder to write to.
        tolerance: How far metrics may be apart: relatively, or absolutely for those below 1.
        anyway: Whether to go on where source data has changed.
        observer: Who is told how the run goes.

    Raises:
        DataError: Source data is gone or changed, or `root` is not empty.
        MetadataError: What is needed of the version was not kept.
        NodeFailed: A node failed, or refused to go on.
    """
    _check_root(root)
    recorded = Recipe.from_dict(version.facts.get("recipe", {}))
    ir = pinned_ir(store, kept_ir(version), recorded)
    parameters: Mapping[str, Any] = version.facts.get("parameters") or {}
    sources = source_problems(store, ir, Run(version.run_id, ir.name, root, parameters), recorded)
    if sources and not anyway:
        raise DataError(
            f"the data that made {version.model} {version.version} is not what it was",
            expected="the files that were read then, unchanged",
            got="; ".join(sources[:5]) + (f"; and {len(sources) - 5} more" if sources[5:] else ""),
            fix="restore the files, or compare anyway: --anyway",
        )
    model_node = model_node_of(ir, version)
    targets = [model_node, *_evaluators(ir, model_node)]
    runner = LocalRunner(metadata=storage.join(root, "metadata.sqlite"), observer=observer)
    result = runner.run(
        ir, parameters=parameters, root=root, selection=Selection(to_nodes=targets), cache="off"
    )
    if not result.succeeded:
        failed = result.failed[0]
        error = failed.error or ExecutionError(failed.reason, node=failed.node_id)
        raise NodeFailed(error) from error
    with MetadataStore(storage.join(root, "metadata.sqlite"), create=False) as fresh:
        made = _model_made(fresh, result.run.id, model_node)
        comparisons = [
            *_compare_recipes(recorded, recipe_of(fresh, made)),
            _digests("model", model_node, version.digest, made.content_digest),
            *_compare_metrics(
                version_metrics(store, version),
                metrics_of(fresh, made.id or 0, result.run.id),
                tolerance,
            ),
        ]
    return Reproduction(version, root, comparisons, tolerance, sources)


def _check_root(root: str) -> None:
    if storage.exists(root) and storage.list_files(root):
        raise DataError(
            "a model is reproduced into an empty folder",
            got=root,
            fix="name another one: --root",
        )


def kept_ir(version: ModelVersion) -> PipelineIR:
    """The compiled pipeline that pushed a version.

    Raises:
        MetadataError: It was not kept, or is gone.
    """
    place = str(version.facts.get("ir", ""))
    run = Run(version.run_id, version.pipeline, str(version.facts.get("root", ".")))
    for path in (place, run.ir_path):
        if path and storage.exists(path):
            ir = load_ir(path)
            if ir.digest == version.facts.get("ir_digest", ir.digest):
                return ir
    raise MetadataError(
        f"the compiled pipeline of {version.model} {version.version} is gone",
        expected=place or "a file that was kept with the push",
        got="no such file, or another pipeline",
        fix="restore the pipeline's root as it was, with its hidden folders",
    )


def model_node_of(ir: PipelineIR, version: ModelVersion) -> str:
    """Id of the node that made the model which a version's node pushed.

    Raises:
        MetadataError: No node of the pipeline makes it: it came from elsewhere.
    """
    pusher = ir.node(version.node_id)
    for wanted in pusher.inputs.values():
        for channel in wanted.channels:
            made = wanted.type == MODEL and ir.node(channel.node)
            if made and made.executor.kind != "control":
                return channel.node
    raise MetadataError(
        f"{version.model} {version.version} was not made by the pipeline that pushed it",
        expected=f"a node of {ir.name} that makes the model",
        got="an imported or resolved model",
        fix="reproduce it where it was made",
    )


def _evaluators(ir: PipelineIR, model_node: str) -> list[str]:
    return [
        node.id
        for node in ir.nodes
        if _EVALUATION in node.outputs.values()
        and any(c.node == model_node for wanted in node.inputs.values() for c in wanted.channels)
    ]


def pinned_ir(store: MetadataStore, ir: PipelineIR, recorded: Recipe) -> PipelineIR:
    """The pipeline with the spans that were read then in place of "the latest ones"."""
    nodes = [_pinned(store, node, recorded) for node in ir.nodes]
    return ir.model_copy(update={"nodes": nodes})


def _pinned(store: MetadataStore, node: NodeIR, recorded: Recipe) -> NodeIR:
    made = _execution(store, recorded, node.id)
    spans = made.parameters.get("resolved_spans") if made else None
    if not node.executor.external_inputs or not spans or spans == [[0, 0]]:
        return node
    numbers = [int(pair[0]) for pair in spans]
    fixed = {"static_range": {"start_span_number": min(numbers), "end_span_number": max(numbers)}}
    return node.model_copy(update={"parameters": {**node.parameters, "range_config": fixed}})


def _execution(store: MetadataStore, recorded: Recipe, node_id: str) -> ExecutionRecord | None:
    if node_id not in recorded.executions:
        return None
    try:
        return store.get_execution(recorded.executions[node_id])
    except MetadataError:
        return None


def source_problems(store: MetadataStore, ir: PipelineIR, run: Run, recorded: Recipe) -> list[str]:
    """How the files that nodes would read now differ from those that they read then."""
    scope = Scope(run.parameters, RunFacts(run), NoOutputs())
    found: list[str] = []
    for node in ir.nodes:
        made = _execution(store, recorded, node.id)
        if made is None or not node.executor.external_inputs:
            continue
        before = {
            part.removeprefix(_EXTERNAL): digest
            for part, digest in ingredients_of(made).items()
            if part.startswith(_EXTERNAL)
        }
        try:
            values = {name: scope.resolve(value) for name, value in node.parameters.items()}
            files = list(load_object(node.executor.external_inputs)(values).files)
        except ValueUnavailable:
            continue  # Which files, other nodes say; the digests of what they make tell.
        except PenstockError as error:
            found.append(f"{node.id}: {error.what}")
            files = [path for path in before if storage.exists(path)]
        found += [f"{path} is gone" for path in sorted(before.keys() - set(files))]
        found += [f"{path} is new" for path in sorted(set(files) - before.keys())]
        found += [
            f"{path} has changed"
            for path in sorted(before.keys() & set(files))
            if short(digest_file(path)) != before[path]
        ]
    return found


def _model_made(store: MetadataStore, run_id: str, node_id: str) -> Artifact:
    execution = store.node_execution(run_id, node_id)
    outputs = store.outputs_of(execution.id) if execution else {}
    for artifact in (each for listed in outputs.values() for each in listed):
        if artifact.TYPE_NAME == MODEL:
            return artifact
    raise ExecutionError("no model came out", node=node_id)


def _compare_recipes(recorded: Recipe, made: Recipe) -> list[Comparison]:
    pairs = [
        ("data", _only_digests(recorded.data), _only_digests(made.data)),
        ("schema", _only_digests(recorded.schemas), _only_digests(made.schemas)),
        ("transform", recorded.transforms, made.transforms),
        ("given", recorded.given, made.given),
    ]
    return [
        _digests(what, name, before.get(name), now.get(name))
        for what, before, now in pairs
        for name in sorted({*before, *now})
    ]


def _only_digests(described: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {key: str(each["digest"]) for key, each in described.items()}


def _digests(what: str, name: str, before: str | None, now: str | None) -> Comparison:
    verdict = EQUAL if before == now else DIFFERS
    if before is None or now is None:
        verdict = MISSING
    return Comparison(what, name, before, now, verdict)


def _compare_metrics(
    before: Mapping[str, float], now: Mapping[str, float], tolerance: float
) -> list[Comparison]:
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            verdict = MISSING
        elif old == new:
            verdict = EQUAL
        else:
            close = math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
            verdict = CLOSE if close else DIFFERS
        found.append(Comparison("metric", name, old, new, verdict))
    return found
