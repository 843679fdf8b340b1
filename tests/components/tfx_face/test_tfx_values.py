# SPDX-License-Identifier: Apache-2.0
"""Values between components as TFX has them, and scripts as authors of TFX write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock import tfx
from penstock.components.base.parameters import decode
from penstock.components.train.train_args import TrainArgs
from penstock.tfx.orchestration.experimental.interactive import (
    interactive_context,
    notebook_extensions,
    standard_visualizations,
    visualizations,
)
from penstock.tfx.orchestration.portable.mlmd import execution_lib
from penstock.tfx.types import artifact_utils, standard_component_specs
from penstock.utils.errors import ParameterError

#: A script without `if __name__ == "__main__":`, as notebooks' cells and many scripts are.
SCRIPT = """
import json
from typing import Any, Optional

from penstock import tfx
from penstock.tfx import types
from penstock.tfx.components.base import executor_spec
from penstock.tfx.dsl.components.base import base_component, base_executor
from penstock.tfx.dsl.io import fileio
from penstock.tfx.orchestration import metadata
from penstock.tfx.proto import pusher_pb2, trainer_pb2
from penstock.tfx.types import artifact_utils, standard_artifacts
from penstock.tfx.types.component_spec import ChannelParameter, ExecutionParameter
from penstock.tfx.utils import json_utils, proto_utils

Dsl = tfx.dsl.components
Note = standard_artifacts.String.annotate_as(tfx.dsl.standard_annotations.Model)


class NoteSpec(types.ComponentSpec):
    PARAMETERS = {"args": ExecutionParameter(type=trainer_pb2.TrainArgs, use_proto=True)}
    INPUTS = {}
    OUTPUTS = {"note": ChannelParameter(type=Note)}


class NoteExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        with fileio.open(output_dict["note"][0].uri, "w") as file:
            file.write(f"steps: {exec_properties['args'].num_steps}")


class MakeNote(base_component.BaseComponent):
    SPEC_CLASS = NoteSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(NoteExecutor)

    def __init__(self, args):
        super().__init__(NoteSpec(args=args, note=types.Channel(type=Note)))


class PushExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        to = proto_utils.json_to_proto(
            exec_properties["push_destination"], pusher_pb2.PushDestination())
        config = json_utils.loads(exec_properties["custom_config"])
        (pushed,) = output_dict["pushed_model"]
        assert set(input_dict) == {"model"}
        pushed.set_string_custom_property(
            "pushed_to", to.filesystem.base_directory + config["suffix"])


@Dsl.component
def Values(note: Dsl.InputArtifact[Note], model: Dsl.OutputArtifact[standard_artifacts.Model]
           ) -> Dsl.OutputDict(none=Optional[float], some=Optional[str], yes=bool):
    with open(note.uri) as file:
        return {"none": None, "some": file.read(), "yes": True}


@Dsl.component
def Check(some: Dsl.Parameter[str], yes: Dsl.Parameter[bool],
          none: Dsl.Parameter[Optional[float]] = 0.5) -> Dsl.OutputDict(fits=bool):
    return {"fits": (some, yes, none) == ("steps: 7", True, None)}


class Newest(tfx.dsl.experimental.ResolverStrategy):
    def resolve_artifacts(self, store, input_dict):
        return input_dict


newest = tfx.dsl.Resolver(strategy_class=Newest, found=tfx.dsl.Channel(type=Note))
note = MakeNote(trainer_pb2.TrainArgs(num_steps=7))
values = Values(note=note.outputs["note"])
check = Check(some=values.outputs["some"], yes=values.outputs["yes"], none=values.outputs["none"])
pusher = tfx.components.Pusher(
    model=values.outputs["model"],
    push_destination=pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory="/served")),
    custom_config={"suffix": "/v1"},
    custom_executor_spec=executor_spec.ExecutorClassSpec(PushExecutor))
tfx.orchestration.LocalDagRunner().run(
    tfx.dsl.Pipeline(
        pipeline_name="values", pipeline_root="root",
        components=[newest, note, values, check, pusher],
        metadata_connection_config=metadata.sqlite_metadata_connection_config("metadata.db")))
