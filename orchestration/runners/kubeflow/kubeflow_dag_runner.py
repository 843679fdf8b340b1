# SPDX-License-Identifier: Apache-2.0
"""The Kubeflow runner: writes pipelines that Kubeflow Pipelines runs, and sends them there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ....components.base.container_executor import ENGINE_VARIABLE
from ....utils import storage
from ....utils.errors import MetadataError, ParameterError, PenstockError, nearest
from ....utils.plain_yaml import read_yaml
from ...ir import NodeIR, PipelineIR
from ...launch.evaluation import runtime_values
from ...metadata.connection_settings import Backend, MetadataConfig
from ...pipeline import Pipeline
from .ir_transport import SentIR, Transport, send
from .kfp_names import exit_nodes, parameter_keys
from .kfp_pipeline import TaskSettings, kfp_pipeline
from .pod_settings import PodSettings

#: The parameter that only container components have.
_CONTAINER_IMAGE = "container.image"


class KubeflowDagRunner:
    """Deploys pipelines to Kubeflow Pipelines, version 2.

    Args:
        image: The image of the nodes' containers; `penstock image build` makes one.
        metadata: The metadata store as the containers reach it; by default the pipeline's.
        root: Replaces the pipeline's root: a URL, or a folder on a volume of the pods.
        cache: Replaces every node's cache policy.
        pod: Settings of all pods.
        nodes: Settings of single nodes' pods, by id; they go before those of `pod`.
        ir: How the compiled pipeline gets into the containers; see `ir_transport`.
        ir_folder: Where it is uploaded to; by default `.ir` below the root.
        retries_by: Who tries a failed node again, as often as its policy says. `kubeflow`
            starts a new pod, which helps where the pod was the trouble; `penstock` tries
            again at once in the same one.
        host: Address of the Kubeflow Pipelines API; by default, what the KFP client finds.
        namespace: Namespace of the user in Kubeflow, where it has several.
        client: A `kfp.Client` to use instead, where logging in takes more than an address.
    """

    def __init__(
        self,
        *,
        image: str,
        metadata: str = "",
        root: str | None = None,
        cache: Literal["on", "off", "read_only"] | None = None,
        pod: PodSettings | None = None,
        nodes: Mapping[str, PodSettings] | None = None,
        ir: Transport = "auto",
        ir_folder: str = "",
        retries_by: Literal["kubeflow", "penstock"] = "kubeflow",
        host: str | None = None,
        namespace: str | None = None,
        client: Any = None,
    ) -> None:
        self.image = image
        self.metadata = metadata
        self.root = root
        self.cache = cache
        self.pod = pod or PodSettings()
        self.nodes = dict(nodes or {})
        self.ir = ir
        self.ir_folder = ir_folder
        self.retries_by = retries_by
        self.host = host
        self.namespace = namespace
        self.client = client

    @classmethod
    def from_file(cls, path: str) -> KubeflowDagRunner:
        """A runner whose arguments stand in a YAML file, under the same names.

        Raises:
            StorageError: The file cannot be read.
            ParameterError: It holds something else.
        """
        try:
            given = _Settings.model_validate(read_yaml(storage.read_text(path), source=path))
        except ValidationError as error:
            # A key that nobody knows explains one that is missing.
            found = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")[0]
            place = ".".join(str(part) for part in found["loc"])
            unknown = found["type"] == "extra_forbidden" and len(found["loc"]) == 1
            absent = found["type"] == "missing"
            known = list(_Settings.model_fields)
            raise ParameterError(
                "the settings for Kubeflow cannot be read"
                + (f": there is no {place!r}" if unknown else "")
                + (f": {place!r} is missing" if absent else ""),
                expected="the arguments of KubeflowDagRunner: " + ", ".join(known),
                got=None
                if unknown or absent
                else f"{place}: {found['msg']}, got {found['input']!r}",
                suggestion=nearest(place, known) if unknown else None,
                location=path,
            ) from None
        return cls(**{name: getattr(given, name) for name in given.model_fields_set})

    def compile(self, pipeline: Pipeline | PipelineIR, path: str, *, upload: bool = False) -> str:
        """Writes the pipeline as YAML that Kubeflow Pipelines takes.

        Args:
            pipeline: The pipeline, or its IR.
            path: The file to write; its name ends in `.yaml`.
            upload: Writes the compiled pipeline, too, where containers look for it, if it
                is too large to be in the YAML.

        Returns:
            `path`.

        Raises:
            PenstockError: The pipeline does not compile, or cannot run on Kubeflow as it is
                set up.
        """
        self._write(_compiled(pipeline), self._metadata(pipeline), path, upload=upload)
        return path

    def submit(
        self,
        pipeline: Pipeline | PipelineIR,
        *,
        parameters: Mapping[str, Any] | None = None,
        experiment: str | None = None,
        run_name: str | None = None,
        service_account: str | None = None,
    ) -> str:
        """Starts a run of the pipeline on Kubeflow, and does not wait for it.

        Args:
            pipeline: The pipeline, or its IR.
            parameters: Values of runtime parameters.
            experiment: The experiment that the run belongs to.
            run_name: What the run is called.
            service_account: The Kubernetes account of its pods.

        Returns:
            The id of the run, in Kubeflow and in the metadata store.

        Raises:
            ParameterError: A runtime parameter is unknown, missing or of another type.
            PenstockError: The pipeline does not compile, or Kubeflow does not take it.
        """
        ir = _compiled(pipeline)
        keys = parameter_keys(ir)
        values = {keys[name]: value for name, value in runtime_values(ir, parameters or {}).items()}
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            path = os.path.join(folder, f"{ir.name}.yaml")
            self._write(ir, self._metadata(pipeline), path, upload=True)
            try:
                started = self._client().create_run_from_pipeline_package(
                    path,
                    arguments=values,
                    run_name=run_name,
                    experiment_name=experiment,
                    namespace=self.namespace,
                    enable_caching=False,
                    service_account=service_account,
                )
            except PenstockError:
                raise
            except Exception as error:
                # The client raises whatever its HTTP library, Kubernetes or the API does.
                raise ParameterError(
                    f"Kubeflow did not take pipeline {ir.name!r}",
                    expected="a Kubeflow Pipelines API at " + (self.host or "its usual place"),
                    got=f"{type(error).__name__}: {str(error).strip()[:500]}",
                    fix="check host= and namespace=; kubectl port-forward -n kubeflow "
                    "svc/ml-pipeline-ui 8080:80 makes it host='http://localhost:8080'",
                ) from error
        return str(started.run_id)

    def _client(self) -> Any:
        if self.client is None:
            from kfp import Client

            self.client = Client(host=self.host, namespace=self.namespace or "kubeflow")
        return self.client

    def _metadata(self, pipeline: Pipeline | PipelineIR) -> str:
        return self.metadata or str(getattr(pipeline, "metadata", "") or "")

    def _write(self, ir: PipelineIR, metadata: str, path: str, *, upload: bool) -> None:
        self._check(ir, metadata)
        deployed = ir.without_retries() if self.retries_by == "kubeflow" else ir
        containers = len(ir.nodes) - len(exit_nodes(ir)) + 1
        sent = send(deployed, self.ir, self.ir_folder or self._folder(ir), containers)
        settings = TaskSettings(
            self._arguments(sent, metadata),
            self.image,
            self.pod,
            self.nodes,
            retried=self.retries_by == "kubeflow",
        )
        _write_yaml(ir, settings, path)
        if upload:
            sent.upload()

    def _arguments(self, sent: SentIR, metadata: str) -> list[str]:
        # The command line writes read-only with a hyphen.
        cache = self.cache and self.cache.replace("_", "-")
        given = {"--metadata": metadata, "--root": self.root, "--cache": cache}
        words = [word for name, text in given.items() if text for word in (name, text)]
        return [*words, *sent.arguments]

    def _folder(self, ir: PipelineIR) -> str:
        root = self.root or ir.root
        return storage.join(root, ".ir") if root and isinstance(root, str) else ""

    def _check(self, ir: PipelineIR, metadata: str) -> None:
        ids = [node.id for node in ir.nodes]
        for node_id in self.nodes:
            if node_id not in ids:
                raise ParameterError(
                    f"there are pod settings for {node_id!r}, which pipeline {ir.name!r} has not",
                    expected=", ".join(ids),
                    suggestion=nearest(node_id, ids),
                )
        for node in ir.nodes:
            self._check_container(node)
            if node.policy.resources.workers > 1:
                self._check_shared_root(ir, node)
        self._check_metadata(metadata)
        root = self.root or ir.root
        if not isinstance(root, str):
            return  # known only when a run starts
        if storage.is_local(root) and not self.pod.mounts(storage.local_path(root or ".")):
            raise ParameterError(
                "the pipeline's root is a folder that pods do not share",
                expected="a URL, or an absolute path below the mount_path of a volume",
                got=root or "no root, which means the folder a process is started in",
                fix="root='s3://bucket/folder', or pod=PodSettings(volumes=[ClaimVolume(…)])",
            )

    def _check_container(self, node: NodeIR) -> None:
        pod = self.nodes.get(node.id, PodSettings()).over(self.pod)
        if _CONTAINER_IMAGE in node.parameters and ENGINE_VARIABLE not in pod.env:
            raise ParameterError(
                f"{node.id} is a container component, and pods have no container engine",
                node=node.id,
                expected="a function component, whose pod may have the image that it needs",
                got=f"image {node.parameters[_CONTAINER_IMAGE]}",
                location=node.location or None,
                fix=f"nodes={{'{node.id}': PodSettings(image='…')}} with a function component; or, "
                f"where the pods' image has an engine, name it: env={{'{ENGINE_VARIABLE}': …}}",
            )

    def _check_shared_root(self, ir: PipelineIR, node: NodeIR) -> None:
        root = self.root or ir.root
        if not isinstance(root, str) or storage.is_local(root):
            return
        raise ParameterError(
            f"the {node.policy.resources.workers} workers of {node.id} have to share a file system",
            node=node.id,
            expected="a root on a volume that several pods can write: ReadWriteMany",
            got=root,
            location=node.location or None,
            fix="root='/mnt/…' below the mount_path of a volume in pod=PodSettings(volumes=…)",
        )

    def _check_metadata(self, metadata: str) -> None:
        if not metadata:
            raise MetadataError(
                "there is no metadata store that all pods reach",
                expected="a server: grpc://…, mysql://… or postgresql://…",
                got="none is set",
                fix="metadata='grpc://metadata-store.kubeflow:8080'; see docs/kubeflow.md",
            )
        config = MetadataConfig.parse(metadata)
        if config.backend is Backend.SQLITE and not self.pod.mounts(config.path):
            raise MetadataError(
                "the metadata store is a file that pods do not share",
                expected="a server: grpc://…, mysql://… or postgresql://…",
                got=metadata,
                fix="metadata='grpc://metadata-store.kubeflow:8080'; see docs/kubeflow.md",
            )


class _Settings(BaseModel):
    """What a file may set: see `KubeflowDagRunner`."""

    model_config = ConfigDict(extra="forbid")

    image: str
    metadata: str = ""
    root: str | None = None
    cache: Literal["on", "off", "read_only"] | None = None
    pod: PodSettings = PodSettings()
    nodes: dict[str, PodSettings] = {}
    ir: Transport = "auto"
    ir_folder: str = ""
    retries_by: Literal["kubeflow", "penstock"] = "kubeflow"
    host: str | None = None
    namespace: str | None = None


def _compiled(pipeline: Pipeline | PipelineIR) -> PipelineIR:
    return pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline


def _write_yaml(ir: PipelineIR, settings: TaskSettings, path: str) -> None:
    from kfp import compiler

    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    compiler.Compiler().compile(kfp_pipeline(ir, settings), path)
