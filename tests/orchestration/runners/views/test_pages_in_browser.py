# SPDX-License-Identifier: Apache-2.0
"""Pages in a real browser: they draw, sort, filter, and ask nobody for anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.chromium import EXECUTABLE, Page, chromium
from support.view_artifacts import HOSTILE, MakeStatistics

from penstock.components.base.artifact import artifact_class
from penstock.components.base.artifact_types import ModelEvaluation, ModelRun
from penstock.orchestration.runners.views.html_page import html_fragment, html_page
from penstock.orchestration.runners.views.registry import view_of
from penstock.orchestration.runners.views.view import Graph, GraphNode, View, Wanted

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not EXECUTABLE, reason="chromium is not installed"),
]

Open = Callable[[str], Page]

#: The texts of a table's first visible column.
_FIRST = """Array.from(document.querySelectorAll('.grid')[%d].querySelectorAll('tbody tr'))
  .filter(row => row.style.display !== 'none').map(row => row.cells[0].textContent)"""
#: How many elements reach over the edge of the page, scrolling boxes left out.
_WIDER = """document.documentElement.scrollWidth - document.documentElement.clientWidth"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Chromium for all tests of the module."""
    pytest.importorskip("websockets")
    pytest.importorskip("httpx")
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def opened(browser: Page, tmp_path: Path) -> Iterator[Open]:
    """Opens a text as a page; at the end checks that nothing went wrong in it."""
    pages: list[str] = []

    def open_page(text: str) -> Page:
        file = tmp_path / f"page{len(pages)}.html"
        file.write_text(text, encoding="utf-8")
        pages.append(file.as_uri())
        browser.open(file)
        return browser

    yield open_page
    assert browser.problems == []
    outside = [
        url
        for url in browser.requests
        if url not in pages and not url.startswith(("data:", "about:"))
    ]
    assert outside == []
    assert browser.run("typeof window.hacked") == "undefined"


@pytest.mark.parametrize("features", [10, 500])
def test_statistics_fit_the_page(
    opened: Open, make_statistics: MakeStatistics, features: int
) -> None:
    """If it fails, a page of statistics is wider than a screen, or values act as HTML."""
    page = opened(html_page("statistics", view_of(make_statistics(features))))
    assert page.run(_WIDER) <= 0
    assert page.run("document.querySelectorAll('svg.spark').length") == features
    assert page.run("document.querySelectorAll('img').length") == 0


def test_tables_sort_and_filter(opened: Open, evaluation: ModelEvaluation) -> None:
    """If it fails, the worst slice has to be searched for by eye."""
    page = opened(html_page("evaluation", view_of(evaluation)))
    assert page.run(_FIRST % 1)[0] == "all rows"
    page.run("document.querySelectorAll('.grid')[1].querySelectorAll('th')[2].id = 'auc'")
    assert page.run("document.getElementById('auc').textContent") == "auc"
    page.click("#auc")
    rising = page.run(_FIRST % 1)
    page.click("#auc")
    falling = page.run(_FIRST % 1)
    assert rising[0] == "all rows" and falling[0].startswith("product: 23")
    # What has no number stands last either way.
    assert rising[-1] == falling[-1] and rising[-1].startswith("product: 5 ")
    page.click("input[type=search]")
    page.type("product: 2")
    assert len(page.run(_FIRST % 1)) == 5
    assert "5 of 24 rows" in page.run("document.body.textContent")


def test_compared_statistics_unfold(opened: Open, make_statistics: MakeStatistics) -> None:
    """If it fails, parts that are folded away cannot be opened."""
    wanted = Wanted(beside={"January": make_statistics(40)})
    page = opened(html_page("compared", view_of(make_statistics(40, 2.0), wanted)))
    assert page.run("document.querySelector('details').open") is False
    page.click("details summary")
    assert page.run("document.querySelector('details').open") is True
    assert page.run("document.querySelector('details table').offsetHeight") > 100


