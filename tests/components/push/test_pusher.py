# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import (
    InfraBlessing,
    Model,
    ModelBlessing,
    PushedModel,
)
from penstock.components.base.channel import Channel
from penstock.components.base.executor import Task
from penstock.components.push.cached_push import is_still_pushed
from penstock.components.push.pusher import Pusher
from penstock.components.push.pusher_executor import PusherExecutor
from penstock.utils.errors import DataError, ParameterError, StorageError


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], Model]:
    """Makes a model artifact whose files hold some text."""

    def make(text: str) -> Model:
        serving = tmp_path / f"model-{text}" / "Format-Serving"
        (serving / "variables").mkdir(parents=True, exist_ok=True)
        (serving / "saved_model.pb").write_text(text)
        (serving / "variables" / "variables.data-00000-of-00001").write_text(text * 1000)
        return Model(str(serving.parent), id=7)

    return make


@pytest.fixture
def push(tmp_path: Path) -> Callable[..., Any]:
    """Runs the Pusher's executor; gives (pushed_model, returned properties, parameters)."""

    def run(
        model: Model,
        blessed: int | None = 1,
        infra_blessed: int | None = None,
        base: Path | str = tmp_path / "serving",
        node_id: str = "Pusher",
        infra_blessing: InfraBlessing | None = None,
    ) -> Any:
        output = tmp_path / f"pushed{len(list(tmp_path.iterdir()))}"
        output.mkdir()
        inputs: dict[str, Any] = {"model": [model]}
        if blessed is not None:
            given = {"blessed": blessed} if blessed >= 0 else {"reason": "no threshold"}
            inputs["model_blessing"] = [ModelBlessing(custom_properties=given)]
        if infra_blessed is not None:
            properties = {"blessed": infra_blessed}
            inputs["infra_blessing"] = [InfraBlessing(custom_properties=properties)]
        if infra_blessing is not None:
            inputs["infra_blessing"] = [infra_blessing]
        parameters = {"push_destination": {"filesystem": {"base_directory": str(base)}}}
        task = Task(
            inputs=inputs,
            outputs={"pushed_model": [PushedModel(str(output))]},
            parameters=parameters,
            node_id=node_id,
            pipeline_name="complaints",
            run_id="run-1",
        )
        returned = PusherExecutor().execute(task)
        return task.outputs["pushed_model"][0], returned, parameters

    return run


def versions(base: Path) -> list[str]:
    """What a model server sees."""
    return sorted(name for name in os.listdir(base) if name.isdigit())


def test_blessed_model_becomes_a_version(model: Any, push: Any, tmp_path: Path) -> None:
    """A model server would find nothing, or not what TFX's properties say."""
    pushed, returned, _ = push(model("a"))
    (version,) = versions(tmp_path / "serving")
    destination = tmp_path / "serving" / version
    assert (destination / "saved_model.pb").read_text() == "a"
    assert (destination / "variables" / "variables.data-00000-of-00001").is_file()
    assert pushed.custom_properties["pushed"] == 1
    assert pushed.custom_properties["pushed_destination"] == str(destination)
    assert pushed.custom_properties["pushed_version"] == version
    assert returned["pushed"] == 1
    assert Path(pushed.path("saved_model.pb")).read_text() == "a"
    assert abs(int(version) - os.stat(destination).st_mtime) < 60


def test_record_tells_who_pushed_what(model: Any, push: Any, tmp_path: Path) -> None:
    """Nobody could tell later where a served version came from."""
    push(model("a"))
    (version,) = versions(tmp_path / "serving")
    record = json.loads((tmp_path / "serving" / ".penstock" / f"{version}.json").read_text())
    assert record["pushed_by"] == "complaints/Pusher"
    assert record["run_id"] == "run-1"
    assert record["model_id"] == 7


