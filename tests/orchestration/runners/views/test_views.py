# SPDX-License-Identifier: Apache-2.0
"""Views of artifacts: what they show, whoever draws them."""

from __future__ import annotations

import html
import io
import random
import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import pytest
from rich.console import Console
from support.view_artifacts import HOSTILE, LONG, MakeStatistics

from penstock import register_view, to_pandas
from penstock.components.base.artifact import Artifact, artifact_class
from penstock.components.base.artifact_types import (
    ExampleStatistics,
    JsonValue,
    Model,
    ModelBlessing,
    ModelEvaluation,
    ModelRun,
)
from penstock.orchestration.runners.views.curves_svg import ticks
from penstock.orchestration.runners.views.graph_layout import layered
from penstock.orchestration.runners.views.html_page import html_fragment, html_page, number_text
from penstock.orchestration.runners.views.registry import view_of
from penstock.orchestration.runners.views.showing import views_of
from penstock.orchestration.runners.views.terminal import print_view, spark_text
from penstock.orchestration.runners.views.view import Table, View, Wanted, Words
from penstock.utils.errors import DataError


def text_of(view: View) -> str:
    """A view as a terminal of 200 columns shows it."""
    out = io.StringIO()
    print_view(Console(file=out, width=200, highlight=False), view)
    return out.getvalue()


class Tags(HTMLParser):
    """Counts elements, and checks that each that is opened is closed."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(text: str) -> dict[str, int]:
    """Elements of a page by name, once it is certain that they nest."""
    parser = Tags()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser.seen


@pytest.mark.parametrize("features", [10, 500])
def test_statistics_show_every_feature(make_statistics: MakeStatistics, features: int) -> None:
    """If it fails, features are left out, or values of the data act as HTML."""
    page = html_page("statistics", view_of(make_statistics(features)))
    found = tags_of(page)
    assert "img" not in found and found["script"] == 1
    assert html.escape(HOSTILE) in page and HOSTILE not in page
    rows = re.findall(r"<tr><td>(.*?)</td>", page)
    assert len(rows) == features and LONG in rows
    assert page.count('class="spark"') == features
    assert len(page) < 3000 * features + 60_000


def test_one_feature_can_be_asked_for(make_statistics: MakeStatistics) -> None:
    """If it fails, one feature among hundreds cannot be looked at, or a typo shows nothing."""
    statistics = make_statistics(10)
    shown = text_of(view_of(statistics, Wanted(features=["feature_001"])))
    assert "feature_001" in shown and "feature_002" not in shown and "12" in shown
    with pytest.raises(DataError, match="feature_01") as caught:
        view_of(statistics, Wanted(features=["feature_01"]))
    assert caught.value.suggestion == "feature_001"


def test_two_statistics_are_compared(make_statistics: MakeStatistics) -> None:
    """If it fails, `show(before, after)` does not say what changed."""
    before, after = make_statistics(10), make_statistics(10, 2.0)
    before.name, after.name = "January", "February"
    (view,) = views_of([before, after], Wanted())
    shown = text_of(view)
    assert "change from January to February" in shown and "mean 4.5 → 6.5" in shown


def test_an_evaluation_shows_verdict_slices_and_gaps(evaluation: ModelEvaluation) -> None:
    """If it fails, a slice is lost, or a metric that is not known looks like a number."""
    view = view_of(evaluation)
    page = html_page("evaluation", view)
    assert "img" not in tags_of(page)
    assert "Not blessed" in page and "too few records" in page and "auc (change)" in page
    assert page.count('<td class="none number">–</td>') == 1
    frame = to_pandas(evaluation)
    assert len(frame) == 24 and frame["auc"].isna().sum() == 1
    assert "Metrics of every slice" in text_of(view)


def test_training_curves_come_from_logs(model_run: ModelRun) -> None:
    """If it fails, curves of Keras or of a plain loop are lost, or a cut record breaks all."""
    page = html_fragment(view_of(model_run))
    assert page.count("<polyline") == 2 and ">epoch</text>" in page and ">loss</text>" in page
    frame = to_pandas(model_run)
    assert sorted(set(frame["series"])) == ["train", "validation"] and len(frame) == 24


def test_small_artifacts_say_what_they_are(tmp_path: Path) -> None:
    """If it fails, values, verdicts or unknown types are shown as nothing."""
    value = JsonValue(str(tmp_path / "value"))
    value.write({"a": "<b>"})
    assert "&quot;&lt;b&gt;&quot;" in html_fragment(view_of(value))
    blessing = ModelBlessing(str(tmp_path), custom_properties={"blessed": 0})
    assert "Not blessed." in text_of(view_of(blessing))
    (tmp_path / "notes.txt").write_text("<i>hello</i>")
    other = artifact_class("SomethingOfMine")(str(tmp_path))
    assert "&lt;i&gt;hello&lt;/i&gt;" in html_fragment(view_of(other))


def test_a_model_card_cannot_run_scripts(tmp_path: Path) -> None:
    """If it fails, a page in an artifact can act in whoever looks at it."""
    (tmp_path / "model_card.html").write_text("<h1>Card</h1><script>parent.hacked=1</script>")
    page = html_page("card", view_of(artifact_class("ModelCard")(str(tmp_path))))
    assert tags_of(page)["script"] == 1 and "<iframe sandbox title=" in page


def test_what_cannot_be_read_is_shown_with_the_reason(tmp_path: Path) -> None:
    """If it fails, a damaged artifact cannot be looked at at all."""
    broken = ExampleStatistics(str(tmp_path))
    broken.splits = ["train"]
    (tmp_path / "stray.txt").write_text("x")
    shown = text_of(view_of(broken))
    assert "cannot be shown as ExampleStatistics" in shown and "stray.txt" in shown


def test_a_view_of_ones_own_is_used(tmp_path: Path) -> None:
    """If it fails, types of users' own cannot have pictures."""

    def mine(artifact: Artifact, wanted: Wanted) -> View:
        return View("Mine", [Words(artifact.uri), Table(("n",), [(wanted.limit,)])])

    register_view("Mine", mine)
    assert "Mine" in text_of(view_of(artifact_class("Mine")(str(tmp_path))))


