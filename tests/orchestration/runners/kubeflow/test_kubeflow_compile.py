# SPDX-License-Identifier: Apache-2.0
"""What is compiled for Kubeflow, and what is refused."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import pipelines
from support.golden import check_golden

from penstock import Pipeline, RuntimeParameter
from penstock.components.base.node import Resources
from penstock.orchestration.ir import read_ir
from penstock.orchestration.runners.kubeflow import ir_transport
from penstock.orchestration.runners.kubeflow.ir_transport import receive
from penstock.orchestration.runners.kubeflow.kfp_names import kfp_artifacts, parameter_keys
from penstock.orchestration.runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner
from penstock.orchestration.runners.kubeflow.pod_settings import (
    ClaimVolume,
    EmptyDir,
    KeysAsEnv,
    KeysAsVolume,
    PodSettings,
    Toleration,
)
from penstock.utils.errors import GraphError, IRError, MetadataError, ParameterError

pytestmark = pytest.mark.kubeflow

kfp = pytest.importorskip("kfp")

HERE = Path(__file__).parent
STORE = "postgresql://penstock@metadata:5432/metadata"
ROOT = "s3://bucket/penstock"

EVERYTHING = PodSettings(
    env={"LANG": "C.UTF-8"},
    field_env={"POD_NAME": "metadata.name"},
    secret_env=[KeysAsEnv(name="metadata", keys={"password": "PENSTOCK_METADATA_PASSWORD"})],
    config_map_env=[KeysAsEnv(name="proxies", keys={"http": "HTTP_PROXY"})],
    volumes=[ClaimVolume(claim="data", mount_path="/data")],
    secret_volumes=[KeysAsVolume(name="s3", mount_path="/secrets/s3", optional=True)],
    config_map_volumes=[KeysAsVolume(name="settings", mount_path="/settings")],
    empty_dirs=[EmptyDir(name="shm", mount_path="/dev/shm", medium="Memory", size_limit="2Gi")],
    node_selector={"pool": "cpu"},
    tolerations=[Toleration(key="pool", operator="Equal", value="cpu", effect="NoSchedule")],
    labels={"team": "forecasts"},
    annotations={"note": "made by Penstock"},
    image_pull_policy="IfNotPresent",
    image_pull_secrets=["registry"],
)


def compiled(runner: KubeflowDagRunner, pipeline: Any, folder: Path) -> tuple[Any, Any]:
    """The pipeline and the platform part of what a runner writes."""
    text = Path(runner.compile(pipeline, str(folder / "pipeline.yaml"))).read_text("utf-8")
    spec, *platform = list(yaml.safe_load_all(text))
    return spec, platform[0]["platforms"]["kubernetes"] if platform else None


def argument(spec: Any, task: str, name: str) -> str:
    """One argument of a task's container."""
    words = spec["deploymentSpec"]["executors"][f"exec-{task}"]["container"]["args"]
    return str(words[words.index(name) + 1])


def everything(root: str) -> Pipeline:
    """Parameters of all types, resources, retries, a condition and a node at the end."""
    first = pipelines.start(word=RuntimeParameter("word", str, description="What is said."))
    said = pipelines.repeat(
        text=first.outputs["text"],
        times=RuntimeParameter("times", int, 2),
        loud=RuntimeParameter("loud", bool, False),
        share=RuntimeParameter("share", float, 0.5),
    ).with_policy(retries=3, retry_delay_s=20, resources=Resources(cpu=4, memory_gb=1.5, gpu=2))
    last = pipelines.tell_end(failed="", first=first.outputs["text"], shaky=said.outputs["out"])
    return Pipeline("Every_thing", root, [first, said], description="A test.", on_exit=last)


def test_golden_pipeline(tmp_path: Path) -> None:
    """If it fails, what Kubeflow is given has changed: read the difference."""
    if not kfp.__version__.startswith("2.13."):
        pytest.skip("other versions of the SDK write other words for the same")
    special = PodSettings(gpu_type="amd.com/gpu", node_selector={"pool": "gpu"})
    runner = KubeflowDagRunner(
        image="project:1", metadata=STORE, pod=EVERYTHING, nodes={"repeat": special}
    )
    path = runner.compile(everything(ROOT), str(tmp_path / "everything.yaml"))
    text = re.sub(r"(--ir-data\n +- ).*", r"\1<the compiled pipeline>", Path(path).read_text())
    check_golden(HERE / "golden" / "everything.yaml", text)


