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
from penstock.components.analyze.evaluation_summary import metrics_table
from penstock.components.base.artifact import Artifact, ValueArtifact
from penstock.components.base.artifact_types import ModelEvaluation
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.source_location import display_path

from .settings import Settings, load_settings

_PIPELINE = "penstock.pipelines.consumer_complaints.pipeline"
_SHOWN_METRICS = ("example_count", "auc", "mean_label", "mean_prediction")


def main() -> int:
    """Runs the demo; the exit code is that of `penstock run`."""
    code = command_line(["run", _PIPELINE])
    if code == 0:
        settings = load_settings()
        with MetadataStore(str(Path(settings.root) / "metadata.sqlite")) as store:
            (run,) = store.list_runs(settings.name, limit=1)
            show_evaluation(store, run.id)
            show_answer(store, run.id, settings)
    return code


def show_evaluation(store: MetadataStore, run_id: str) -> None:
    """Prints the metrics by slice, the verdict, and where the model went."""
    evaluated = _outputs(store, run_id, "Evaluator")
    print("\nOn complaints that training has not seen:")
    evaluation = _first(evaluated, "evaluation")
    assert isinstance(evaluation, ModelEvaluation)
    print(metrics_table(evaluation, _SHOWN_METRICS))
    blessing = _first(evaluated, "blessing")
    pushed = _first(_outputs(store, run_id, "Pusher"), "pushed_model").custom_properties
    if pushed.get("pushed") == 1:
        print(f"\nblessed, and pushed to {display_path(str(pushed['pushed_destination']))}")
    else:
        print(f"\nnot pushed: {blessing.custom_properties.get('reason', 'it was not blessed')}")


def show_answer(store: MetadataStore, run_id: str, settings: Settings) -> None:
    """Prints the record that the pushed model was asked about, and its answer."""
    answers = _outputs(store, run_id, "canary")
    if not answers:
        return
    print("\nA raw record, as a client would send it to the pushed model:")
    for name, value in settings.canary.items():
        print(f"  {name:<18}{value}")
    print("what the transformation inside the model makes of it:")
    features = _value(answers, "features")
    print("  " + ", ".join(f"{name} {value}" for name, value in features.items()))
    probability = _value(answers, "probability")
    print(f"and the answer: the consumer will dispute with probability {probability:.3f}")


def _outputs(store: MetadataStore, run_id: str, node_id: str) -> Mapping[str, Sequence[Artifact]]:
    execution = store.node_execution(run_id, node_id)
    return store.outputs_of(execution.id) if execution and execution.succeeded else {}


def _first(outputs: Mapping[str, Sequence[Artifact]], name: str) -> Artifact:
    return outputs[name][0]


def _value(answers: Mapping[str, Sequence[Artifact]], name: str) -> Any:
    found = _first(answers, name)
    assert isinstance(found, ValueArtifact)
    return found.read()


if __name__ == "__main__":
    sys.exit(main())
