# SPDX-License-Identifier: Apache-2.0
"""Model cards: what they tell, that it is true, and that nobody can write HTML into them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from penstock.components.analyze.model_card_file import read_card
from penstock.components.analyze.model_card_html import render_html
from penstock.components.analyze.model_card_markdown import render_markdown
from penstock.components.analyze.model_card_prose import inline_html, to_html
from penstock.components.base.artifact_types import (
    Examples,
    FeatureInfluenceArtifact,
    HyperParameters,
    InfraBlessing,
    Model,
    ModelCardArtifact,
)
from penstock.components.base.executor import Task
from penstock.utils.errors import DataError, ParameterError
from penstock.utils.hashing import digest_tree

EVIL = '<script>alert("1")</script>|`*x*`'

TEXT = {
    "name": "Disputes",
    "overview": "Tells who will **dispute**.\n\n- one\n- two",
    "owners": ["team <a@example.org>"],
    "use_cases": ["Routing"],
    "limitations": [EVIL],
    "ethical_considerations": [{"name": "Small groups", "mitigation_strategy": "Slices"}],
}


class Tags(HTMLParser):
    """Collects the tags and links of a page, and checks that tags are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in ("meta", "br") and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


def write(tmp_path: Path, inputs: Mapping[str, Any], **parameters: Any) -> ModelCardArtifact:
    """Runs the executor."""
    from penstock.components.analyze.model_card_executor import ModelCardExecutor

    place = tmp_path / f"card{len(list(tmp_path.iterdir()))}"
    place.mkdir()
    made = ModelCardArtifact(str(place))
    task = Task(
        {name: [artifact] for name, artifact in inputs.items()},
        {"model_card": [made]},
        parameters,
        pipeline_name="pipe",
        node_id="ModelCard",
    )
    ModelCardExecutor().execute(task)
    return made


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model that nobody loads."""
    (tmp_path / "model" / "Format-Serving").mkdir(parents=True)
    (tmp_path / "model" / "Format-Serving" / "model.json").write_text("{}")
    found = Model(str(tmp_path / "model"))
    found.content_digest = "abc123"
    return found


@pytest.fixture
def others(tmp_path: Path) -> dict[str, Any]:
    """Further inputs, with texts that want to be HTML."""
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / "best_hyperparameters.txt").write_text(json.dumps({"values": {"rate": 0.1}}))
    features = [{"name": EVIL, "importance": 0.25, "deviation": 0.01}]
    (folder / "influence.json").write_text(
        json.dumps(
            {
                "method": "permutation",
                "score": "log loss",
                "split": "eval",
                "rows": 10,
                "slices": [{"name": "all rows", "rows": 10, "base": 0.5, "features": features}],
            }
        )
    )
    examples = Examples(str(folder), custom_properties={"row_counts": '{"train": 20}'})
    examples.splits = ["train"]
    examples.span, examples.version = 7, 2
    examples.content_digest = "data456"
    measured = {"latency_p99_ms": 12.5, "size_on_disk_bytes": 5_000_000}
    blessing = {"blessed": 0, "reason": EVIL, **measured}
    return {
        "examples": examples,
        "hyperparameters": HyperParameters(str(folder)),
        "influence": FeatureInfluenceArtifact(str(folder)),
        "infra_blessing": InfraBlessing("", custom_properties=blessing),
    }


def test_a_card_tells_what_is_connected(
    tmp_path: Path, model: Model, others: dict[str, Any]
) -> None:
    """Facts that were given are missing, or others are made up."""
    made = write(tmp_path, {"model": model, **others}, card=TEXT, training_parameters={"epochs": 3})
    card = read_card(made)
    assert card["model"] == {"digest": "abc123", "files": 1, "size_bytes": 2, "flavor": "xgboost"}
    assert card["data"]["spans"] == [[7, 2]]
    assert card["hyperparameters"] == {"rate": 0.1, "epochs": 3}
    for name in ("model_card.html", "model_card.md"):
        text = Path(made.path(name)).read_text()
        for told in ("Disputes", "Refused by serving", "7 (version 2)", "data456", "12.50 ms",
                     "5 MB", "abc123", "0.25", "rate", "Routing", "Small groups"):  # fmt: skip
            assert told in text, (name, told)
    alone = write(tmp_path, {"model": model})
    page = Path(alone.path("model_card.html")).read_text()
    assert "<h2>Model details</h2>" in page
    assert "No gate has judged this model" in page
    for absent in ("Evaluation", "Data", "Features", "Training", "Intended use", "Ethical"):
        assert f"<h2>{absent}" not in page


def test_equal_facts_give_equal_bytes(tmp_path: Path, model: Model, others: dict[str, Any]) -> None:
    """A card is made anew in each run, though nothing changed."""
    first = write(tmp_path, {"model": model, **others}, card=TEXT)
    model.id = 77
    again = write(tmp_path, {"model": model, **others}, card=TEXT)
    assert digest_tree(first.uri) == digest_tree(again.uri)


def test_nothing_gets_into_the_page(tmp_path: Path, model: Model, others: dict[str, Any]) -> None:
    """Whoever names a feature or fails a gate runs scripts in a reader's browser."""
    made = write(
        tmp_path,
        {"model": model, **others},
        card={**TEXT, "name": EVIL, "overview": f"{EVIL} [x](javascript:alert(1))"},
        training_parameters={EVIL: EVIL},
    )
    page = Path(made.path("model_card.html")).read_text()
    tags = Tags(page)
    assert "script" not in tags.names
    assert not [link for link in tags.links if not link.startswith(("http", "mailto"))]
    text = Path(made.path("model_card.md")).read_text()
    assert "<script" not in text
    row = next(line for line in text.splitlines() if line.startswith("| &lt;script"))
    assert row.count("|") - row.count("\\|") == row.strip("|").count(" | ") + 2


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a **b** *c* `d*e*`", "<p>a <strong>b</strong> <em>c</em> <code>d*e*</code></p>"),
        ("- a\n- b\n  more", "<ul><li>a</li><li>b more</li></ul>"),
        ("Two:\n1. a\n2. b", "<p>Two:</p>\n<ul><li>a</li><li>b</li></ul>"),
        ("a\nb\n\nc", "<p>a b</p>\n<p>c</p>"),
        ("# A\nb", "<h4>A</h4>\n<p>b</p>"),
        ("snake_case_name 2*3*4", "<p>snake_case_name 2*3*4</p>"),
        ("<b>&", "<p>&lt;b&gt;&amp;</p>"),
    ],
)
def test_prose_becomes_html(text: str, html: str) -> None:
    """Texts of people are shown as source, or changed."""
    assert to_html(text) == html


