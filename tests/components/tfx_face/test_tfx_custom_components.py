# SPDX-License-Identifier: Apache-2.0
"""Components of one's own, in each of TFX's forms, run by the local runner."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from penstock import tfx
from penstock.components.base.executor import Task
from penstock.components.tfx_face.executor_bases import BaseExecutor
from penstock.utils.errors import PenstockError

PARTS = """
import json
import os
from typing import Any, Optional

from penstock import tfx
from penstock.tfx import types
from penstock.tfx.dsl.components.base import base_component, base_executor, executor_spec
from penstock.tfx.dsl.io import fileio
from penstock.tfx.types import artifact, artifact_utils, channel_utils, standard_artifacts
from penstock.tfx.types.component_spec import ChannelParameter, ExecutionParameter
from penstock.tfx.utils import io_utils, proto_utils


class Report(artifact.Artifact):
    TYPE_NAME = "FaceReport"
    PROPERTIES = {"rows": artifact.Property(type=artifact.PropertyType.INT)}


class Executor(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        report = artifact_utils.get_single_instance(output_dict["report"])
        args = proto_utils.json_to_proto(exec_properties["train_args"], tfx.proto.TrainArgs())
        told = {"name": exec_properties["name"], "tags": exec_properties["tags"],
                "steps": args.num_steps, "flags": self._extra_flags,
                "scratch": os.path.isdir(self._get_tmp_dir()),
                "absent": "maybe" in exec_properties}
        source = artifact_utils.get_single_uri(input_dict["data"])
        told["lines"] = len(fileio.open(source).read().split())
        io_utils.write_string_file(os.path.join(report.uri, "told.json"), json.dumps(told))
        report.rows = told["lines"]
        report.set_string_custom_property("maker", "Executor")


class ReportSpec(types.ComponentSpec):
    PARAMETERS = {
        "name": ExecutionParameter(type=str),
        "tags": ExecutionParameter(type=list[str]),
        "train_args": ExecutionParameter(type=tfx.proto.TrainArgs),
        "maybe": ExecutionParameter(type=int, optional=True),
    }
    INPUTS = {
        "data": ChannelParameter(type=standard_artifacts.String),
        "more": ChannelParameter(type=standard_artifacts.Examples, optional=True),
    }
    OUTPUTS = {"report": ChannelParameter(type=Report)}


class MakeReport(base_component.BaseComponent):
    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, data, name: str, tags, train_args, report=None, maybe=None):
        report = report or channel_utils.as_channel([Report()])
        super().__init__(spec=ReportSpec(
            data=data, name=name, tags=tags, train_args=train_args, report=report, maybe=maybe))


@tfx.dsl.components.component
def Words(text: tfx.dsl.components.Parameter[str],
          words: tfx.dsl.components.OutputArtifact[standard_artifacts.String],
          ) -> tfx.dsl.components.OutputDict(count=int, first=Optional[str]):
    words.value = text
    words.set_int_custom_property("length", len(text))
    return {"count": len(text.split()), "first": text.split()[0]}


@tfx.dsl.components.component()
def Check(report: tfx.dsl.components.InputArtifact[Report],
          count: tfx.dsl.components.Parameter[int],
          limit: tfx.dsl.components.Parameter[float] = 0.5,
          ) -> tfx.dsl.components.OutputDict(fits=bool):
    assert report.get_string_custom_property("maker") == "Executor"
    return {"fits": report.rows == count and limit == 0.5}


