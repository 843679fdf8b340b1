# SPDX-License-Identifier: Apache-2.0
"""Lineage: the right records in the right direction, drawn without being misread."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import Examples, Model, Schema
from penstock.orchestration.metadata.lineage import Direction, LineageGraph
from penstock.orchestration.metadata.lineage_text import dot, mermaid, tree
from penstock.orchestration.metadata.records import NodeKey
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError

Execute = Callable[..., int]


def names(graph: LineageGraph) -> set[str]:
    """URIs and node ids of what a graph holds."""
    uris = {record.artifact.uri for record in graph.artifacts.values()}
    return uris | {record.node_id for record in graph.executions.values()}


@pytest.fixture
def diamond(store: MetadataStore, execute: Execute) -> dict[str, Artifact]:
    """Gen feeds Schema and Trainer; Trainer reads both; Pusher reads the model."""
    made: dict[str, Artifact] = {
        "examples": Examples("/examples"), "schema": Schema("/schema"), "model": Model("/model"),
    }  # fmt: skip
    examples, schema, model = made.values()
    execute("r", "Gen", {"examples": [examples]})
    execute("r", "SchemaGen", {"schema": [schema]}, {"examples": [examples]})
    execute("r", "Trainer", {"model": [model]}, {"examples": [examples], "schema": [schema]})
    execute("r", "Pusher", {}, {"model": [model]})
    execute("r", "Unrelated", {"x": [Examples("/unrelated")]})
    return made


def test_lineage_follows_the_data(store: MetadataStore, diamond: dict[str, Artifact]) -> None:
    """Fails if lineage leaves something out, or brings in what has nothing to do with it."""
    schema, model = diamond["schema"].id or 0, diamond["model"].id or 0
    upstream = store.lineage([model])
    assert names(upstream) == {"/model", "Trainer", "/schema", "SchemaGen", "/examples", "Gen"}
    assert len(upstream.edges) == 6
    downstream = store.lineage([schema], Direction.DOWNSTREAM)
    assert names(downstream) == {"/schema", "Trainer", "/model", "Pusher"}
    both = store.lineage([schema], Direction.BOTH)
    # Not the examples as an input of Trainer: neither above nor below the schema.
    assert names(both) == names(downstream) | {"SchemaGen", "/examples", "Gen"}
    (trainer,) = [key for key, e in upstream.executions.items() if e.node_id == "Trainer"]
    around = store.execution_lineage([int(trainer.split(":")[1])])
    assert names(around) == names(upstream) | {"Pusher"}
    assert {edge.name for edge in upstream.sources(trainer)} == {"examples", "schema"}
    assert [edge.name for edge in upstream.targets(trainer)] == ["model"]


def test_lineage_leaves_out_what_the_cache_spared(
    store: MetadataStore, diamond: dict[str, Artifact]
) -> None:
    """Fails if a model that was reused a hundred times has a hundred producers."""
    for number in range(5):
        store.begin_run("taxi", f"again{number}")
        store.publish_cached(
            NodeKey("taxi", f"again{number}", "Trainer", "test.Noop"),
            {"examples": [diamond["examples"]]}, {"model": [diamond["model"]]},
        )  # fmt: skip
    model = diamond["model"].id or 0
    assert len(store.lineage([model], Direction.BOTH).executions) == 4


def test_lineage_is_cut_at_the_limit(store: MetadataStore, diamond: dict[str, Artifact]) -> None:
    """Fails if a huge lineage is drawn whole, or cut without saying so."""
    graph = store.lineage([diamond["model"].id or 0], max_nodes=3)
    assert len(graph.artifacts) + len(graph.executions) == 3
    assert graph.truncated
    assert all({e.source, e.target} <= {*graph.artifacts, *graph.executions} for e in graph.edges)
    assert tree(graph).endswith("left out because of the limit")
    assert not store.lineage([diamond["model"].id or 0]).truncated


def test_unknown_start_is_an_error(store: MetadataStore) -> None:
    """Fails if the lineage of a mistyped id is an empty picture."""
    with pytest.raises(MetadataError, match="no artifact 42"):
        store.lineage([42])
    with pytest.raises(MetadataError, match="no execution 42"):
        store.execution_lineage([42])


def test_tree_shows_every_branch_once(store: MetadataStore, diamond: dict[str, Artifact]) -> None:
    """Fails if the tree repeats shared branches or hides one."""
    model = diamond["model"].id or 0
    lines = tree(store.lineage([model])).splitlines()
    assert lines == [
        "Model 3 /model",
        "└─ model: Trainer (execution 3, complete, run r)",
        "   ├─ examples: Examples 1 /examples",
        "   │  └─ examples: Gen (execution 1, complete, run r)",
        "   └─ schema: Schema 2 /schema",
        "      └─ schema: SchemaGen (execution 2, complete, run r)",
        "         └─ examples: Examples 1 /examples (see above)",
    ]
    both = tree(store.lineage([model], Direction.BOTH), Direction.BOTH)
    assert "downstream:\nModel 3 /model\n└─ model: Pusher (execution 4" in both


def test_deep_lineage_does_not_exhaust_the_stack(store: MetadataStore) -> None:
    """Fails if a chain of a few hundred runs, each continuing the last, cannot be shown."""
    before: list[Artifact] = []
    with MetadataStore("sqlite:///:memory:") as memory:
        memory.begin_run("taxi", "r")
        for number in range(300):
            made = Model(f"/{number}")
            node = NodeKey("taxi", "r", f"n{number}", "test.Noop")
            found = memory.register_execution(node, {"base": before}, {})
            memory.publish_execution(node, found, {"model": [made]})
            before = [made]
        graph = memory.lineage([before[0].id or 0])
    assert len(tree(graph).splitlines()) == 600


HOSTILE = 'a"b\\n<img src=x>#quot;`]{}|;\x1b[31m\u202e\nend'


@pytest.fixture
def hostile(store: MetadataStore, execute: Execute) -> LineageGraph:
    """A graph whose texts try to break out of every notation."""
    artifact = Examples("/" + HOSTILE)
    execute("r", HOSTILE, {HOSTILE: [artifact]})
    return store.lineage([artifact.id or 0])


def test_tree_keeps_control_characters_from_the_terminal(hostile: LineageGraph) -> None:
    """Fails if a recorded name can move the cursor or reverse the text of a terminal."""
    text = tree(hostile)
    assert len(text.splitlines()) == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


def test_dot_quotes_what_it_shows(hostile: LineageGraph) -> None:
    """Fails if a name can add nodes or attributes to a Graphviz picture."""
    quoted = r'"(?:[^"\\]|\\.)*"'
    lines = dot(hostile).splitlines()
    assert lines[0] == "digraph lineage {" and lines[-1] == "}"
    patterns = (
        rf"  {quoted} \[shape=(?:box|ellipse), label={quoted}\];",
        rf"  {quoted} -> {quoted} \[label={quoted}\];",
    )
    for line in lines[3:-1]:
        assert any(re.fullmatch(pattern, line) for pattern in patterns), line
    label = re.search(rf"label=({quoted})", lines[3])
    assert label is not None
    assert r"a\"b\\n<img" in label[1]


def test_mermaid_escapes_what_it_shows(hostile: LineageGraph) -> None:
    """Fails if a name can add nodes, links or HTML to a Mermaid picture."""
    text = mermaid(hostile)
    patterns = (
        r"flowchart TB",
        r'  \w+(?:\(\[|\[)"(?:[^"<>`\[\]{}|]|<br/>)*"(?:\]\)|\])',
        r'  \w+ -->\|"[^"<>`\[\]{}|]*"\| \w+',
    )
    for line in text.splitlines():
        assert any(re.fullmatch(pattern, line) for pattern in patterns), line
    shown = re.search(r'\["(.*?)"\]', text)
    assert shown is not None
    # What a browser makes of it is the text that was recorded.
    back = html.unescape(re.sub(r"#(\d+);", r"&#\1;", shown[1]))
    assert back.startswith('Examples 1<br/>/a"b\\n<img src=x>#quot;') or back.startswith(
        'a"b\\n<img'
    )
