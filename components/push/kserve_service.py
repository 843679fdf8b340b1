# SPDX-License-Identifier: Apache-2.0
"""A KServe `InferenceService` for a pushed model: its manifest, and how it gets to a cluster.

Fields are those of `serving.kserve.io/v1beta1`
(https://kserve.github.io/website/docs/reference/crd-api).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...utils import storage
from ...utils.errors import ExecutionError, ParameterError
from ...utils.names import safe_name
from .push_destination import KServe

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"

#: Which of KServe's model formats its own runtimes load our models as, by a file's name.
_FORMATS: Mapping[str, str] = {
    "saved_model.pb": "tensorflow",
    "model.json": "xgboost",
    "model.ubj": "xgboost",
}

#: Where KServe's storage initializer can download from.
_SCHEMES = ("gs://", "s3://", "hdfs://", "webhdfs://", "pvc://", "http://", "https://", "hf://",
            "oci://")  # fmt: skip

#: TensorFlow Serving, which runs that format, wants the versions' folder, not a version.
_TENSORFLOW = "tensorflow"
#: Below a base: folders that hold one version each, for servers that load whole folders.
SINGLE = ".single"


@dataclass(frozen=True)
class Pushed:
    """The model that a service is to serve.

    Attributes:
        name: Registered name.
        version: Semantic version.
        number: Number of the pushed folder; empty where nothing was copied.
        digest: Content digest of the model.
        place: Where its files are: a folder or URL.
        base: The folder or URL above it, in which versions are; empty where there is none.
        run_id: Run that pushed it.
    """

    name: str
    version: str
    number: str
    digest: str
    place: str
    base: str
    run_id: str


def service_name(settings: KServe, model: str) -> str:
    """The name of the service: the one set, else one that looks like the model's."""
    if settings.name:
        return settings.name
    cleaned = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:63].strip("-")
    return cleaned if cleaned and cleaned[0].isalpha() else f"model-{cleaned}"[:63].strip("-")


def model_format(settings: KServe, place: str, node: str) -> str:
    """The name of KServe's format for a model's files.

    Raises:
        ParameterError: None of KServe's runtimes loads such files.
    """
    if settings.model_format:
        return settings.model_format
    names = [file.path for file in storage.list_files(place, recursive=False)]
    for name, found in _FORMATS.items():
        if name in names:
            return found
    raise ParameterError(
        "no runtime of KServe loads this model",
        node=node,
        expected=f"one of the files {', '.join(_FORMATS)}, or model_format and runtime",
        got=", ".join(names[:8]) or "no files",
        fix="name a ServingRuntime of your cluster that does: "
        "KServe(model_format='…', runtime='…')",
    )


def storage_uri(settings: KServe, pushed: Pushed, kind: str, node: str) -> str:
    """Where the cluster loads the model from.

    For TensorFlow Serving that is a folder of versions with this one alone, which is made
    where none is set.

    Raises:
        ParameterError: KServe cannot load from there.
        StorageError: The folder cannot be made.
    """
    if settings.storage_uri:
        uri = settings.storage_uri.replace("{number}", pushed.number)
        uri = uri.replace("{version}", pushed.version).replace("{name}", pushed.name)
    else:
        uri = pushed.place
    if not uri.startswith(_SCHEMES):
        raise ParameterError(
            "KServe cannot load a model from there",
            node=node,
            expected="a URL that begins with " + ", ".join(_SCHEMES),
            got=uri,
            fix="push to a bucket (push_destination.filesystem.base_directory), or say how the "
            "cluster reaches that folder: KServe(storage_uri='pvc://claim/models/{number}')",
        )
    if kind == _TENSORFLOW and not settings.storage_uri and pushed.base and pushed.number:
        alone = storage.join(pushed.base, SINGLE, pushed.number)
        storage.copy_tree(pushed.place, storage.join(alone, pushed.number))
        return alone
    return uri


def manifest(settings: KServe, pushed: Pushed, kind: str, uri: str) -> dict[str, Any]:
    """The InferenceService, as plain data."""
    model: dict[str, Any] = {"modelFormat": {"name": kind}, "storageUri": uri}
    optional = {
        "protocolVersion": settings.protocol,
        "runtime": settings.runtime,
        "resources": settings.resources or None,
    }
    model.update({key: value for key, value in optional.items() if value is not None})
    predictor: dict[str, Any] = {"model": model}
    scaling = {
        "minReplicas": settings.min_replicas,
        "maxReplicas": settings.max_replicas,
        "serviceAccountName": settings.service_account,
    }
    predictor.update({key: value for key, value in scaling.items() if value is not None})
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": service_name(settings, pushed.name),
            "namespace": settings.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "penstock",
                # A label ends with a letter or digit, too.
                "penstock.dev/model": safe_name(pushed.name, max_length=63).rstrip("_.-"),
                "penstock.dev/version": pushed.version,
            },
            "annotations": {
                **settings.annotations,
                "penstock.dev/number": pushed.number,
                "penstock.dev/digest": pushed.digest,
                "penstock.dev/run": pushed.run_id,
            },
        },
        "spec": {"predictor": predictor},
    }


def apply(settings: KServe, service: Mapping[str, Any], node: str) -> str:
    """Creates the service, or changes the one there is; answers which: `created`, `changed`.

    Raises:
        ExecutionError: The cluster cannot be reached, or refuses it.
    """
    try:
        from kubernetes import client, config
        from urllib3.exceptions import HTTPError
    except ImportError as error:
        raise ExecutionError(
            "the Kubernetes client is not installed",
            node=node,
            got=str(error),
            fix="pip install kubernetes, or let it write the manifest only: apply=False",
        ) from None
    try:
        _configure(config, settings.context)
        api = client.CustomObjectsApi()
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        where = (GROUP, VERSION, namespace, PLURAL)
        try:
            api.get_namespaced_custom_object(*where, name)
        except client.ApiException as error:
            if error.status != 404:
                raise
            api.create_namespaced_custom_object(*where, dict(service), field_manager="penstock")
            return "created"
        api.patch_namespaced_custom_object(*where, name, dict(service), field_manager="penstock")
        return "changed"
    except client.ApiException as error:
        raise ExecutionError(
            f"the cluster refused the InferenceService: {error.status} {error.reason}",
            node=node,
            got=str(error.body or "")[:300],
            fix="see that KServe is installed, and that you may write inferenceservices in "
            f"namespace {settings.namespace}: kubectl auth can-i patch inferenceservices",
        ) from error
    except (config.ConfigException, HTTPError, OSError) as error:
        raise ExecutionError(
            "the Kubernetes cluster cannot be reached",
            node=node,
            got=str(error)[:300],
            fix="check with: kubectl cluster-info",
        ) from error


def _configure(config: Any, context: str | None) -> None:
    """Takes the configuration of this machine, or of the pod that this runs in."""
    try:
        config.load_kube_config(context=context)
    except config.ConfigException:
        if context is not None:
            raise
        config.load_incluster_config()
