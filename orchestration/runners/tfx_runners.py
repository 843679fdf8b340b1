# SPDX-License-Identifier: Apache-2.0
"""TFX's runners, in their forms of construction and call; each is a native runner."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from ...components.base.artifact import Artifact, ValueArtifact, artifact_from_dict
from ...components.base.node import Node
from ...components.tfx_face.tfx_pipeline import metadata_setting
from ...utils.errors import ParameterError
from ...utils.source_location import caller_location
from ...utils.user_code import loading_module
from ..pipeline import Pipeline
from .airflow.airflow_dag_runner import AirflowDagRunner as NativeAirflowDagRunner
from .beam.beam_dag_runner import BeamDagRunner as NativeBeamDagRunner
from .kubeflow.kubeflow_dag_runner import KubeflowDagRunner as NativeKubeflowDagRunner
from .kubeflow.pod_settings import PodSettings
from .local.local_runner import LocalRunner
from .local.progress import progress_for
from .local.selection import Selection
from .notebook.cell_result import CellResult
from .notebook.interactive_context import InteractiveContext as NativeInteractiveContext
from .run_result import RunResult

#: Airflow's arguments of a DAG, by the native settings that they become.
_DAG_SETTINGS = {
    "dag_id": "dag_id",
    "schedule": "schedule",
    "schedule_interval": "schedule",
    "start_date": "start_date",
    "end_date": "end_date",
    "catchup": "catchup",
    "max_active_runs": "max_active_runs",
    "max_active_tasks": "max_active_tasks",
    "concurrency": "max_active_tasks",
    "description": None,
    "default_args": None,
    "tags": "tags",
}
#: What importing `penstock.tfx` sets for processes on this machine, for those on others.
_ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}
#: Image of the containers where a pipeline names none.
_IMAGE_VARIABLE = "PENSTOCK_IMAGE"


class PipelineConfig:
    """Settings of a runner in TFX; launchers are chosen by the native runners themselves."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings


class LocalDagRunner:
    """Runs pipelines on this machine."""

    def __init__(self, config: PipelineConfig | None = None) -> None:
        self.config = config

    def run(self, pipeline: Pipeline, run_options: Any = None, **kwargs: Any) -> RunResult | None:
        """Runs a pipeline and waits for it.

        Args:
            pipeline: The pipeline.
            run_options: Which part of it to run: `RunOptions`.
            **kwargs: More arguments of the native runner's `run`.

        Returns:
            What came of it; None where the file that calls this is only imported by a process
            of the run, as one without `if __name__ == "__main__":` is. TFX runs in one process.

        Raises:
            PenstockError: A node failed.
        """
        if loading_module():
            return None
        if run_options is not None:
            kwargs["selection"] = Selection(
                from_nodes=run_options.from_nodes, to_nodes=run_options.to_nodes
            )
        observer = progress_for(sys.stderr, pipeline.name)
        result = LocalRunner(observer=observer).run(pipeline, **kwargs)
        return result if result.parked else result.raise_for_failure()


class BeamDagRunner:
    """Runs pipelines on Beam.

    Args:
        beam_orchestrator_args: Flags of the Beam pipeline that runs the nodes. Without them
            nodes run on this machine, as in TFX.
    """

    def __init__(
        self, beam_orchestrator_args: Sequence[str] | None = None, config: Any = None
    ) -> None:
        del config
        self._args = list(beam_orchestrator_args or ())

    def run(self, pipeline: Pipeline, run_options: Any = None) -> RunResult | None:
        """Runs a pipeline and waits for it: see `LocalDagRunner.run`.

        Raises:
            PenstockError: A node failed.
        """
        if loading_module():
            return None
        if not self._args:
            # Beam's local runner orders nodes as the local runner does, with less to tell.
            return LocalDagRunner().run(pipeline, run_options)
        return NativeBeamDagRunner(beam_pipeline_args=self._args).run(pipeline).raise_for_failure()


