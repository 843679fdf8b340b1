# SPDX-License-Identifier: Apache-2.0
"""The consumer complaints pipeline, run by one runner after the other and compared."""

from __future__ import annotations

from pathlib import Path

from penstock import MetadataStore, Pipeline
from penstock.orchestration.metadata.records import RunState
from penstock.pipelines.consumer_complaints.pipeline import create_pipeline
from penstock.pipelines.consumer_complaints.settings import load_settings
from support.soundness import digests, remains

#: Nodes that train, or whose results depend on what was trained.
TRAINED = {"Trainer", "LastBlessed", "Evaluator", "Pusher", "canary"}


def complaints(folder: Path) -> Pipeline:
    """The pipeline with one epoch of training, below a folder of its own."""
    settings = load_settings()
    changes = {
        "root": str(folder / "root"),
        "serving": str(folder / "serving"),
        "training": settings.training.model_copy(update={"epochs": 1}),
        "evaluation": settings.evaluation.model_copy(update={"min_auc": 0.0}),
    }
    return create_pipeline(settings.model_copy(update=changes))


def untrained(root: Path, run_id: str) -> dict[str, str]:
    """Content digests of what does not depend on training."""
    found = digests(root, run_id)
    return {name: digest for name, digest in found.items() if name.split(".")[0] not in TRAINED}


def check(folder: Path, locally: dict[str, str]) -> None:
    """Asserts that the run below a folder ended well, and made what the local runner makes."""
    with MetadataStore(str(folder / "root" / "metadata.sqlite")) as store:
        (run,) = store.list_runs()
    assert (run.state, run.error) == (RunState.COMPLETE, "")
    assert len(locally) > 6
    assert untrained(folder / "root", run.id) == locally
    assert remains(folder / "root") == []
    assert any((folder / "serving").iterdir())