def test_links_lead_to_the_web_only() -> None:
    """A link in a card runs code."""
    assert inline_html("[a](https://x.org/?a=1&b)") == '<a href="https://x.org/?a=1&amp;b">a</a>'
    assert inline_html("see https://x.org.") == 'see <a href="https://x.org">https://x.org</a>.'
    for bad in ("[a](javascript:alert(1))", '[a](https://x" onclick="y)', "[a](data:text/html,x)"):
        tags = Tags(inline_html(bad))
        assert all(link.startswith("https://x") for link in tags.links)


def test_mistakes_are_explained(tmp_path: Path, model: Model, others: dict[str, Any]) -> None:
    """A newcomer would get a bare traceback."""
    with pytest.raises(ParameterError, match="card") as caught:
        write(tmp_path, {"model": model}, card={"limitation": ["x"]})
    assert caught.value.suggestion == "limitations"
    Path(others["influence"].path("influence.json")).write_text("{")
    with pytest.raises(DataError, match="FeatureInfluence cannot be read") as unread:
        write(tmp_path, {"model": model, **others})
    assert unread.value.node == "ModelCard"
    with pytest.raises(DataError, match="cannot be read"):
        read_card(ModelCardArtifact(str(tmp_path)))
    Path(model.path("Format-Serving", "model.json")).rename(model.path("Format-Serving", "m.pkl"))
    card = read_card(write(tmp_path, {"model": model}))
    assert "unknown: m.pkl is a pickle" in card["model"]["flavor"]