@pytest.mark.parametrize(
    "build",
    [pipelines.diamond, pipelines.conditional, pipelines.nested, pipelines.fan_out],
    ids=lambda build: build.__name__,
)
def test_sdk_reads_what_it_wrote(build: Callable[[Any], Pipeline], tmp_path: Path) -> None:
    """If it fails, Kubeflow refuses the file; or nodes are lost, or joined otherwise."""
    from kfp import components

    pipeline = build(ROOT)
    ir = pipeline.compile()
    path = KubeflowDagRunner(image="i:1", metadata=STORE).compile(
        pipeline, str(tmp_path / "p.yaml")
    )
    loaded = components.load_component_from_text(Path(path).read_text())
    tasks = loaded.pipeline_spec.components["comp-exit-handler-1"].dag.tasks
    joined = {
        task.task_info.name: sorted(tasks[name].task_info.name for name in task.dependent_tasks)
        for task in tasks.values()
    }
    assert joined == {node.id: sorted(node.predecessors()) for node in ir.nodes}
    assert not any(task.caching_options.enable_cache for task in tasks.values())
    assert not any(task.trigger_policy.condition for task in tasks.values())


def test_ids_that_kubeflow_would_write_alike(tmp_path: Path) -> None:
    """If it fails, of two nodes with similar ids one runs twice, the other never."""
    ids = ["a.b", "a-b", "A_B", "a--b"]
    nodes = [pipelines.start(word="w").with_id(each) for each in ids]
    spec, _ = compiled(
        KubeflowDagRunner(image="i:1", metadata=STORE), Pipeline("p", ROOT, nodes), tmp_path
    )
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    executors = spec["deploymentSpec"]["executors"]
    ran = {}
    for task in tasks.values():
        label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
        words = executors[label]["container"]["args"]
        ran[task["taskInfo"]["name"]] = words[words.index("--node") + 1]
    assert ran == {each: each for each in ids}


def test_parameters_of_the_pipeline(tmp_path: Path) -> None:
    """If it fails, the form for a run asks for other values than the pipeline has."""
    runner = KubeflowDagRunner(image="i:1", metadata=STORE)
    spec, _ = compiled(runner, everything(ROOT), tmp_path)
    found = spec["root"]["inputDefinitions"]["parameters"]
    kinds = {
        name: (each["parameterType"], each.get("defaultValue")) for name, each in found.items()
    }
    assert kinds == {
        "word": ("STRING", None),
        "times": ("NUMBER_INTEGER", 2),
        "loud": ("BOOLEAN", False),
        "share": ("NUMBER_DOUBLE", 0.5),
    }
    assert not found["word"].get("isOptional")


def test_names_that_kubeflow_cannot_have(tmp_path: Path) -> None:
    """If it fails, parameters or outputs with unusual or equal names get lost."""
    first = pipelines.start(word=RuntimeParameter("penstock_run_id", str, "x"))
    ir = Pipeline("p", ROOT, [first]).compile()
    assert parameter_keys(ir) == {"penstock_run_id": "penstock_run_id_2"}
    node = ir.node("start")
    keys = [found.key for found in kfp_artifacts([node, node.model_copy(update={"id": "a.b"})])]
    assert sorted(keys) == ["a_b_length", "a_b_text", "start_length", "start_text"]


def test_who_retries(tmp_path: Path) -> None:
    """If it fails, a node with n retries is tried n times n times, or never again."""
    for who, left in (("kubeflow", 0), ("penstock", 3)):
        runner = KubeflowDagRunner(image="i:1", metadata=STORE, retries_by=who)  # type: ignore[arg-type]
        spec, _ = compiled(runner, everything(ROOT), tmp_path)
        task = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]["repeat"]
        policy = task.get("retryPolicy", {})
        assert policy.get("maxRetryCount", 0) == 3 - left
        data = receive(argument(spec, "repeat", "--ir-data"), "", "")
        assert read_ir(data.decode()).node("repeat").policy.retries == left


def test_same_pipeline_same_text(tmp_path: Path) -> None:
    """If it fails, compiling again makes a difference where nothing changed."""
    runner = KubeflowDagRunner(image="i:1", metadata=STORE, pod=EVERYTHING)
    texts = [
        Path(runner.compile(everything(ROOT), str(tmp_path / name))).read_text()
        for name in ("one.yaml", "two.yaml")
    ]
    assert texts[0] == texts[1]


