# SPDX-License-Identifier: Apache-2.0
"""Resolving artifacts by span, against a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import ExampleAnomalies, ExampleStatistics
from penstock.components.base.control import ControlContext
from penstock.components.control.strategies import PreviousSpanStrategy, SpanRangeStrategy
from penstock.orchestration.metadata.records import NodeKey
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import ParameterError


class Pipeline:
    """A store, and a node that puts statistics into it."""

    def __init__(self, store: MetadataStore) -> None:
        self.store = store
        self.runs = 0
        self.kind: type[Artifact] = ExampleStatistics

    def publish(self, span: int, content: str = "", node: str = "StatisticsGen") -> Artifact:
        """One run's statistics."""
        self.runs += 1
        run = f"run-{self.runs}"
        self.store.begin_run("p", run)
        key = NodeKey("p", run, node, "StatisticsGen")
        number = self.store.register_execution(key, {}, {}, {})
        made = self.kind(f"/r/{number}")
        made.span = span
        made.content_digest = content or f"digest-{self.runs}"
        self.store.publish_execution(key, number, {"statistics": [made]}, cache_key=None)
        return made

    def resolve(
        self, strategy: type, current: Artifact | None = None, **config: Any
    ) -> list[tuple[int, str]]:
        """Spans and digests that a strategy chooses."""
        context = ControlContext(
            self.store,
            {"excluding": [current]} if current else {},
            {"statistics": "ExampleStatistics"},
            {"config": config},
            "p",
            "Previous",
        )
        chosen = strategy().resolve(context)["statistics"]
        return [(found.span, found.content_digest) for found in chosen]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """An empty pipeline."""
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        yield Pipeline(store)


def test_no_earlier_span(pipeline: Pipeline) -> None:
    """The first month is compared with itself, or cannot run at all."""
    first = pipeline.publish(1)
    assert pipeline.resolve(PreviousSpanStrategy, first) == []


def test_previous_span_is_the_last_before_the_current_one(pipeline: Pipeline) -> None:
    """Drift is measured against the wrong month: another run of this one, or a later one."""
    pipeline.publish(1, "january")
    pipeline.publish(2, "february, with a mistake")
    pipeline.publish(2, "february")
    current = pipeline.publish(3, "march")
    pipeline.publish(4, "april")
    pipeline.publish(1, "january again")
    assert pipeline.resolve(PreviousSpanStrategy, current) == [(2, "february")]
    assert pipeline.resolve(PreviousSpanStrategy, span=2) == [(1, "january again")]


def test_months_may_be_missing(pipeline: Pipeline) -> None:
    """A month without data ends all drift detection."""
    pipeline.publish(1, "january")
    current = pipeline.publish(3, "march")
    assert pipeline.resolve(PreviousSpanStrategy, current) == [(1, "january")]


def test_content_of_the_current_span_is_not_chosen(pipeline: Pipeline) -> None:
    """The same file under an older number is taken for the previous month."""
    pipeline.publish(1, "january")
    pipeline.publish(2, "same")
    current = pipeline.publish(3, "same")
    assert pipeline.resolve(PreviousSpanStrategy, current) == [(1, "january")]


def test_previous_span_far_back_in_the_history(pipeline: Pipeline) -> None:
    """A span that was read long ago is not found among many newer runs."""
    pipeline.publish(1, "january")
    for _ in range(40):
        current = pipeline.publish(2)
    assert pipeline.resolve(PreviousSpanStrategy, current) == [(1, "january")]


def test_statistics_of_one_node(pipeline: Pipeline) -> None:
    """Raw data is compared with transformed data."""
    pipeline.publish(1, "raw")
    pipeline.publish(1, "transformed", node="StatisticsGen.transformed")
    current = pipeline.publish(2)
    found = pipeline.resolve(PreviousSpanStrategy, current, node_id="StatisticsGen")
    assert found == [(1, "raw")]


def test_spans_that_were_refused(pipeline: Pipeline) -> None:
    """A month that a gate refused is what the next is compared with."""
    pipeline.publish(1, "january")
    pipeline.publish(2, "corrupted")
    current = pipeline.publish(3)
    pipeline.kind = ExampleAnomalies
    pipeline.publish(1)
    assert pipeline.resolve(PreviousSpanStrategy, current) == [(2, "corrupted")]
    assert pipeline.resolve(PreviousSpanStrategy, current, validated=True) == [(1, "january")]


def test_resolver_without_a_current_span(pipeline: Pipeline) -> None:
    """A resolver that cannot know the span compares with just any."""
    with pytest.raises(ParameterError, match="which span is the current one"):
        pipeline.resolve(PreviousSpanStrategy)


def test_ranges_of_spans(pipeline: Pipeline) -> None:
    """A range has the wrong spans, an outdated artifact of one, or an unstable order."""
    for span in (1, 2, 3, 2, 5):
        pipeline.publish(span)
    rolling = {"rolling_range": {"num_spans": 3}}
    assert pipeline.resolve(SpanRangeStrategy, range_config=rolling) == [
        (5, "digest-5"),
        (3, "digest-3"),
    ]
    static = {"static_range": {"start_span_number": 1, "end_span_number": 2}}
    assert pipeline.resolve(SpanRangeStrategy, range_config=static) == [
        (2, "digest-4"),
        (1, "digest-1"),
    ]
    with pytest.raises(ParameterError, match="range_config is not acceptable"):
        pipeline.resolve(SpanRangeStrategy, range_config={"rolling": 3})
    with pytest.raises(ParameterError, match="range_config is not acceptable"):
        pipeline.resolve(SpanRangeStrategy)
