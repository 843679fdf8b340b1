# SPDX-License-Identifier: Apache-2.0
"""What resolvers ask: the newest artifacts, the newest blessed models."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable

import pytest

from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import (
    Examples,
    ExampleStatistics,
    Model,
    ModelBlessing,
)
from penstock.orchestration.metadata.records import ArtifactState, NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore

Execute = Callable[..., int]


def example(uri: str, span: int = 0) -> Examples:
    """Examples of one span."""
    made = Examples(uri, custom_properties={"payload_format": "parquet"})
    made.span = span
    return made


def test_latest_artifacts_are_the_newest_live_ones_that_fit(
    store: MetadataStore, execute: Execute
) -> None:
    """Fails if a resolver takes an old, deleted or foreign artifact."""
    for number in range(30):
        execute(f"r{number}", "Gen", {"x": [example(f"/g{number}", number)]})
        execute(f"r{number}", "Other", {"x": [example(f"/o{number}", number)]})
    execute("h", "Gen", {"x": [example("/h")]}, pipeline="houses")
    execute("r0", "Model", {"m": [Model("/m")]})

    def uris(**options: object) -> list[str]:
        return [a.uri for a in store.latest_artifacts("Examples", **options)]  # type: ignore[arg-type]

    assert uris() == ["/h"]
    assert uris(pipeline="taxi", limit=3) == ["/o29", "/g29", "/o28"]
    assert uris(pipeline="taxi", node_id="Gen", limit=2) == ["/g29", "/g28"]
    assert uris(pipeline="taxi", where={"span": 4, "payload_format": "parquet"}, limit=9) == [
        "/o4", "/g4",
    ]  # fmt: skip
    assert uris(pipeline="taxi", where={"span": 99}) == []
    assert uris(pipeline="taxi", node_id="Nobody") == []
    assert uris(pipeline="unknown") == []
    assert uris(limit=0) == []
    assert store.latest_artifacts("NoSuchType") == []
    newest = store.latest_artifacts("Examples", pipeline="taxi")[0]
    store.mark_deleted([newest.id or 0])
    assert uris(pipeline="taxi") == ["/g29"]
    assert store.get_artifact(newest.id or 0).state is ArtifactState.DELETED
    assert len(uris(pipeline="taxi", limit=100)) == 59


def test_numbers_survive_processes_and_pipelines_at_once(
    store: MetadataStore, store_path: str, execute: Execute
) -> None:
    """Fails if two stores that publish in turn hide each other's artifacts."""
    execute("r", "Gen", {"x": [example("/0")]})
    with MetadataStore(store_path) as other:
        for number in range(1, 9):
            writer, node = (store, other)[number % 2], NodeKey("taxi", "r", f"n{number}", "test.N")
            found = writer.register_execution(node, {}, {})
            writer.publish_execution(node, found, {"x": [example(f"/{number}")]})
        newest = [a.uri for a in other.latest_artifacts("Examples", pipeline="taxi", limit=20)]
        other.end_run("r", RunState.COMPLETE)
    assert newest == [f"/{number}" for number in range(8, -1, -1)]
    with MetadataStore(store_path) as fresh:
        assert fresh.latest_artifacts("Examples", pipeline="taxi")[0].uri == "/8"


def blessing(model: Artifact, blessed: bool) -> ModelBlessing:
    """An evaluator's verdict on a model."""
    return ModelBlessing(
        "/b", custom_properties={"blessed": int(blessed), "current_model_id": model.id or 0}
    )


def as_tfx_chooses(models: list[Artifact], blessings: list[Artifact]) -> int | None:
    """The rule of TFX's LatestBlessedModelStrategy, over all artifacts there are."""
    blessed = {
        b.custom_properties["current_model_id"]
        for b in blessings
        if b.custom_properties["blessed"] == 1
    }
    return max((m.id or 0 for m in models if m.id in blessed), default=None)