class Newest(tfx.dsl.experimental.ResolverStrategy):
    def __init__(self, most: int = 1):
        self.most = most

    def resolve_artifacts(self, store, input_dict):
        return {name: found[: self.most] for name, found in input_dict.items()}
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A user's module with components of each kind."""
    (tmp_path / "face_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = importlib.util.spec_from_file_location("face_parts", tmp_path / "face_parts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "face_parts", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs components as one pipeline, with the cache on."""

    def run_nodes(*nodes: Any) -> Any:
        return tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="custom",
                pipeline_root=str(tmp_path / "root"),
                metadata_connection_config=(
                    tfx.orchestration.metadata.sqlite_metadata_connection_config(
                        str(tmp_path / "metadata.db")
                    )
                ),
                components=list(nodes),
                enable_cache=True,
            )
        )

    return run_nodes


def _nodes(parts: Any) -> list[Any]:
    words = parts.Words(text="to be or not")
    report = parts.MakeReport(
        data=words.outputs["words"],
        name="daily",
        tags=["a", "b"],
        train_args=tfx.proto.TrainArgs(num_steps=5),
    )
    check = parts.Check(report=report.outputs["report"], count=words.outputs["count"])
    return [words, report, check]


def test_class_and_function_components_run_and_are_reused(
    parts: Any, run: Callable[..., Any]
) -> None:
    """If it fails, components of one's own do not survive the move."""
    result = run(*_nodes(parts))
    (report,) = result.outcomes["MakeReport"].outputs["report"]
    told = json.loads(Path(report.uri, "told.json").read_text())
    assert told == {
        "name": "daily", "tags": ["a", "b"], "steps": 5, "flags": [], "scratch": True,
        "absent": False, "lines": 4,
    }  # fmt: skip
    assert report.type_name == "FaceReport" and report.properties["rows"] == 4
    assert result.outcomes["Check"].outputs["fits"][0].value is True
    again = run(*_nodes(parts))
    assert {outcome.state.value for outcome in again.outcomes.values()} == {"cached"}


def test_a_strategy_of_ones_own_chooses(parts: Any, run: Callable[..., Any]) -> None:
    """If it fails, resolvers with a strategy of one's own find nothing."""
    run(*_nodes(parts))
    resolver = tfx.dsl.Resolver(
        strategy_class=parts.Newest, config={"most": 1}, kept=tfx.dsl.Channel(type=parts.Report)
    ).with_id("newest")
    result = run(resolver)
    assert [found.TYPE_NAME for found in result.outcomes["newest"].outputs["kept"]] == [
        "FaceReport"
    ]


def test_latest_artifacts_of_one_node(parts: Any, run: Callable[..., Any]) -> None:
    """If it fails, a resolver with a channel of a type alone finds nothing."""
    run(*_nodes(parts))
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        config={"desired_num_of_artifacts": 1},
        report=tfx.dsl.Channel(type=parts.Report, producer_component_id="MakeReport"),
    ).with_id("latest")
    assert len(run(resolver).outcomes["latest"].outputs["report"]) == 1