def test_large_pipelines_are_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, Kubernetes refuses pipelines with much code, or containers do not find it."""
    monkeypatch.setattr(ir_transport, "LONGEST_ARGUMENT", 100)
    folder = tmp_path / "shared"
    shared = PodSettings(volumes=[ClaimVolume(claim="c", mount_path=str(folder))])
    runner = KubeflowDagRunner(image="i:1", metadata=STORE, pod=shared)
    pipeline = pipelines.diamond(folder)
    path = runner.compile(pipeline, str(tmp_path / "p.yaml"))
    assert not folder.exists()
    runner.compile(pipeline, path, upload=True)
    spec = next(iter(yaml.safe_load_all(Path(path).read_text())))
    uri, digest = (argument(spec, "join", name) for name in ("--ir", "--ir-digest"))
    assert read_ir(receive("", uri, digest).decode()).node("join")
    Path(uri).write_text(Path(uri).read_text().replace("diamond", "emerald"))
    with pytest.raises(IRError, match="is not the pipeline"):
        receive("", uri, digest)
    with pytest.raises(IRError, match="too large"):
        KubeflowDagRunner(image="i:1", metadata=STORE, pod=shared, ir="embed").compile(
            pipeline, path
        )


def test_pipelines_in_the_image(tmp_path: Path) -> None:
    """If it fails, containers look elsewhere than where the image has the pipeline."""
    runner = KubeflowDagRunner(image="i:1", metadata=STORE, ir="image")
    spec, _ = compiled(runner, pipelines.diamond(Path("/x")).compile().model_copy(
        update={"root": ROOT}), tmp_path)  # fmt: skip
    assert argument(spec, "join", "--ir") == ir_transport.IMAGE_PATH
    assert len(argument(spec, "join", "--ir-digest")) == 64


@pytest.mark.parametrize(
    ("settings", "root", "error", "words"),
    [
        ({}, "/data", ParameterError, "pods do not share"),
        ({}, "relative", ParameterError, "pods do not share"),
        ({"metadata": ""}, ROOT, MetadataError, "no metadata store"),
        ({"metadata": "/data/metadata.sqlite"}, ROOT, MetadataError, "pods do not share"),
        ({"nodes": {"strat": PodSettings()}}, ROOT, ParameterError, "'strat'"),
    ],
)  # fmt: skip
def test_what_could_not_run_is_refused(
    settings: dict[str, Any], root: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    """If it fails, a pipeline that cannot work is deployed, and fails in every pod."""
    runner = KubeflowDagRunner(**{"image": "i:1", "metadata": STORE, **settings})
    pipeline = Pipeline("p", root, [pipelines.start(word="w")])
    with pytest.raises(error, match=words):
        runner.compile(pipeline, str(tmp_path / "p.yaml"))


def test_containers_and_nodes_after_the_end_are_refused(tmp_path: Path) -> None:
    """If it fails, a container component fails in its pod, or a node runs in the wrong order."""
    runner = KubeflowDagRunner(image="i:1", metadata=STORE)
    with pytest.raises(ParameterError, match="inside is a container component"):
        runner.compile(pipelines.contained(Path("/x"), "busybox"), str(tmp_path / "p.yaml"))
    early = pipelines.start(word="w").with_policy(trigger="always")
    late = pipelines.extend(text=early.outputs["text"], suffix="s")
    with pytest.raises(GraphError, match="extend follows start"):
        runner.compile(Pipeline("p", ROOT, [early, late]), str(tmp_path / "p.yaml"))


def test_pod_settings_of_a_node_go_before_all_pods() -> None:
    """If it fails, what is set for one node loses what is set for all, or is lost itself."""
    general = PodSettings(
        image="a", env={"A": "1", "B": "1"}, volumes=[ClaimVolume(claim="v", mount_path="/v")]
    )
    own = PodSettings(env={"B": "2"}, labels={"l": "1"}, gpu_type="amd.com/gpu")
    both = own.over(general)
    assert (both.image, both.env, both.gpu_type) == ("a", {"A": "1", "B": "2"}, "amd.com/gpu")
    assert both.volumes == general.volumes
    assert both.mounts("/v/deep") and both.mounts("/v") and not both.mounts("/vault")
    assert PodSettings().over(general) == general


def test_pods_as_kubernetes_has_them(tmp_path: Path) -> None:
    """If it fails, Kubernetes refuses the pods, or they lack what they were given."""
    client = pytest.importorskip("kubernetes.client")
    utils = pytest.importorskip("kubernetes.utils")
    runner = KubeflowDagRunner(image="i:1", metadata=STORE, pod=EVERYTHING)
    spec, platform = compiled(runner, everything(ROOT), tmp_path)
    container = spec["deploymentSpec"]["executors"]["exec-repeat"]["container"]
    pod = _pod(container, platform["deploymentSpec"]["executors"]["exec-repeat"])
    api = client.ApiClient()
    read = api.deserialize(type("Answer", (), {"data": json.dumps(pod)})(), "V1Pod")
    # What its models do not know would be gone.
    assert api.sanitize_for_serialization(read) == pod
    (ran,) = read.spec.containers
    amounts = {name: utils.parse_quantity(text) for name, text in ran.resources.requests.items()}
    assert amounts == {"cpu": 4, "memory": 1.5 * 2**30, "nvidia.com/gpu": 2}
    secrets = {each.name: each.value_from.secret_key_ref for each in ran.env if each.value_from}
    assert secrets["PENSTOCK_METADATA_PASSWORD"].key == "password"
    names = {volume.name for volume in read.spec.volumes}
    assert {mount.name for mount in ran.volume_mounts} == names
    assert len(names) == 4


def _pod(container: dict[str, Any], platform: dict[str, Any]) -> dict[str, Any]:
    """The pod that Kubeflow's driver makes of what was compiled."""
    wanted = container["resources"]
    gpus = {wanted["accelerator"]["resourceType"]: wanted["accelerator"]["resourceCount"]}
    requests = {"cpu": wanted["resourceCpuRequest"], "memory": wanted["resourceMemoryRequest"]}
    env = [dict(each) for each in container["env"]]
    env += [
        {"name": key["envVar"],
         "valueFrom": {"secretKeyRef": {"name": each["secretName"], "key": key["secretKey"]}}}
        for each in platform["secretAsEnv"] for key in each["keyToEnv"]
    ]  # fmt: skip
    env += [
        {"name": each["name"], "valueFrom": {"fieldRef": {"fieldPath": each["fieldPath"]}}}
        for each in platform["fieldPathAsEnv"]
    ]
    sources = [
        (each["constant"], each, {"persistentVolumeClaim": {"claimName": each["constant"]}})
        for each in platform["pvcMount"]
    ]
    sources += [
        (each["secretName"], each, {"secret": {"secretName": each["secretName"]}})
        for each in platform["secretAsVolume"]
    ]
    sources += [
        (each["configMapName"], each, {"configMap": {"name": each["configMapName"]}})
        for each in platform["configMapAsVolume"]
    ]
    sources += [
        (each["volumeName"], each,
         {"emptyDir": {"medium": each["medium"], "sizeLimit": each["sizeLimit"]}})
        for each in platform["emptyDirMounts"]
    ]  # fmt: skip
    return {
        "metadata": dict(platform["podMetadata"]),
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": container["image"],
                    "command": container["command"],
                    "args": container["args"],
                    "env": env,
                    "imagePullPolicy": platform["imagePullPolicy"],
                    "resources": {
                        "requests": {**requests, **gpus},
                        "limits": {"memory": wanted["resourceMemoryLimit"], **gpus},
                    },
                    "volumeMounts": [
                        {"name": name, "mountPath": each["mountPath"]} for name, each, _ in sources
                    ],
                }
            ],
            "volumes": [{"name": name, **source} for name, _, source in sources],
            "nodeSelector": platform["nodeSelector"]["labels"],
            "tolerations": platform["tolerations"],
            "imagePullSecrets": [
                {"name": each["secretName"]} for each in platform["imagePullSecret"]
            ],
        },
    }