@pytest.mark.parametrize("seed", range(4))
def test_latest_blessed_model_is_the_one_that_tfx_takes(
    store: MetadataStore, execute: Execute, seed: int
) -> None:
    """Fails if a pipeline compares its model with another baseline than TFX would."""
    chance = random.Random(seed)
    models: list[Artifact] = []
    blessings: list[Artifact] = []
    for number in range(14):
        run = f"r{number}"
        if not models or chance.random() < 0.6:
            model = Model(f"/m{number}")
            execute(run, "Trainer", {"model": [model]})
            models.append(model)
        # Sometimes an older model is evaluated again, also with another verdict.
        judged = models[-1] if chance.random() < 0.5 else chance.choice(models)
        verdict = blessing(judged, chance.random() < 0.4)
        execute(run, "Evaluator", {"blessing": [verdict]}, {"model": [judged]})
        blessings.append(verdict)
        if chance.random() < 0.15:
            gone = models.pop(chance.randrange(len(models)))
            store.mark_deleted([gone.id or 0])
        found = store.latest_blessed_model("taxi")
        assert (found[0].id if found else None) == as_tfx_chooses(models, blessings)
        if found:
            assert found[1].custom_properties["current_model_id"] == found[0].id
            assert found[1].custom_properties["blessed"] == 1
    every = [model.id for model, _ in store.blessed_models("taxi", limit=50)]
    assert every == sorted(every, reverse=True) and len(set(every)) == len(every)
    assert store.blessed_models("taxi", limit=2) == store.blessed_models("taxi", limit=50)[:2]
    assert store.latest_blessed_model("houses") is None
    merged = store.latest_artifacts("ModelBlessing", pipeline="taxi", limit=99)
    assert [found.id for found in merged] == sorted((b.id or 0 for b in blessings), reverse=True)


def test_artifacts_are_listed_by_type_and_pipeline(store: MetadataStore, execute: Execute) -> None:
    """Fails if `penstock artifacts list` or the garbage collection misses artifacts."""
    for number in range(120):
        made: Artifact = Model(f"/m{number}") if number % 40 == 0 else example(f"/e{number}")
        execute("r", f"n{number}", {"x": [made]})
    execute("h", "n", {"x": [Model("/house")]}, pipeline="houses")
    assert [found.artifact.uri for found in store.list_artifacts(limit=2)] == ["/house", "/e119"]
    assert len(store.list_artifacts(limit=None)) == 121
    models = [found.artifact.uri for found in store.list_artifacts("Model")]
    assert models == ["/house", "/m80", "/m40", "/m0"]
    of_taxi = store.list_artifacts("Model", pipeline="taxi", limit=2)
    assert [found.artifact.uri for found in of_taxi] == ["/m80", "/m40"]
    assert len(store.list_artifacts(pipeline="houses")) == 1
    assert store.list_artifacts("NoSuchType") == []
    store.mark_deleted([of_taxi[0].artifact.id or 0])
    assert store.list_artifacts("Model", pipeline="taxi")[0].state is ArtifactState.DELETED
    assert store.artifacts_by_uri("/m80") == []
    assert [a.uri for a in store.artifacts_by_uri("/m40")] == ["/m40"]
    assert store.artifacts_by_uri("/nowhere") == []


def test_standard_types_are_known_to_whoever_reads_a_store(
    store: MetadataStore, store_path: str, execute: Execute
) -> None:
    """Fails if a command that looks validation up again takes its inputs for another type."""
    execute("r", outputs={"statistics": [ExampleStatistics("/s")]})
    code = (
        "import sys\n"
        "from penstock.orchestration.metadata.store import MetadataStore\n"
        "with MetadataStore(sys.argv[1], create=False) as store:\n"
        "    (found,) = store.list_artifacts()\n"
        "from penstock.components.base.artifact_types import ExampleStatistics\n"
        "assert type(found.artifact) is ExampleStatistics\n"
    )
    subprocess.run([sys.executable, "-c", code, store_path], check=True)