def test_curves_and_dots_have_titles_and_labels(
    opened: Open, model_run: ModelRun, evaluation: ModelEvaluation
) -> None:
    """If it fails, charts cannot be read."""
    page = opened(html_page("charts", view_of(model_run), view_of(evaluation)))
    assert page.run("document.querySelectorAll('polyline').length") == 2
    assert page.run("document.querySelectorAll('circle').length") > 20
    unnamed = "document.querySelectorAll('svg:not([aria-label]), svg[aria-label=\"\"]').length"
    assert page.run(unnamed) == 0
    # No text lies outside of its picture.
    cut = """Array.from(document.querySelectorAll('svg:not(.spark) text')).filter(text => {
      const a = text.getBoundingClientRect(), b = text.closest('svg').getBoundingClientRect();
      return a.width && (a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1);
    }).map(text => text.textContent)"""
    assert page.run(cut) == []


def test_graph_labels_fit_their_boxes(opened: Open) -> None:
    """If it fails, names of nodes run out of their boxes."""
    nodes = [
        GraphNode(f"n{index}", [name, "complete in 3.2s"], state="complete")
        for index, name in enumerate(["a", "WWWWWWWWWWWWWW", "example_gen.inner.x" * 5, "<b>&"])
    ]
    edges = [("n0", "n1", ""), ("n1", "n2", "x"), ("n0", "n3", "")]
    page = opened(html_page("graph", View("Graph", [Graph("Nodes", nodes, edges)])))
    too_wide = """Array.from(document.querySelectorAll('g[data-node] text')).filter(text =>
      text.getBoundingClientRect().width >
      text.parentNode.querySelector('rect').getBoundingClientRect().width).length"""
    assert page.run("document.querySelectorAll('g[data-node]').length") == 4
    assert page.run(too_wide) == 0


def test_two_cells_of_a_notebook_do_not_disturb_each_other(
    opened: Open, evaluation: ModelEvaluation
) -> None:
    """If it fails, showing something twice in a notebook doubles its search boxes."""
    fragment = html_fragment(view_of(evaluation))
    page = opened(f"<!DOCTYPE html><title>t</title><body>{fragment}{fragment}</body>")
    assert page.run("document.querySelectorAll('input[type=search]').length") == 2


def test_drawings_of_a_cell_are_seen_with_and_without_scripts(
    opened: Open, make_statistics: MakeStatistics
) -> None:
    """If it fails, a notebook that is not trusted has no charts, or a trusted one no tooltips."""
    cell = html_fragment(view_of(make_statistics(10)))
    page = opened(f"<!DOCTYPE html><title>t</title><body>{cell}</body>")
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelectorAll('svg.spark').length") == 10
    told = "Array.from(document.querySelectorAll('svg.spark title')).map(t => t.textContent)"
    assert [each.startswith(HOSTILE) for each in page.run(told)].count(True) == 3
    assert page.run("document.querySelector('.untrusted').offsetHeight") == 0
    # As JupyterLab shows it where it does not trust: without style and script.
    bare = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", cell, flags=re.DOTALL)
    page = opened(f"<!DOCTYPE html><title>t</title><body>{bare}</body>")
    assert page.run("Array.from(document.images).every(each => each.naturalWidth > 50)") is True
    assert page.run("document.images.length") == 20
    assert page.run("document.querySelector('.untrusted').offsetHeight") > 0


def test_a_card_stays_in_its_frame(opened: Open, tmp_path: Path) -> None:
    """If it fails, a script in a model card acts in the page around it."""
    (tmp_path / "model_card.html").write_text(
        "<title>card</title><h1>Card</h1><script>parent.hacked = 1; window.hacked = 1</script>"
    )
    page = opened(html_page("card", view_of(artifact_class("ModelCard")(str(tmp_path)))))
    assert page.run("document.title") == "card"
    # That a script was kept from running is what the console says; nothing else is wrong.
    assert all("sandbox" in each for each in page.problems)
    page.problems.clear()
