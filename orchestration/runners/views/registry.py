# SPDX-License-Identifier: Apache-2.0
"""Which function knows how to look at which artifact type, found by the type's name.

The modules are loaded when something of the kind is looked at, and what is heavy in them when
they work.
"""

from __future__ import annotations

from collections.abc import Callable

from ....components.base.artifact import Artifact, ValueArtifact
from ....utils.errors import DataError, PenstockError
from ....utils.module_loading import load_object
from .view import View, Wanted, Words

ArtifactView = Callable[[Artifact, Wanted], View]

_HERE = __name__.rpartition(".")[0]

_VIEWS: dict[str, str | ArtifactView] = {
    "Examples": f"{_HERE}.examples_view:examples_view",
    "ExampleStatistics": f"{_HERE}.statistics_view:statistics_view",
    "Schema": f"{_HERE}.schema_view:schema_view",
    "TransformGraph": f"{_HERE}.schema_view:transform_view",
    "ExampleAnomalies": f"{_HERE}.anomalies_view:anomalies_view",
    "ModelEvaluation": f"{_HERE}.evaluation_view:evaluation_view",
    "ModelRun": f"{_HERE}.training_view:training_view",
    "Model": f"{_HERE}.small_views:model_view",
    "PushedModel": f"{_HERE}.small_views:model_view",
    "ModelBlessing": f"{_HERE}.small_views:blessing_view",
    "InfraBlessing": f"{_HERE}.small_views:blessing_view",
    "ModelCard": f"{_HERE}.small_views:page_view",
    "FeatureInfluence": f"{_HERE}.small_views:page_view",
    "InferenceResult": f"{_HERE}.small_views:predictions_view",
    "TunerResults": f"{_HERE}.small_views:trials_view",
    "RejectedExamples": f"{_HERE}.small_views:rejected_view",
    "ExamplesDiff": f"{_HERE}.examples_diff_view:examples_diff_view",
}
_VALUE = f"{_HERE}.small_views:value_view"
_OTHER = f"{_HERE}.files_view:files_view"


def register_view(type_name: str, view: ArtifactView | str) -> None:
    """Shows artifacts of a type by a function of one's own.

    Args:
        type_name: Name of the artifact type.
        view: The function, or where it is: `package.module:function`.
    """
    _VIEWS[type_name] = view


def view_of(artifact: Artifact, wanted: Wanted | None = None) -> View:
    """The picture of an artifact.

    Where its payload cannot be read as its type says, the picture shows the files and why.

    Raises:
        DataError: Something was asked for that it has not got: a split, a feature.
    """
    wanted = wanted or Wanted()
    usual = _VALUE if isinstance(artifact, ValueArtifact) else _OTHER
    found = _VIEWS.get(artifact.TYPE_NAME, usual)
    show: ArtifactView = load_object(found) if isinstance(found, str) else found
    try:
        return show(artifact, wanted)
    except (PenstockError, OSError, ValueError, KeyError) as error:
        if isinstance(error, DataError) and (wanted.splits or wanted.features):
            raise
        if found == _OTHER:
            raise
        plain: View = load_object(_OTHER)(artifact, wanted)
        told = Words(f"It cannot be shown as {artifact.TYPE_NAME}: {error}", "warning")
        return View(plain.title, [told, *plain.blocks], plain.subtitle)
