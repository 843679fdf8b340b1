# SPDX-License-Identifier: Apache-2.0
"""What differs between two ingested data sets."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.components.ingest.examples_diff import cumulative_distance, diff_examples
from penstock.components.ingest.examples_diff_text import column_rows, summary_lines
from penstock.utils.errors import DataError

pytest.importorskip("pyarrow")

ONE = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}


def text(words: list[str], shift: int = 0, column: str = "n") -> str:
    """A CSV file with a column of words and one of numbers."""
    return f"w,{column}\n" + "".join(f"{word},{at + shift}\n" for at, word in enumerate(words))


@pytest.mark.parametrize("payload", ["parquet", "tfrecord"])
def test_nothing_changed(ingest: Any, payload: str) -> None:
    """Equal data seems different, or is different by its payload format."""
    data = {"a.csv": text(["x", "y", ""] * 50)}
    diff = diff_examples(ingest(data), ingest(data, payload_format=payload))
    assert [column["distance"] for column in diff["columns"]] == [0.0, 0.0]
    assert diff["rows"]["before"] == diff["rows"]["after"] == 150
    assert diff["schema"] == {"added": [], "removed": [], "changed": []}


def test_what_changed_is_said(ingest: Any) -> None:
    """A renamed category, a shift of numbers, or another schema is not reported."""
    before = ingest({"a.csv": text(["x"] * 70 + ["y"] * 30)}, output_config=ONE)
    after = ingest({"a.csv": text(["x"] * 70 + ["z"] * 20 + [""] * 10, 50)}, output_config=ONE)
    diff = diff_examples(before, after)
    number, word = diff["columns"]
    assert (number["name"], number["distance"]) == ("n", 0.5)
    assert word["distance"] == pytest.approx(0.3)
    assert (word["new_values"], word["lost_values"]) == (["z"], ["y"])
    lines = "\n".join([*summary_lines(diff), *map(" ".join, column_rows(diff["columns"]))])
    assert "rows: 100 -> 100" in lines
    assert "new: 'z'; lost: 'y'" in lines
    assert "mean 49.5 -> 99.5" in lines
    assert "0.0% -> 10.0%" in lines
    other = ingest({"a.csv": text(["1", "2"], column="m")}, output_config=ONE)
    schema = diff_examples(before, other)["schema"]
    assert schema["added"] == [{"name": "m", "type": "int64"}]
    assert schema["removed"] == [{"name": "n", "type": "int64"}]
    assert schema["changed"] == [{"name": "w", "before": "string", "after": "int64"}]


def test_many_values_stay_bounded(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory grows with the number of values, or dropping some makes equal data differ."""
    from penstock.components.ingest import column_profile

    monkeypatch.setattr(column_profile, "_SAMPLE", 100)
    monkeypatch.setattr(column_profile, "_MOST_VALUES", 50)
    data = ingest({"a.csv": text([f"w{n}" for n in range(5000)])}, output_config=ONE)
    diff = diff_examples(data, data)
    assert all(column["approximate"] for column in diff["columns"])
    assert [column["distance"] for column in diff["columns"]] == [0.0, 0.0]


def test_unknown_split(ingest: Any) -> None:
    """A misspelt split compares nothing with nothing."""
    data = ingest({"a.csv": text(["x", "y"])})
    with pytest.raises(DataError, match="no split"):
        diff_examples(data, data, ["trian"])


def test_distance_of_numbers() -> None:
    """The distance is not Kolmogorov and Smirnov's."""
    assert cumulative_distance([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 0.0
    assert cumulative_distance([1.0, 2.0], [3.0]) == 1.0
    assert cumulative_distance([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 9.0, 9.0]) == 0.5