def known(examples: Examples, folder: Path) -> Examples:
    """The examples without the column that has no value anywhere."""
    import pyarrow.parquet as pq

    found = Examples(str(folder))
    found.splits = ["train", "eval"]
    for split in found.splits:
        Path(found.split_uri(split)).mkdir(parents=True)
        rows = pq.read_table(examples.split_uri(split)).drop(["never"])
        pq.write_table(rows, Path(found.split_uri(split), "data_parquet-00000-of-00001.parquet"))
    return found


THRESHOLDS = {
    "slicing_specs": [{"feature_keys": ["product"]}],
    "threshold": {"value_threshold": {"lower_bound": 0.6}},
}


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning")
def test_metrics_are_the_evaluation_s(
    tmp_path: Path,
    evaluate: Callable[..., Any],
    models: Mapping[str, Any],
    complaint_examples: Any,
) -> None:
    """A card says that a model passed what it missed, or shows other numbers."""
    from penstock.components.base.artifact_types import ExampleStatistics
    from penstock.components.validate.statistics_executor import StatisticsExecutor

    wanted = {
        "model_specs": [
            {"name": "candidate", "label_key": "label"},
            {"name": "baseline", "label_key": "label", "is_baseline": True},
        ],
        "slicing_specs": [{}, {"feature_keys": ["product"]}],
        "metrics_specs": [
            {
                "metrics": [
                    {"class_name": "ExampleCount"},
                    {
                        "class_name": "AUC",
                        "threshold": {
                            "value_threshold": {"lower_bound": 0.5},
                            "change_threshold": {
                                "absolute": -0.9, "direction": "HIGHER_IS_BETTER"
                            },
                        },
                        "per_slice_thresholds": [THRESHOLDS],
                    },
                ]
            }
        ],
    }  # fmt: skip
    evaluation, blessing, returned = evaluate(wanted, "bad_on_card", "good")
    described = ExampleStatistics(str(tmp_path / "statistics"))
    (tmp_path / "statistics").mkdir()
    options = {"feature_allowlist": ["amount", "product", "hour"]}
    StatisticsExecutor().execute(
        Task(
            {"examples": [known(complaint_examples, tmp_path / "known")]},
            {"statistics": [described]},
            {"exclude_splits": [], "stats_options": options},
        )
    )
    made = write(
        tmp_path,
        {
            "model": models["bad_on_card"],
            "evaluation": evaluation,
            "model_blessing": blessing,
            "statistics": described,
        },
    )
    card = read_card(made)
    rows = {(each["metric"], each["slice"]): each for each in card["evaluation"]["thresholds"]}
    assert rows["auc", "product: Card"]["passed"] is False
    assert rows["auc", "product: Debt"]["passed"] is True
    misses = card["evaluation"]["verdict"]["misses"]
    told = {(e["metric"], e["slice"], e["demand"]) for e in misses}
    assert len(told) == 2
    assert told == {
        (e["metric"], e["slice"], e["demand"])
        for e in card["evaluation"]["thresholds"]
        if e["passed"] is False
    }
    assert rows["auc", "all rows"]["value"] == pytest.approx(returned["metric.auc"])
    assert rows["change of auc", "all rows"]["passed"] is True
    assert rows["change of auc", "all rows"]["demand"] == "a change of at least -0.9"
    assert {chart["feature"] for chart in card["distributions"]} >= {"amount", "product", "hour"}
    page, text = render_html(card), render_markdown(card)
    tags = Tags(page)
    assert {"svg", "figure", "table"} <= tags.names
    assert "Refused by evaluation" in page
    assert f"{returned['metric.auc']:.4f}" in page
    assert f"{returned['metric.auc']:.4f}" in text
    assert page.count("⚠") >= 1
    assert "the model before" in page