def test_settings_in_a_file(tmp_path: Path) -> None:
    """If it fails, a deployment that is kept as a file is another one than its author meant."""
    path = tmp_path / "kubeflow.yaml"
    path.write_text(
        f"image: i:1\nmetadata: {STORE}\ncache: read_only\n"
        "pod: {volumes: [{claim: data, mount_path: /data}]}\n"
        "nodes: {join: {node_selector: {pool: gpu}}}\n"
    )
    runner = KubeflowDagRunner.from_file(str(path))
    spec, platform = compiled(runner, pipelines.diamond(Path("/data/root")), tmp_path)
    assert argument(spec, "join", "--cache") == "read-only"
    executors = platform["deploymentSpec"]["executors"]
    assert [name for name, each in executors.items() if "nodeSelector" in each] == ["exec-join"]
    path.write_text("imagge: i:1\n")
    with pytest.raises(ParameterError, match="there is no 'imagge'") as caught:
        KubeflowDagRunner.from_file(str(path))
    assert caught.value.suggestion == "image"
    path.write_text(f"metadata: {STORE}\n")
    with pytest.raises(ParameterError, match="'image' is missing"):
        KubeflowDagRunner.from_file(str(path))


def test_kfp_is_imported_by_compile_only() -> None:
    """If it fails, everybody who touches the runner, and every pod, pays for KFP's import."""
    modules = ["kubeflow_dag_runner", "node_container", "image", "pod_settings"]
    imports = "; ".join(
        f"import penstock.orchestration.runners.kubeflow.{name}" for name in modules
    )
    code = f"import sys; {imports}; print([m for m in ('kfp', 'kubernetes') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_embedded_pipelines_are_what_was_compiled() -> None:
    """If it fails, a damaged argument is run as if it were the pipeline."""
    text = base64.b64encode(zlib.compress(b"{}", 9)).decode()
    assert receive(text, "", "") == b"{}"
    with pytest.raises((ValueError, zlib.error)):
        receive(text[:-4], "", "")
