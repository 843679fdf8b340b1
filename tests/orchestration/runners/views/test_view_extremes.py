# SPDX-License-Identifier: Apache-2.0
"""Views of what is rare: tiny and huge numbers, many slices, odd names, nothing at all."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from support.view_artifacts import HOSTILE, MakeStatistics

from penstock.components.base.artifact import artifact_class
from penstock.components.base.artifact_types import ExampleStatistics, ModelEvaluation, Schema
from penstock.orchestration.runners.views.curves_svg import curves_svg, ticks
from penstock.orchestration.runners.views.dots_svg import dots_svg
from penstock.orchestration.runners.views.html_page import html_fragment, html_page
from penstock.orchestration.runners.views.registry import view_of
from penstock.orchestration.runners.views.showing import views_of
from penstock.orchestration.runners.views.view import (
    Curves,
    Dots,
    Fold,
    Graph,
    GraphNode,
    Table,
    View,
    Wanted,
    Words,
)


def evaluation(folder: Path, slices: list[dict[str, Any]]) -> ModelEvaluation:
    """An evaluation with these slices."""
    summary = {"format": 1, "rows": 9, "models": {}, "slices": slices, "verdict": {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return ModelEvaluation(str(folder))


def dots_of(view: View) -> dict[str, Dots]:
    """The charts of an evaluation, by metric."""
    (fold,) = [each for each in view.blocks if isinstance(each, Fold)]
    return {each.label: each for each in fold.blocks if isinstance(each, Dots)}


def table_of(view: View) -> Table:
    """The table of metrics of an evaluation."""
    return next(each for each in view.blocks if isinstance(each, Table))


@pytest.mark.parametrize(
    "low, high",
    [(0, 1e-16), (1.0, 1 + 2e-16), (-1.7e308, 1.7e308), (5e-324, 1e-323), (-3e-320, 1e-310)],
)
def test_extreme_numbers_are_drawn(low: float, high: float) -> None:
    """If it fails, one odd metric breaks the whole picture."""
    found = ticks(low, high)
    assert 2 <= len(found) <= 9 and found == sorted(set(found))
    drawn = curves_svg(Curves("c", "step", "y", {"a": [(0, low), (1, high)]}))
    drawn += dots_svg(Dots("d", "m", [("a", low, None, None, None), ("b", high, low, high, low)]))
    assert not re.search(r'="[^"]*\b(nan|inf)\b', drawn)


def test_counts_have_no_change_and_rounding_is_no_change(tmp_path: Path) -> None:
    """If it fails, 1.1e-16 looks like a change, and records like a metric of the model."""
    found = {
        "slice": {}, "name": "all rows",
        "metrics": {"example_count": 9, "auc": 0.5, "tiny": 2e-20},
        "baseline": {"example_count": 9, "auc": 0.5, "tiny": 1e-20},
        "change": {"example_count": 0, "auc": 1.1e-16, "tiny": 1e-20},
    }  # fmt: skip
    table = table_of(view_of(evaluation(tmp_path, [found])))
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert "example_count (change)" not in row
    assert row["auc (change)"] == 0 and row["tiny (change)"] == 1e-20


def test_intervals_of_shares_stay_between_0_and_1(tmp_path: Path) -> None:
    """If it fails, an AUC seems to reach 1.3."""
    found = {
        "slice": {}, "name": "all rows", "metrics": {"auc": 0.9, "loss": 0.9},
        "intervals": {"auc": [-0.2, 1.3], "loss": [-0.2, 1.3]},
    }  # fmt: skip
    drawn = dots_of(view_of(evaluation(tmp_path, [found])))
    assert drawn["auc"].rows[0][2:4] == (0.0, 1.0)
    assert drawn["loss"].rows[0][2:4] == (-0.2, 1.3)


def test_of_many_slices_the_largest_are_drawn(tmp_path: Path) -> None:
    """If it fails, two hundred slices are drawn by the alphabet, which says nothing."""
    slices: list[dict[str, Any]] = [
        {"slice": {"city": f"c{n:03}"}, "metrics": {"example_count": n, "auc": 0.5}}
        for n in range(200)
    ]
    slices[7] = {"slice": {"city": ""}, "name": "city: ", "metrics": {"example_count": 999,
                                                                     "auc": 0.4}}  # fmt: skip
    view = view_of(evaluation(tmp_path, slices))
    (chart,) = dots_of(view).values()
    names = [row[0] for row in chart.rows]
    assert names[0] == "city: (empty text)" and names[1:] == [
        f"city: c{n}" for n in range(171, 200)
    ]
    assert chart.title == "auc by slice (the 30 largest of 200)"
    assert len(table_of(view).rows) == 200


def test_domains_say_only_what_they_hold(tmp_path: Path) -> None:
    """If it fails, a text has the domain "-inf to inf", and an empty value is invisible."""
    schema_pb2 = pytest.importorskip("tensorflow_metadata.proto.v0.schema_pb2")
    from google.protobuf import text_format

    schema = schema_pb2.Schema()
    schema.feature.add(name="code", type=1).int_domain.SetInParent()
    schema.feature.add(name="low", type=3).float_domain.min = 0.1
    schema.feature.add(name="class", type=2).int_domain.is_categorical = True
    schema.feature.add(name="both", type=2).int_domain.max = 12345
    schema.feature[3].int_domain.min = -1
    schema.feature.add(name="text", type=1).string_domain.value.extend(["", "x" * 200])
    (tmp_path / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    table = table_of(view_of(Schema(str(tmp_path))))
    domains = {row[0]: row[table.columns.index("domain")] for row in table.rows}
    assert domains["code"] == "whole numbers as text"
    assert domains["low"] == "at least 0.1"
    assert domains["class"] == "categories"
    assert domains["both"] == "-1 to 12,345"
    assert str(domains["text"]).startswith("(empty text), xxx") and len(str(domains["text"])) < 90
    assert "checks" not in table.columns


def test_infinite_values_stay_numbers() -> None:
    """If it fails, one infinity makes a column sort as text."""
    page = html_page("t", View("t", [Table(("n",), [(1.5,), (float("inf"),), (float("nan"),)])]))
    assert '<th class="number">n</th>' in page
    assert 'data-value="Infinity">inf<' in page and '<td class="none number">nan</td>' in page


def test_an_empty_table_says_so() -> None:
    """If it fails, a heading without rows looks like a mistake in drawing."""
    assert "There are none." in html_page("t", View("t", [Table(("a",), [], "Things")]))


def test_words_from_right_to_left_leave_numbers_in_place() -> None:
    """If it fails, shares seem to belong to the next value."""
    page = html_page("t", View("t", [Words("القاهرة 15% → 2%, תל אביב-יפו 11% → 22%")]))
    assert re.findall("<bdi>(.*?)</bdi>", page) == ["القاهرة", "תל אביב-יפו"]


def test_nothing_is_drawn_of_no_records(tmp_path: Path) -> None:
    """If it fails, an empty split has a mean of 0."""
    statistics_pb2 = pytest.importorskip("tensorflow_metadata.proto.v0.statistics_pb2")
    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add(num_examples=0).features.add(type=1)
    feature.path.step.append("n")
    feature.num_stats.common_stats.num_missing = 0
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "FeatureStats.pb").write_bytes(found.SerializeToString())
    statistics = ExampleStatistics(str(tmp_path))
    statistics.splits = ["train"]
    page = html_page("t", view_of(statistics))
    assert "0 records" in page and "mean 0" not in page and "Distributions" not in page


def test_compared_artifacts_are_called_by_what_tells_them_apart(
    make_statistics: MakeStatistics,
) -> None:
    """If it fails, both sides of a comparison have the same name, or a needlessly long one."""
    before, after = make_statistics(10), make_statistics(10)
    before.id, after.id = 3, 4
    sides = [before, after]

    def title(*nodes: str) -> str:
        made = (
            SimpleNamespace(artifact=each, node_id=n) for each, n in zip(sides, nodes, strict=False)
        )
        (view,) = views_of(list(made) or sides, Wanted())
        return re.findall(r"change from (.*?)<", html_page("t", view))[0]

    assert title() == "ExampleStatistics 3 to ExampleStatistics 4"
    assert title("StatisticsGen", "Later") == "StatisticsGen to Later"
    # Of one alone it is known where it comes from.
    assert title("", "Later") == "ExampleStatistics 3 to ExampleStatistics 4"
    before.properties["span"], after.properties["span"] = 7, 8
    assert title() == "ExampleStatistics, span 7 to ExampleStatistics, span 8"


def test_drawings_in_cells_are_images_that_hold_themselves(make_statistics: MakeStatistics) -> None:
    """If it fails, a notebook that is not trusted shows a chart as a line of loose words."""
    graph = Graph(
        "50% #1", [GraphNode("a", [f"{HOSTILE} 'q' \x00\x1b \ud800"], told="two\nlines")], []
    )
    cell = html_fragment(view_of(make_statistics(10)), View("g", [graph]))
    assert "<svg" not in re.sub(r' src="[^"]*"', "", cell)
    sources = re.findall(r'<img class="drawn[^>]*? src="data:image/svg\+xml,([^"]*)"', cell)
    assert len(sources) == 21
    for source in sources:
        drawing = ElementTree.fromstring(unquote(html.unescape(source)))
        assert drawing.tag.endswith("}svg")
    assert drawing.get("aria-label") == "50% #1"
    assert 'alt="50% #1"' in cell and "not trusted" in cell
    assert "two\nlines" in "".join(drawing.itertext())


def test_differences_between_records_are_shown(tmp_path: Path) -> None:
    """If it fails, what ExampleDiff found is a list of files."""
    from penstock.orchestration.runners.views.examples_diff_view import _messages

    # Found, not imported: that would take seconds, and it is not needed here.
    if importlib.util.find_spec("tensorflow_data_validation") is None:
        pytest.skip("TensorFlow Data Validation is not installed")

    messages = _messages()
    folder = tmp_path / "SplitPair-train_train"
    folder.mkdir()
    match = messages.MatchStats(matching_pairs_count=5, base_with_id_count=6, test_with_id_count=7)
    skews = [messages.FeatureSkew(feature_name="<b>", diff_count=4, match_count=1),
             messages.FeatureSkew(feature_name="same", match_count=5)]  # fmt: skip
    confused = messages.ConfusionCount(feature_name="<b>", count=4)
    confused.base.bytes_value, confused.test.bytes_value = b"old", b"new \xff"
    for name, found in (("match_stats", [match]), ("skew_stats", skews), ("confusion", [confused])):
        records = [each.SerializeToString() for each in found]
        data = b"".join(struct.pack("<Q", len(r)) + bytes(4) + r + bytes(4) for r in records)
        (folder / f"{name}-00000-of-00001").write_bytes(data)
    diff = artifact_class("ExamplesDiff")(str(tmp_path))
    diff.properties["split_names"] = '["train_train"]'
    page = html_page("t", view_of(diff))
    assert "<td>old</td><td>new \ufffd</td>" in page
    assert "splits train_train" in page and "&lt;b&gt;" in page
    assert '<td class="number" data-value="80.0">80</td>' in page