"""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """The store of a run of the script."""
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{tmp_path}/metadata.db")


def test_a_script_of_tfx_runs_and_its_store_is_read_as_in_tfx(store: Any, tmp_path: Path) -> None:
    """If it fails, scripts without a main guard, values' files or own executors do not work."""
    found = []
    with tfx.orchestration.metadata.Metadata(store) as handle:
        for execution in handle.store.get_executions():
            found.append(execution_lib.get_output_artifacts(handle, execution.id))
        (consumer,) = handle.store.get_executions_by_type(
            next(t.name for t in handle.store.get_execution_types() if t.name.endswith("Values"))
        )
        read = execution_lib.get_input_artifacts(handle, consumer.id)
        (kind,) = handle.store.get_artifact_types_by_id(
            [handle.store.get_artifacts_by_type("Boolean")[0].type_id]
        )
        truths = artifact_utils.deserialize_artifacts(
            kind, handle.store.get_artifacts_by_type("Boolean")
        )
    outputs = {name: artifacts[0] for each in found for name, artifacts in each.items()}
    assert [a.value for a in truths] == [True, True]
    assert outputs["fits"].value is True and outputs["some"].value == "steps: 7"
    assert outputs["pushed_model"].get_string_custom_property("pushed_to") == "/served/v1"
    (file,) = (tmp_path / "root/MakeNote/note").glob("*/value")
    assert file.read_text() == "steps: 7"
    assert read["note"][0].type_name == "String_Model"


def test_pictures_and_keys_have_tfx_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, the notebooks of TFX's guide stop at their helpers."""
    standard_visualizations.register_standard_visualizations()
    text = tfx.types.standard_artifacts.String(str(tmp_path))
    text.value = "shown"
    registry = visualizations.get_registry()
    registry.get_visualization(text.type_name).display(text)
    assert "shown" in capsys.readouterr().out

    class Loud(visualizations.ArtifactVisualization):  # type: ignore[misc, name-defined]
        ARTIFACT_TYPE = tfx.types.standard_artifacts.Bytes

        def display(self, artifact: Any) -> None:
            print("loud", artifact.value)

    data = tfx.types.standard_artifacts.Bytes(str(tmp_path))
    data.value = b"abc"
    registry.register(Loud)
    registry.get_visualization("Bytes").display(data)
    del registry.visualizations["Bytes"]
    assert "loud b'abc'" in capsys.readouterr().out
    assert standard_component_specs.STATISTICS_KEY == "statistics"
    assert Path(notebook_extensions.skip.__file__).name == "skip_magic.py"


def test_messages_and_code_may_be_runtime_parameters(tmp_path: Path) -> None:
    """If it fails, a pipeline whose arguments are RuntimeParameters is refused, or loses one."""
    parameter = tfx.dsl.experimental.RuntimeParameter
    text = parameter("output", ptype=str, default='{"split_config": {}}')
    assert tfx.components.CsvExampleGen("x", output_config=text).parameters["output_config"] is text
    found = decode('{"num_steps": 5}', TrainArgs | None, name="train_args")
    assert found.num_steps == 5
    module = tmp_path / "module.py"
    module.write_text("def run_fn(fn_args): ...\n")
    examples = tfx.dsl.Importer("/x", tfx.types.standard_artifacts.Examples).outputs["result"]
    file = parameter("file", ptype=str, default=str(module))
    arguments = {"examples": examples, "train_args": tfx.proto.TrainArgs()}
    trainer = tfx.components.Trainer(module_file=file, **arguments)
    assert trainer.parameters["module_file"] == str(module)
    with pytest.raises(ParameterError, match="when the pipeline is compiled"):
        tfx.components.Trainer(module_file=parameter("file", ptype=str), **arguments)


@tfx.dsl.components.component
def Note(
    note: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.String],
) -> None:
    """Notes something."""
    note.value = "noted"


def test_cells_answer_as_in_tfx(tmp_path: Path) -> None:
    """If it fails, notebooks of TFX find no artifacts, or another place of a value."""
    context = interactive_context.InteractiveContext(pipeline_root=str(tmp_path / "root"))
    node = Note()
    result = context.run(node, False, ["--direct_num_workers=1"])
    (found,) = result.outputs["note"].get()
    assert found == node.outputs["note"].get()[0] and found.value == "noted"
    assert Path(found.uri).read_text() == "noted"


def test_days_are_spans() -> None:
    """If it fails, a range of days reads other spans than in TFX."""
    from penstock.tfx.components.example_gen import utils

    assert utils.date_to_span_number(2022, 1, 1) == 18993
    assert utils.span_number_to_date(18993) == (2022, 1, 1)