class AirflowPipelineConfig(PipelineConfig):
    """Settings of a DAG.

    Args:
        airflow_dag_config: Arguments of Airflow's `DAG`.
    """

    def __init__(self, airflow_dag_config: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.airflow_dag_config = dict(airflow_dag_config or {})


class AirflowDagRunner:
    """Writes a DAG for Airflow: a file that imports nothing but Airflow.

    Args:
        config: Settings of the DAG.
    """

    def __init__(self, config: AirflowPipelineConfig | Mapping[str, Any] | None = None) -> None:
        given = config.airflow_dag_config if isinstance(config, AirflowPipelineConfig) else config
        settings: dict[str, Any] = {"env": dict(_ENVIRONMENT)}
        for name, value in (given or {}).items():
            native = _DAG_SETTINGS.get(name, "")
            if native == "":
                raise ParameterError(
                    f"the DAG's argument {name!r} is not known here",
                    expected=", ".join(_DAG_SETTINGS),
                    got=name,
                    location=caller_location(),
                    fix="see docs/airflow.md for what a DAG can be told",
                )
            if native is not None and value is not None:
                settings[native] = value
        self.runner = NativeAirflowDagRunner(settings)

    def run(self, pipeline: Pipeline, folder: str = "") -> str:
        """Writes the DAG file.

        Args:
            pipeline: The pipeline.
            folder: Airflow's DAG folder; by default `$AIRFLOW_HOME/dags`, else `dags` here.

        Returns:
            Path of the file.
        """
        home = os.environ.get("AIRFLOW_HOME")
        return self.runner.compile(pipeline, folder or os.path.join(home or "", "dags"))


class KubeflowV2DagRunnerConfig(PipelineConfig):
    """Settings of a pipeline on Kubeflow.

    Args:
        display_name: Name to show.
        default_image: Image of the nodes' containers, or one by node id.
        default_commands: Not used: containers run Penstock's command.
        use_pipeline_spec_2_1: Not used: what is written is what KFP's compiler writes.
    """

    def __init__(
        self,
        display_name: str | None = None,
        default_image: str | MutableMapping[str, str] | None = None,
        default_commands: Sequence[str] | None = None,
        use_pipeline_spec_2_1: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        del default_commands, use_pipeline_spec_2_1
        self.display_name = display_name
        self.default_image = default_image


class KubeflowDagRunnerConfig(PipelineConfig):
    """Settings of a pipeline on Kubeflow, under their older names.

    Args:
        tfx_image: Image of the nodes' containers.
        kubeflow_metadata_config: The metadata store; by default the pipeline's.
    """

    def __init__(
        self, tfx_image: str | None = None, kubeflow_metadata_config: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.default_image = tfx_image
        self.kubeflow_metadata_config = kubeflow_metadata_config


class KubeflowV2DagRunner:
    """Compiles pipelines for Kubeflow.

    Args:
        config: Settings; the image is needed, there or in `PENSTOCK_IMAGE`.
        output_dir: Folder of the file to write; the current one by default.
        output_filename: Its name; `<pipeline>.yaml` by default.
    """

    def __init__(
        self,
        config: Any = None,
        output_dir: str | None = None,
        output_filename: str | None = None,
        **_: Any,
    ) -> None:
        image = getattr(config, "default_image", None) or os.environ.get(_IMAGE_VARIABLE)
        if isinstance(image, Mapping):
            image = next(iter(image.values()), None)
        if not image:
            raise ParameterError(
                "Kubeflow needs the image that nodes run in",
                expected="KubeflowV2DagRunnerConfig(default_image='…')",
                got="none",
                location=caller_location(),
                fix="build one with `penstock image build`",
            )
        self.image = str(image)
        self.output_dir = output_dir or os.getcwd()
        self.output_filename = output_filename
        self._exit_handler: Node | None = None

    def set_exit_handler(self, exit_handler: Node) -> None:
        """Sets a node that runs at the end, whether or not others failed."""
        self._exit_handler = exit_handler

    def run(
        self,
        pipeline: Pipeline,
        parameter_values: Mapping[str, Any] | None = None,
        write_out: bool | None = True,
    ) -> str:
        """Writes the pipeline for Kubeflow, and returns the file's path.

        Args:
            pipeline: The pipeline.
            parameter_values: Not used: Kubeflow asks for them when a run starts.
            write_out: Kept for older calls: the file is always written.
        """
        del parameter_values, write_out
        if self._exit_handler is not None:
            last = self._exit_handler.with_policy(trigger="always")
            last.add_upstream_nodes(found for found in pipeline.components if found is not last)
            if last not in pipeline.components:
                pipeline.components.append(last)
        name = self.output_filename or f"{pipeline.name}.yaml"
        base, ending = os.path.splitext(name)
        path = os.path.join(self.output_dir, base + (ending if ending == ".yaml" else ".yaml"))
        pod = PodSettings(env=dict(_ENVIRONMENT))
        return NativeKubeflowDagRunner(image=self.image, pod=pod).compile(pipeline, path)


class KubeflowDagRunner(KubeflowV2DagRunner):
    """The same, under its older name."""


def exit_handler(component: Any) -> Any:
    """Marks a function component as one for `set_exit_handler`; it is that already."""
    return component


#: What an exit handler is told of the run, as a text.
FinalStatusStr = str


class InteractiveContext(NativeInteractiveContext):
    """Runs components one by one in a notebook.

    Args:
        pipeline_name: Name of the pipeline in the metadata store.
        pipeline_root: Folder or URL below which payloads are written.
        metadata_connection_config: The metadata store.
        beam_pipeline_args: Flags for Beam pipelines that components start.
    """

    def __init__(
        self,
        pipeline_name: str | None = None,
        pipeline_root: str | None = None,
        metadata_connection_config: Any = None,
        beam_pipeline_args: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            pipeline_name or "interactive",
            pipeline_root or "",
            metadata_setting(metadata_connection_config),
            list(beam_pipeline_args or ()),
        )

    def run(  # type: ignore[override]
        self,
        component: Node,
        enable_cache: bool = True,
        beam_pipeline_args: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs a component; then `component.outputs["…"].get()` gives its artifacts.

        Raises:
            PenstockError: It failed.
        """
        result = super().run(
            component, enable_cache, beam_pipeline_args=beam_pipeline_args, **kwargs
        )
        found = _CellResult(result.component, result.result, result.metadata)
        for key, artifacts in found.outputs.items():
            if key in component.outputs:
                vars(component.outputs[key])["get"] = artifacts.get
        return found


class _Found(list[Artifact]):
    """Artifacts as a channel of TFX has them: the URI of a value is that of its file."""

    def get(self) -> list[Artifact]:
        """The artifacts."""
        copies = [artifact_from_dict(each.to_dict()) for each in self]
        for each in copies:
            if isinstance(each, ValueArtifact):
                each.uri = each.value_file
        return copies


class _CellResult(CellResult):
    """What running a cell's component answers, with TFX's way to its artifacts."""

    @property
    def outputs(self) -> dict[str, _Found]:
        """Artifacts by output name, which `get()` gives too."""
        return {key: _Found(artifacts) for key, artifacts in super().outputs.items()}
