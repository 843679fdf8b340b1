# SPDX-License-Identifier: Apache-2.0
"""Runs the pipeline as the command line does, and shows what it found out.

python -m penstock.pipelines.complaint_routing.demo
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.cli import main as command_line
from penstock.components.base.artifact import Artifact, ValueArtifact
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.source_location import display_path

from .settings import Settings, load_settings

_PIPELINE = "penstock.pipelines.complaint_routing.pipeline"


def main() -> int:
    """Runs the demo; the exit code is that of `penstock run`."""
    code = command_line(["run", _PIPELINE])
    if code == 0:
        settings = load_settings()
        with MetadataStore(str(Path(settings.root) / "metadata.sqlite")) as store:
            (run,) = store.list_runs(settings.name, limit=1)
            show_choice(store, run.id)
            show_answer(store, run.id, settings)
    return code


def show_choice(store: MetadataStore, run_id: str) -> None:
    """Prints what both models were measured at, and which was pushed where."""
    found = _outputs(store, run_id, "choose")
    print("\nOn complaints that neither model has seen:")
    print("            accuracy  macro-F1")
    for name in ("network", "baseline"):
        accuracy, macro_f1 = (_value(found, f"{name}_{key}") for key in ("accuracy", "macro_f1"))
        print(f"  {name:<9} {accuracy:8.3f}  {macro_f1:8.3f}")
    pushed = _outputs(store, run_id, "Pusher")["pushed_model"][0].custom_properties
    if pushed.get("pushed") == 1:
        place = display_path(str(pushed["pushed_destination"]))
        print(f"\nthe {_value(found, 'chosen')} was pushed to {place}")
    else:
        print(f"\nnot pushed: {found['blessing'][0].custom_properties.get('reason')}")


def show_answer(store: MetadataStore, run_id: str, settings: Settings) -> None:
    """Prints the complaint that the pushed model was asked about, and its answer."""
    answers = _outputs(store, run_id, "canary")
    if not answers:
        return
    print(f"\nA complaint, as a client would send it:\n  {settings.canary.strip()}")
    probable = sorted(_value(answers, "probabilities").items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{name} {share:.2f}" for name, share in probable[:3])
    print(f"the answer: {_value(answers, 'product')} ({told})")


def _outputs(store: MetadataStore, run_id: str, node_id: str) -> Mapping[str, Sequence[Artifact]]:
    execution = store.node_execution(run_id, node_id)
    return store.outputs_of(execution.id) if execution and execution.succeeded else {}


def _value(found: Mapping[str, Sequence[Artifact]], name: str) -> Any:
    artifact = found[name][0]
    assert isinstance(artifact, ValueArtifact)
    return artifact.read()


if __name__ == "__main__":
    sys.exit(main())