def test_part_of_a_pipeline_is_run(parts: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    """If it fails, run options are passed over."""
    from penstock.tfx.orchestration.pipeline import RunOptions

    nodes = _nodes(parts)
    pipeline = tfx.dsl.Pipeline("custom", str(tmp_path / "root"), components=nodes)
    result = tfx.orchestration.LocalDagRunner().run(
        pipeline, run_options=RunOptions(to_nodes=["MakeReport"])
    )
    assert set(result.outcomes) == {"Words", "MakeReport"}


def test_wrong_specs_are_explained(parts: Any) -> None:
    """If it fails, a missing or unknown argument of a spec is a bare KeyError."""
    words = parts.Words(text="a")
    with pytest.raises(PenstockError, match="needs the argument 'name'"):
        parts.ReportSpec(data=words.outputs["words"])
    with pytest.raises(PenstockError, match="has no argument 'nam'"):
        parts.ReportSpec(nam="x")
    with pytest.raises(PenstockError, match="'name' has the wrong type"):
        parts.ReportSpec(data=words.outputs["words"], name=3, tags=[], train_args={}, report=None)


def test_an_executor_is_called_directly(tmp_path: Path) -> None:
    """If it fails, unit tests of executors break."""
    from penstock.tfx.types import standard_artifacts

    class Copy(BaseExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
            output_dict["out"][0].copy_from(input_dict["in"][0])

    given = standard_artifacts.Examples()
    given.uri, given.span = str(tmp_path), 4
    given.set_float_custom_property("rate", 0.5)
    made = standard_artifacts.Examples()
    Copy().Do({"in": [given]}, {"out": [made]}, {})
    assert made.uri == str(tmp_path) and made.span == 4
    assert made.get_float_custom_property("rate") == 0.5
    assert Copy().execute(Task(inputs={"in": [given]}, outputs={"out": [made]})) is None


def test_container_components_and_placeholders(parts: Any) -> None:
    """If it fails, a container's command loses what comes in."""
    from penstock.tfx.dsl.component.experimental import container_component, placeholders
    from penstock.tfx.types import standard_artifacts

    grep = container_component.create_container_component(
        name="Grep",
        image="alpine",
        command=[
            "sh", "-c", "grep $0 $1 > $2",
            placeholders.InputValuePlaceholder("pattern"),
            placeholders.ConcatPlaceholder([placeholders.InputUriPlaceholder("text"), "/data"]),
            tfx.dsl.placeholders.output("found").uri + "/data",
            tfx.dsl.placeholders.exec_property("pattern"),
        ],
        inputs={"text": standard_artifacts.ExternalArtifact},
        outputs={"found": standard_artifacts.ExternalArtifact},
        parameters={"pattern": str},
    )  # fmt: skip
    source = tfx.dsl.Importer("/text", standard_artifacts.ExternalArtifact).with_id("source")
    node = grep(text=source.outputs["result"], pattern="penguin")
    compiled = tfx.dsl.Pipeline("p", "r", components=[source, node]).compile().node("Grep")
    assert compiled.parameters["container.command"][3:] == [
        {"parameter": "pattern"},
        {"concat": [{"input_uri": "text"}, "/data"]},
        {"concat": [{"output_uri": "found"}, "/data"]},
        {"concat": [{"parameter": "pattern"}]},
    ]


def test_runners_for_other_engines(parts: Any, tmp_path: Path) -> None:
    """If it fails, a pipeline that was compiled for Airflow or Kubeflow is no more."""
    from penstock.tfx.orchestration.airflow.airflow_dag_runner import (
        AirflowDagRunner,
        AirflowPipelineConfig,
    )

    pipeline = tfx.dsl.Pipeline(
        "custom", str(tmp_path / "root"), components=_nodes(parts), enable_cache=True
    )
    config = AirflowPipelineConfig({"schedule_interval": None, "catchup": False})
    file = AirflowDagRunner(config).run(pipeline, folder=str(tmp_path / "dags"))
    assert Path(file).is_file()
    with pytest.raises(PenstockError, match="image"):
        tfx.orchestration.experimental.KubeflowV2DagRunner(
            config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig()
        )


@pytest.mark.heavy
def test_a_function_gets_a_beam_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any]
) -> None:
    """If it fails, function components that process data on Beam do not run."""
    (tmp_path / "face_beam.py").write_text(
        """
import apache_beam as beam
from penstock import tfx


def _shout(word):
    return word.upper()


@tfx.dsl.components.component(use_beam=True)
def Shout(text: tfx.dsl.components.Parameter[str],
          loud: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InferenceResult],
          beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None):
    with beam_pipeline as pipeline:
        (pipeline | beam.Create(text.split()) | beam.Map(_shout)
         | beam.io.WriteToText(loud.uri + "/words", shard_name_template=""))
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import face_beam

    node = face_beam.Shout(text="so it goes").with_beam_pipeline_args(["--no_auth"])
    (found,) = run(node).outcomes["Shout"].outputs["loud"]
    assert sorted(Path(found.uri, "words").read_text().split()) == ["GOES", "IT", "SO"]


@pytest.mark.heavy
def test_options_of_statistics_are_taken_as_data() -> None:
    """If it fails, a tfdv.StatsOptions of a pipeline is refused, or loses options."""
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2

    from penstock.components.tfx_face.stats_options import stats_options_parameter

    schema = schema_pb2.Schema(feature=[{"name": "a"}])
    options = tfdv.StatsOptions(
        num_top_values=5, feature_allowlist=["a"], sample_rate=0.5, schema=schema
    )
    assert stats_options_parameter(options) == {
        "schema_text": str(schema),
        "num_top_values": 5,
        "feature_allowlist": ["a"],
        "sample_rate": 0.5,
    }
    examples = tfx.dsl.Importer("/x", tfx.types.standard_artifacts.Examples).outputs["result"]
    node = tfx.components.StatisticsGen(examples, stats_options=options)
    assert node.parameters["stats_options"]["num_top_values"] == 5
