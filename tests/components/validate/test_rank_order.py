# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import statistics_pb2

from penstock.components.validate.rank_order import settle_ties


def _statistics(counts: list[tuple[str, int]], unique: int, top: int) -> object:
    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add().features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
    feature.path.step.append("word")
    feature.string_stats.unique = unique
    for rank, (label, count) in enumerate(counts):
        feature.string_stats.rank_histogram.buckets.add(
            low_rank=rank, high_rank=rank, label=label, sample_count=count
        )
    for label, count in counts[:top]:
        feature.string_stats.top_values.add(value=label, frequency=count)
    return found


@given(st.dictionaries(st.text("abc", max_size=3), st.integers(1, 4), min_size=1), st.randoms())
def test_equal_counts_give_equal_lists_in_whatever_order_they_come(counts, shuffled) -> None:
    """Without it, equal data would have different statistics from process to process."""
    buckets, top = 6, 3

    def drawn() -> bytes:
        values = list(counts.items())
        shuffled.shuffle(values)
        values.sort(key=lambda value: -value[1])
        found = _statistics(values[:buckets], len(counts), top)
        settle_ties(found, top, buckets)
        return found.SerializeToString(deterministic=True)

    assert drawn() == drawn()


def test_values_that_no_one_was_cut_off_with_stay(tmp_path: Path) -> None:
    """Without it, domains would lose values."""
    found = _statistics([("b", 2), ("a", 2), ("c", 1)], 3, 3)
    settle_ties(found, 3, 3)
    stats = found.datasets[0].features[0].string_stats
    assert [bucket.label for bucket in stats.rank_histogram.buckets] == ["a", "b", "c"]
    assert [value.value for value in stats.top_values] == ["a", "b", "c"]


_SCRIPT = """
import sys, tempfile
import pyarrow as pa
from penstock import Examples, ExampleStatistics, Task
from penstock.components.ingest.examples_writer import write_examples
from penstock.components.validate.statistics_executor import StatisticsExecutor
from penstock.utils.hashing import digest_tree
folder = tempfile.mkdtemp()
words = pa.array([f"w{number % 1700}" for number in range(3000)] + ["often"] * 9)
schema = pa.schema([("word", pa.string())])
examples, statistics = Examples(folder + "/in"), ExampleStatistics(folder + "/out")
write_examples(examples, {"train": [pa.record_batch([words], schema=schema)]}, schema)
task = Task({"examples": [examples]}, {"statistics": [statistics]}, {"exclude_splits": []})
StatisticsExecutor().execute(task)
print(digest_tree(statistics.uri))
"""


@pytest.mark.heavy
def test_statistics_are_equal_from_process_to_process() -> None:
    """Without it, whatever depends on the statistics would run again for nothing."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(3)
    }
    assert len(digests) == 1
