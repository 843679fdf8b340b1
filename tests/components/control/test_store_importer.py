# SPDX-License-Identifier: Apache-2.0
"""Pipelines that go on from what TFX made: in its own store, and imported into another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.tfx_store import PIPELINE, RUNS, write_tfx_store

import penstock as ps
from penstock.utils.errors import PenstockError


@ps.component
def look(
    model: ps.Input[ps.Model], schema: ps.Input[ps.Schema], seen: ps.Output[ps.String]
) -> None:
    """Reads what it is given."""
    text = Path(model.path("Format-Serving", "saved_model.pb")).read_text()
    seen.value = f"{text}; {'body_mass_g' in Path(schema.path('schema.pbtxt')).read_text()}"


def _values(store: ps.MetadataStore, run_id: str) -> dict[str, str]:
    """States of a run's nodes."""
    return {each.node_id: each.state.value for each in store.run_executions(run_id)}


def _run(pipeline: ps.Pipeline, run_id: str) -> dict[str, str]:
    result = ps.LocalRunner().run(pipeline, run_id=run_id)
    assert result.succeeded, result
    with ps.MetadataStore(str(pipeline.metadata), create=False) as store:
        return _values(store, run_id)


def _seen(root: Path) -> list[str]:
    return [path.read_text() for path in sorted((root / "look" / "seen").glob("*/value"))]


def _imported(folder: Path, tfx: Path, *, node: str = "look", **wanted: object) -> ps.Pipeline:
    chosen = {"pipeline": PIPELINE, "blessed": True, **wanted}
    model = ps.StoreImporter(tfx, ps.Model, **chosen).with_id("baseline")  # type: ignore[arg-type]
    schema = ps.StoreImporter(tfx, ps.Schema, node_id="SchemaGen").with_id("schema")
    watched = look(model=model.outputs["result"], schema=schema.outputs["result"]).with_id(node)
    return ps.Pipeline(
        "own",
        root=str(folder / "own"),
        components=[model, schema, watched],
        metadata=str(folder / "own.sqlite"),
    )


def test_artifacts_of_another_store_are_imported(tmp_path: Path) -> None:
    """A pipeline cannot start from TFX's blessed model and schema, or imports them each run."""
    tfx = write_tfx_store(tmp_path)
    before = tfx.read_bytes()
    assert _run(_imported(tmp_path, tfx), "one")["look"] == "complete"
    assert _run(_imported(tmp_path, tfx), "two")["look"] == "cached"
    assert _seen(tmp_path / "own") == ["model 29; True"]
    assert tfx.read_bytes() == before, "the other store was written"
    with ps.MetadataStore(str(tmp_path / "own.sqlite"), create=False) as store:
        (model,) = store.latest_artifacts("Model", limit=9)
        assert model.uri == str(tmp_path / "pipelines/Trainer/model/29")
        assert model.custom_properties["imported_artifact"] == 40


def test_a_changed_payload_is_imported_anew(tmp_path: Path) -> None:
    """Somebody edits the schema that TFX made, and the pipeline does not notice."""
    tfx = write_tfx_store(tmp_path)
    _run(_imported(tmp_path, tfx), "one")
    (tmp_path / "pipelines/SchemaGen/schema/6/schema.pbtxt").write_text("")
    assert _run(_imported(tmp_path, tfx), "two")["look"] == "complete"
    assert _seen(tmp_path / "own")[-1] == "model 29; False"


def test_nothing_to_import_is_told(tmp_path: Path) -> None:
    """An importer that finds nothing fails without saying what there is."""
    tfx = write_tfx_store(tmp_path)
    result = ps.LocalRunner().run(_imported(tmp_path, tfx, pipeline="taxi"))
    assert not result.succeeded
    told = str(result.outcomes["baseline"].error)
    assert "a live Model of pipeline taxi that was blessed" in told
    assert f"{PIPELINE}: Model" in told
    result = ps.LocalRunner().run(_imported(tmp_path, tfx, pipeline="taxi", required=False))
    assert result.outcomes["baseline"].error is None


def test_a_blessing_is_of_a_model_of_a_pipeline() -> None:
    """`blessed=True` is taken for a schema, and ignored."""
    with pytest.raises(PenstockError, match="blessings are of the models of a pipeline"):
        ps.StoreImporter("m.db", ps.Schema, pipeline="p", blessed=True)
    with pytest.raises(PenstockError, match="needs an artifact type"):
        ps.StoreImporter("m.db", "Schema")  # type: ignore[arg-type]


def _in_place(folder: Path, tfx: Path) -> ps.Pipeline:
    baseline = ps.Resolver(
        ps.LatestBlessedModelStrategy,
        model=ps.Channel(ps.Model),
        model_blessing=ps.Channel(ps.ModelBlessing),
    ).with_id("baseline")
    schema = ps.Resolver(ps.LatestArtifactStrategy, schema=ps.Channel(ps.Schema)).with_id("schema")
    watched = look(model=baseline.outputs["model"], schema=schema.outputs["schema"])
    return ps.Pipeline(
        PIPELINE,
        root=str(folder / "own"),
        components=[baseline, schema, watched],
        metadata=str(tfx),
    )


def test_a_pipeline_goes_on_in_the_store_of_tfx(tmp_path: Path) -> None:
    """In TFX's own store resolvers find nothing, or what TFX made has no digest to cache by."""
    tfx = write_tfx_store(tmp_path)
    assert _run(_in_place(tmp_path, tfx), "one")["look"] == "complete"
    assert _run(_in_place(tmp_path, tfx), "two")["look"] == "cached"
    assert _seen(tmp_path / "own") == ["model 29; True"]
    with ps.MetadataStore(str(tfx), create=False) as store:
        assert [run.id for run in store.list_runs()] == ["two", "one", *RUNS]


def test_a_payload_of_tfx_that_is_gone_is_told(tmp_path: Path) -> None:
    """The store tells of a model whose folder was deleted, and the node fails unexplained."""
    tfx = write_tfx_store(tmp_path)
    shutil.rmtree(tmp_path / "pipelines/Trainer/model/29")
    result = ps.LocalRunner().run(_in_place(tmp_path, tfx))
    assert "what input 'model' should hold is gone" in str(result.outcomes["look"].error)


def test_a_root_of_tfx_is_not_written_with_another_store(tmp_path: Path) -> None:
    """A ported pipeline with a new store writes over what TFX made, whose ids begin at 1 too."""
    tfx = write_tfx_store(tmp_path)
    pipeline = _imported(tmp_path, tfx, node="Trainer")
    payload = tmp_path / "pipelines/Trainer/model/9/Format-Serving/saved_model.pb"
    with pytest.raises(PenstockError, match="holds artifacts that the metadata store does not"):
        ps.LocalRunner().run(pipeline, root=str(tmp_path / "pipelines"))
    assert payload.read_text() == "model 9"
    # With its own store it is gone on with: ids of executions go on too.
    in_place = _in_place(tmp_path, tfx)
    result = ps.LocalRunner().run(in_place, root=str(tmp_path / "pipelines"))
    assert result.succeeded