def test_only_what_has_rows_becomes_a_table(tmp_path: Path) -> None:
    """If it fails, asking for a model's rows ends in a traceback."""
    with pytest.raises(DataError, match="holds no table"):
        to_pandas(Model(str(tmp_path)))


def test_boxes_do_not_overlap_and_arrows_run_down() -> None:
    """If it fails, graphs are not legible."""
    chance = random.Random(5)
    keys = [f"n{index}" for index in range(40)]
    sizes = {key: (chance.uniform(70, 240), chance.choice([28.0, 60.0])) for key in keys}
    edges = [(keys[chance.randrange(i)], keys[i]) for i in range(1, 40) for _ in range(2)]
    layout = layered(sizes, edges)
    for one, other in combinations(keys, 2):
        (x0, y0), (x1, y1) = layout.centers[one], layout.centers[other]
        apart_x = abs(x0 - x1) >= (sizes[one][0] + sizes[other][0]) / 2
        apart_y = abs(y0 - y1) >= (sizes[one][1] + sizes[other][1]) / 2
        assert apart_x or apart_y, (one, other)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        assert layout.centers[source][1] < layout.centers[target][1]
        heights = [y for _, y in route]
        assert heights == sorted(heights)
    for x, y in layout.centers.values():
        assert 0 < x < layout.width and 0 < y < layout.height


def test_a_circle_is_drawn_all_the_same() -> None:
    """If it fails, a lineage with a loop in it hangs or raises."""
    layout = layered({"a": (70, 28), "b": (70, 28)}, [("a", "b"), ("b", "a"), ("a", "a")])
    assert len(layout.routes) == 3 and layered({}, []).routes == []


@pytest.mark.parametrize("low, high", [(0, 1), (0.59, 0.83), (-5, 5), (3, 3), (0, 0), (1e-9, 2e-9)])
def test_ticks_are_few_and_reach_both_ends(low: float, high: float) -> None:
    """If it fails, a chart's axis ends before its values do."""
    found = ticks(low, high)
    assert 2 <= len(found) <= 9 and found[0] <= low <= high <= found[-1]


def test_numbers_are_legible() -> None:
    """If it fails, tables show float noise, or lose what matters."""
    shown = [number_text(value) for value in (0.1 + 0.2, 1234567, 1e-9, float("nan"), None, True)]
    assert shown == ["0.3", "1,234,567", "1e-09", "nan", "–", "True"]
    assert spark_text([0, 0.5, 1]) == " ▄█"