@pytest.mark.parametrize(
    ("blessed", "infra_blessed"), [(0, None), (-1, None), (1, 0), (None, 0), (0, 1)]
)
def test_unblessed_model_is_not_pushed(
    model: Any,
    push: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    blessed: int | None,
    infra_blessed: int | None,
) -> None:
    """A model that failed a gate would be served."""
    with caplog.at_level(logging.WARNING):
        pushed, returned, parameters = push(model("a"), blessed, infra_blessed)
    assert not (tmp_path / "serving").exists()
    assert pushed.custom_properties == {"pushed": 0}
    assert os.listdir(pushed.uri) == []
    assert returned["pushed"] == 0
    assert returned["reason"] in caplog.text
    assert is_still_pushed({"pushed_model": [pushed]}, parameters) is None


def test_push_without_any_blessing_warns(
    model: Any, push: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who forgot to connect the blessing would never learn of it."""
    with caplog.at_level(logging.WARNING):
        assert push(model("a"), None)[1]["pushed"] == 1
    assert "unproven" in caplog.text


def test_copy_with_warmup_requests_is_what_is_pushed(model: Any, push: Any, tmp_path: Path) -> None:
    """If it fails, warm-up requests that the InfraValidator wrote never reach the server."""
    made = model("a")
    stamped = tmp_path / "blessing" / "stamped_model"
    shutil.copytree(Path(made.uri) / "Format-Serving", stamped)
    (stamped / "assets.extra").mkdir()
    (stamped / "assets.extra" / "tf_serving_warmup_requests").write_text("requests")
    push(made)
    infra = InfraBlessing(str(stamped.parent), custom_properties={"blessed": 1, "has_model": 1})
    pushed, returned, _ = push(made, infra_blessing=infra)
    warmup = Path("assets.extra", "tf_serving_warmup_requests")
    assert returned["already_there"] == 0
    assert (Path(returned["pushed_destination"]) / warmup).is_file()
    assert (Path(pushed.uri) / warmup).is_file()
    assert push(made, infra_blessing=infra)[1]["already_there"] == 1


def test_repeated_push_adds_no_version(model: Any, push: Any, tmp_path: Path) -> None:
    """Retries would fill the disk, and servers would load the same model again."""
    first, _, _ = push(model("a"))
    again, returned, _ = push(model("a"))
    assert len(versions(tmp_path / "serving")) == 1
    assert returned["already_there"] == 1
    for name in ("pushed_version", "pushed_destination", "pushed_files", "pushed_bytes"):
        assert again.custom_properties[name] == first.custom_properties[name]


def test_model_that_differs_in_nothing_that_matters_is_not_pushed_again(
    model: Any, push: Any, tmp_path: Path
) -> None:
    """Equal models whose files differ (a counter in a name) would be pushed at every run."""
    one, other = model("a"), model("b")
    one.content_digest = other.content_digest = "same"
    first, _, _ = push(one)
    _, returned, _ = push(other)
    assert returned["already_there"] == 1
    damaged = Path(first.custom_properties["pushed_destination"]) / "saved_model.pb"
    damaged.write_text("broken")
    assert push(other)[1]["already_there"] == 0


def test_two_pushes_within_a_second_have_two_versions(
    model: Any, push: Any, tmp_path: Path
) -> None:
    """The second model would be lost, or mixed into the first."""
    numbers = [int(push(model(text))[1]["pushed_version"]) for text in "abab"]
    assert numbers == sorted(set(numbers))
    assert [int(version) for version in versions(tmp_path / "serving")] == numbers


def test_version_is_above_all_others(model: Any, push: Any, tmp_path: Path) -> None:
    """Servers take the highest number: a push below it would never be served."""
    (tmp_path / "serving" / "99999999999").mkdir(parents=True)
    assert push(model("a"))[1]["pushed_version"] == "100000000000"


def test_leftovers_of_a_killed_push_are_cleared(model: Any, push: Any, tmp_path: Path) -> None:
    """Every killed push would leave a copy of its model on the disk for ever."""
    base = tmp_path / "serving"
    (base / ".tmp-1-abc" / "variables").mkdir(parents=True)
    (base / ".penstock").mkdir()
    (base / ".penstock" / "123.json").write_text("{}")
    push(model("a"))
    assert sorted(os.listdir(base)) == [".penstock", *versions(base)]
    assert sorted(os.listdir(base / ".penstock")) == [f"{versions(base)[0]}.json", "lock"]


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ({"filesystem": {"base_dir": "/x"}}, "base_dir"),
        ({"filesystem": {}}, "base_directory"),
        ({"filesystem": {"base_directory": "/x", "versioning": "SEMANTIC"}}, "UNIX_TIMESTAMP"),
        ({}, "filesystem"),
    ],
)
def test_wrong_destination_is_refused_when_declared(
    destination: dict[str, Any], message: str
) -> None:
    """The mistake would show only after the training."""
    with pytest.raises(ParameterError, match="push_destination") as caught:
        Pusher(model=Channel(Model, None, "model"), push_destination=destination)
    assert message in str(caught.value)


def test_destination_reads_as_tfx_writes_it() -> None:
    """Pipelines written for TFX would have to be changed."""
    wanted = {"filesystem": {"base_directory": "/models/x", "versioning": 1}}
    pusher = Pusher(model=Channel(Model, None, "model"), push_destination=wanted)
    assert pusher.parameters["push_destination"] == {
        "filesystem": {"base_directory": "/models/x", "versioning": "UNIX_TIMESTAMP"},
        "kserve": None,
        "webhook": None,
    }
    assert Pusher.type_name == "tfx.components.pusher.component.Pusher"


def test_mistakes_at_run_time_are_named(model: Any, push: Any, tmp_path: Path) -> None:
    """A newcomer would get a bare OSError."""
    with pytest.raises(DataError, match="nothing to serve"):
        push(Model(str(tmp_path / "nowhere")))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file is in the way"):
        push(model("a"), base=tmp_path / "file")
    with pytest.raises(StorageError, match="pip install s3fs"):
        push(model("a"), base="s3://bucket/models")
    with pytest.raises(StorageError, match="cannot push the model to /proc/models"):
        push(model("a"), base="/proc/models")


def test_failed_copy_leaves_nothing(model: Any, push: Any, tmp_path: Path) -> None:
    """A full disk would stay full of the half-copied model."""
    source = model("a")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot push the model to"):
            push(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(os.listdir(tmp_path / "serving")) == [".penstock"]


class TestCachedPush:
    """When a push done earlier may stand for a new one."""

    def test_untouched_push_still_stands(self, model: Any, push: Any) -> None:
        """An unchanged pipeline would push at every run."""
        pushed, _, parameters = push(model("a"))
        assert is_still_pushed({"pushed_model": [pushed]}, parameters) is None

    def test_deleted_version_is_pushed_again(self, model: Any, push: Any) -> None:
        """A run would report as served what is not there."""
        pushed, _, parameters = push(model("a"))
        shutil.rmtree(pushed.custom_properties["pushed_destination"])
        reason = is_still_pushed({"pushed_model": [pushed]}, parameters)
        assert reason is not None and "gone" in reason

    def test_damaged_version_is_pushed_again(self, model: Any, push: Any) -> None:
        """A run would report as served what was broken since."""
        pushed, _, parameters = push(model("a"))
        os.unlink(os.path.join(pushed.custom_properties["pushed_destination"], "saved_model.pb"))
        reason = is_still_pushed({"pushed_model": [pushed]}, parameters)
        assert reason is not None and "changed" in reason

    def test_return_to_an_earlier_model_pushes_it_again(self, model: Any, push: Any) -> None:
        """Undoing a change of code would leave the changed model in use."""
        pushed, _, parameters = push(model("a"))
        push(model("b"))
        reason = is_still_pushed({"pushed_model": [pushed]}, parameters)
        assert reason is not None and "another model since" in reason

    def test_versions_of_others_are_left_to_reign(
        self, model: Any, push: Any, tmp_path: Path
    ) -> None:
        """A nightly run of an unchanged pipeline would undo a repair made by hand."""
        pushed, _, parameters = push(model("a"))
        push(model("b"), node_id="Repair")
        (tmp_path / "serving" / "99999999999").mkdir()
        assert is_still_pushed({"pushed_model": [pushed]}, parameters) is None
