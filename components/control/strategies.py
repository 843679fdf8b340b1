# SPDX-License-Identifier: Apache-2.0
"""How a resolver chooses among the artifacts of earlier runs."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from ...utils.errors import ParameterError
from ..base.artifact import Artifact
from ..base.control import ControlContext
from ..ingest.input_config import RangeConfig

#: Name of the resolver's input that lists what must not be chosen.
EXCLUDING = "excluding"


class Strategy(abc.ABC):
    """Base of strategies. Subclasses implement `resolve` and keep no state."""

    @abc.abstractmethod
    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """Artifacts by output name; an empty list where there is none yet."""

    def excluded(self, context: ControlContext) -> set[str]:
        """Content digests that must not be chosen."""
        return {found.content_digest for found in context.inputs.get(EXCLUDING, ())}


class LatestArtifactStrategy(Strategy):
    """Takes the newest artifacts of each type; `config={"desired_num_of_artifacts": n}`."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        wanted = int(context.parameters["config"].get("desired_num_of_artifacts", 1))
        passed_over = self.excluded(context)
        chosen: dict[str, Sequence[Artifact]] = {}
        for name, type_name in context.outputs.items():
            if context.inputs.get(name):
                candidates = list(context.inputs[name])
            else:
                candidates = context.store.latest_artifacts(
                    type_name,
                    pipeline=context.pipeline_name,
                    limit=wanted + len(passed_over),
                )
            kept = [found for found in candidates if found.content_digest not in passed_over]
            chosen[name] = kept[:wanted]
        return chosen


class LatestBlessedModelStrategy(Strategy):
    """Takes the newest model that an evaluator blessed, and its blessing."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        passed_over = self.excluded(context)
        chosen: dict[str, Sequence[Artifact]] = {name: [] for name in context.outputs}
        for model, blessing in context.store.blessed_models(context.pipeline_name):
            if model.content_digest in passed_over:
                continue
            for name, type_name in context.outputs.items():
                chosen[name] = [model if type_name == model.TYPE_NAME else blessing]
            break
        return chosen


#: How many of the newest artifacts are looked at first, and by which factor more if those do
#: not hold what is wanted.
_FIRST_LOOK, _MORE = 16, 8


class PreviousSpanStrategy(Strategy):
    """Takes the newest artifact of the last span before the current one.

    The current one is what the resolver's channel holds in this run, or else what it
    excludes:

        Resolver(
            strategy=PreviousSpanStrategy,
            statistics=Channel(ExampleStatistics),
        ).excluding(statistics_gen.outputs["statistics"])

    Nothing is chosen where there is no earlier span yet. `config`: `node_id`, the node whose
    artifacts to look among, where several make artifacts of the type; `span`, the span to
    look before, where no channel tells it; `validated`, whether to pass over spans that no
    validation let pass: those of which there are no `ExampleAnomalies`.
    """

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        passed_over = self.excluded(context)
        chosen: dict[str, Sequence[Artifact]] = {}
        for name, type_name in context.outputs.items():
            current = list(context.inputs.get(name) or context.inputs.get(EXCLUDING, ()))
            before = min(map(span_of, current)) if current else _config_span(context)
            digests = passed_over | {each.content_digest for each in current}
            best: dict[int, Artifact] = {}
            for found in _newest_first(context, type_name):
                span = span_of(found)
                if span >= before or span in best or found.content_digest in digests:
                    continue
                if _passed(context, span):
                    best[span] = found
                    if span == before - 1:
                        break
            chosen[name] = [best[max(best)]] if best else []
        return chosen


class SpanRangeStrategy(Strategy):
    """Takes the newest artifact of each span in a range, the latest span first.

    `config={"range_config": {...}}` as for example generators: `{"static_range":
    {"start_span_number": 1, "end_span_number": 3}}`, or `{"rolling_range": {"num_spans": 3}}`,
    the last spans there are. `node_id` is the node whose artifacts to look among.
    """

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        wanted = _range_config(context)
        passed_over = self.excluded(context)
        chosen: dict[str, Sequence[Artifact]] = {}
        for name, type_name in context.outputs.items():
            by_span: dict[int, Artifact] = {}
            for found in _newest_first(context, type_name):
                if found.content_digest not in passed_over:
                    by_span.setdefault(span_of(found), found)
            first, last = _bounds(wanted, max(by_span, default=-1))
            spans = sorted((span for span in by_span if first <= span <= last), reverse=True)
            chosen[name] = [by_span[span] for span in spans]
        return chosen


def span_of(artifact: Artifact) -> int:
    """The artifact's span; 0 where none was recorded."""
    value = artifact.properties.get("span", artifact.custom_properties.get("span", 0))
    return int(value)


def _newest_first(context: ControlContext, type_name: str) -> Iterator[Artifact]:
    """Live artifacts of a type in the pipeline; each look goes further back than the last."""
    node_id = context.parameters["config"].get("node_id")
    seen, limit = 0, _FIRST_LOOK
    while True:
        found = context.store.latest_artifacts(
            type_name, pipeline=context.pipeline_name, node_id=node_id, limit=limit
        )
        yield from found[seen:]
        if len(found) < limit:
            return
        seen, limit = len(found), limit * _MORE


def _passed(context: ControlContext, span: int) -> bool:
    if not context.parameters["config"].get("validated"):
        return True
    return bool(
        context.store.latest_artifacts(
            "ExampleAnomalies", pipeline=context.pipeline_name, where={"span": span}
        )
    )


def _config_span(context: ControlContext) -> int:
    span = context.parameters["config"].get("span")
    if isinstance(span, int):
        return span
    raise ParameterError(
        "the resolver cannot tell which span is the current one",
        node=context.node_id,
        expected="Resolver(…).excluding(the current artifact), or config={'span': number}",
        got=f"config={dict(context.parameters['config'])}, and nothing excluded",
    )


def _range_config(context: ControlContext) -> RangeConfig:
    raw = context.parameters["config"].get("range_config")
    try:
        return RangeConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise ParameterError(
            "range_config is not acceptable",
            node=context.node_id,
            expected="{'static_range': {…}} or {'rolling_range': {'num_spans': …}}",
            got=f"{raw!r}: {first['msg']}",
            fix="correct config of the resolver",
        ) from None


def _bounds(wanted: RangeConfig, latest: int) -> tuple[int, int]:
    """First and last span of a range."""
    if wanted.static_range is not None:
        return wanted.static_range.start_span_number, wanted.static_range.end_span_number
    assert wanted.rolling_range is not None
    rolling = wanted.rolling_range
    last = latest - rolling.skip_num_recent_spans
    return max(rolling.start_span_number, last - rolling.num_spans + 1), last
