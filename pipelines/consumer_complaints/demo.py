# SPDX-License-Identifier: Apache-2.0
"""Runs the pipeline as the command line does, and shows what the pushed model answers.

python -m penstock.pipelines.consumer_complaints.demo
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.cli import main as command_line
from penstock.components.base.artifact import Artifact, ValueArtifact
from penstock.orchestration.metadata.store import MetadataStore

from .settings import Settings, load_settings

_PIPELINE = "penstock.pipelines.consumer_complaints.pipeline"


def main() -> int:
    """Runs the demo; the exit code is that of `penstock run`."""
    code = command_line(["run", _PIPELINE])
    if code == 0:
        show_answer(load_settings())
    return code


def show_answer(settings: Settings) -> None:
    """Prints the record that the pushed model was asked about, and its answer."""
    store = MetadataStore(str(Path(settings.root) / "metadata.sqlite"))
    try:
        (run,) = store.list_runs(settings.name, limit=1)
        execution = store.node_execution(run.id, "canary")
        answers = store.outputs_of(execution.id) if execution else {}
    finally:
        store.close()
    if not answers:
        print("\nThe model was not pushed, so it was not asked. Why: penstock runs show", run.id)
        return
    probability, features = (_value(answers, name) for name in ("probability", "features"))
    print("\nA raw record, as a client would send it to the pushed model:")
    for name, value in settings.canary.items():
        print(f"  {name:<18}{value}")
    print("what the transformation inside the model makes of it:")
    print("  " + ", ".join(f"{name} {value}" for name, value in features.items()))
    print(f"and the answer: the consumer will dispute with probability {probability:.3f}")


def _value(answers: Mapping[str, Sequence[Artifact]], name: str) -> Any:
    (found,) = answers[name]
    assert isinstance(found, ValueArtifact)
    return found.read()


if __name__ == "__main__":
    sys.exit(main())
