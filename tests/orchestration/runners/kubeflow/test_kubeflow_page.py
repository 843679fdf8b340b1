# SPDX-License-Identifier: Apache-2.0
"""What docs/kubeflow.md tells a reader to write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import pipelines

from penstock.orchestration.runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner

pytestmark = pytest.mark.kubeflow


def _blocks(checkout: Path, language: str) -> list[str]:
    text = (checkout / "docs" / "kubeflow.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _manifests(checkout: Path) -> list[dict[str, Any]]:
    found = [each for block in _blocks(checkout, "yaml") for each in yaml.safe_load_all(block)]
    return [each for each in found if "kind" in each]


def test_manifests_are_what_kubernetes_takes(checkout: Path) -> None:
    """If it fails, kubectl refuses what the reader has copied, or leaves parts of it out."""
    client = pytest.importorskip("kubernetes.client")
    api = client.ApiClient()
    models = {
        "Deployment": "V1Deployment",
        "PersistentVolumeClaim": "V1PersistentVolumeClaim",
        "Service": "V1Service",
        "Role": "V1Role",
        "RoleBinding": "V1RoleBinding",
    }
    manifests = _manifests(checkout)
    assert {each["kind"] for each in manifests} == set(models)
    for manifest in manifests:
        answer = type("Answer", (), {"data": json.dumps(manifest)})()
        read = api.deserialize(answer, models[manifest["kind"]])
        assert api.sanitize_for_serialization(read) == manifest


def test_settings_of_the_page_compile(checkout: Path, tmp_path: Path) -> None:
    """If it fails, the page's settings are refused, or do not fit its manifests."""
    pytest.importorskip("kfp")
    (text,) = [each for each in _blocks(checkout, "yaml") if each.startswith("image:")]
    path = tmp_path / "kubeflow.yaml"
    path.write_text(text.replace("Trainer:", "join:"), encoding="utf-8")
    runner = KubeflowDagRunner.from_file(str(path))
    runner.compile(pipelines.diamond(tmp_path), str(tmp_path / "churn.yaml"))
    named = {(each["kind"], each["metadata"]["name"]) for each in _manifests(checkout)}
    assert ("Service", runner.metadata.partition("@")[2].partition(":")[0]) in named
    for volume in runner.pod.volumes:
        assert ("PersistentVolumeClaim", volume.claim) in named
