# SPDX-License-Identifier: Apache-2.0
"""Versions behind URLs: whole or not there, whoever writes at once, whenever one dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from penstock.components.base.artifact_types import Model, PushedModel
from penstock.components.base.executor import Task
from penstock.components.push.cached_push import is_still_pushed
from penstock.components.push.pusher_executor import PusherExecutor
from penstock.components.push.version_bucket import VersionBucket
from penstock.components.push.version_store import base_of, repeat_version, version_store
from penstock.utils import storage
from penstock.utils.errors import StorageError


@pytest.fixture
def base() -> Iterator[str]:
    """A place in fsspec's memory."""
    name = f"memory://bucket-{uuid.uuid4().hex}/models"
    yield name
    storage.remove_tree(name)


def make_source(folder: Path, letter: str, files: int = 8) -> str:
    """A model in which every file holds the same letter."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(letter * 3000)
    for number in range(files - 1):
        (folder / "variables" / f"part{number}").write_text(letter * 3000)
    return str(folder)


def letters(place: str, files: int = 8) -> set[str]:
    """The letters in a version; fails where it is not whole."""
    found = storage.list_files(place)
    assert len(found) == files
    texts = [storage.read_text(storage.join(place, file.path)) for file in found]
    assert {len(text) for text in texts} == {3000}
    return {text[0] for text in texts}


def test_push_to_a_url_is_numbered_and_recorded(base: str, tmp_path: Path) -> None:
    """Buckets would need another program to fill them."""
    bucket = version_store(base)
    assert isinstance(bucket, VersionBucket) and bucket.versions() == []
    one = bucket.publish(make_source(tmp_path / "a", "a"), {"pushed_by": "me"})
    assert bucket.versions() == [one.version] and abs(one.version - time.time()) < 60
    assert bucket.record(one.version)["pushed_by"] == "me"
    assert letters(one.path) == {"a"} and (one.files, one.bytes) == (8, 24_000)
    two = bucket.publish(make_source(tmp_path / "b", "b"))
    assert bucket.versions() == [one.version, two.version] and two.version > one.version


def test_repeated_push_adds_none(base: str, tmp_path: Path) -> None:
    """Retries would fill the bucket."""
    source = make_source(tmp_path / "a", "a")
    bucket = VersionBucket(base)
    first = bucket.publish(source)
    again = bucket.publish(source)
    assert (again.version, again.written) == (first.version, False)
    digest = {"model_digest": "same"}
    other = bucket.publish(make_source(tmp_path / "b", "b"), digest)
    assert not bucket.publish(make_source(tmp_path / "c", "c"), digest).written
    assert bucket.versions() == [first.version, other.version]


def test_version_without_marker_does_not_count(base: str, tmp_path: Path) -> None:
    """Readers would load what is still being uploaded."""
    bucket = VersionBucket(base)
    storage.copy_tree(make_source(tmp_path / "a", "a"), bucket.path(99))
    storage.write_text_atomic(storage.join(base, ".penstock", "98.json"), "{}")
    assert bucket.versions() == []
    done = bucket.publish(make_source(tmp_path / "b", "b"))
    assert bucket.versions() == [done.version]


def test_model_file_comes_after_all_others_and_the_marker_last(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that only lists folders would find a model that it can half load."""
    order: list[str] = []
    original = storage.copy_file

    def noted(source: str, target: str) -> None:
        order.append(target.rpartition("/")[2])
        assert VersionBucket(base).versions() == []
        original(source, target)

    monkeypatch.setattr(storage, "copy_file", noted)
    VersionBucket(base).publish(make_source(tmp_path / "a", "a"))
    assert order[-1] == "saved_model.pb" and len(order) == 8


def test_failed_upload_leaves_nothing(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every failed push would cost its model's size for ever."""
    original, copied = storage.copy_file, []

    def failing(source: str, target: str) -> None:
        copied.append(target)
        if len(copied) == 4:
            raise StorageError("the bucket is gone")
        original(source, target)

    monkeypatch.setattr(storage, "copy_file", failing)
    with pytest.raises(StorageError, match="bucket is gone"):
        VersionBucket(base).publish(make_source(tmp_path / "a", "a"))
    assert not storage.is_dir(base) or storage.list_files(base) == []


def test_what_dead_writers_left_goes_after_a_day(base: str, tmp_path: Path) -> None:
    """Killed pushes would fill the bucket, or a live upload would be deleted."""
    source = make_source(tmp_path / "a", "a")
    claims = storage.join(base, ".penstock", "claims")
    for number, age in ((100, 25 * 3600), (200, 60)):
        storage.copy_tree(source, storage.join(base, str(number)))
        storage.write_text_atomic(f"{claims}/{number}.dead", str(time.time() - age))
    VersionBucket(base).publish(make_source(tmp_path / "b", "b"))
    assert not storage.exists(storage.join(base, "100"))
    assert letters(storage.join(base, "200")) == {"a"}
    assert [file.path for file in storage.list_files(claims)] == ["200.dead"]


def test_writers_at_once_take_different_numbers(base: str, tmp_path: Path) -> None:
    """Two models would be mixed under one number."""
    sources = [make_source(tmp_path / letter, letter) for letter in "abcdef"]
    threads = [
        threading.Thread(target=VersionBucket(base).publish, args=(source,)) for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = VersionBucket(base).versions()
    assert len(found) == 6
    assert set.union(*(letters(f"{base}/{n}") for n in found)) == set("abcdef")
    assert not [f for f in storage.list_files(f"{base}/.penstock") if "claims" in f.path]


def test_candidates_lie_out_of_sight_and_are_repeated(base: str, tmp_path: Path) -> None:
    """A server would load what nobody released; or a promotion would lose it."""
    hidden = version_store(base, candidates=True)
    done = hidden.publish(make_source(tmp_path / "a", "a"))
    assert version_store(base).versions() == []
    assert base_of(done.path) == base
    shown = repeat_version(done.path, "memory://nowhere", {"pushed_by": "somebody"})
    assert version_store(base).versions() == [shown.version]
    again = repeat_version(shown.path, done.path, {})
    assert (again.version, again.written) == (shown.version, False)
    assert base_of("/models/.candidates/5") == base_of("/models/5") == "/models"


def test_unknown_stores_are_named() -> None:
    """A newcomer would get fsspec's traceback."""
    with pytest.raises(StorageError, match="nosuch"):
        VersionBucket("nosuch://x/y").versions()


#: Pushes, and kills its own process at the n-th time it changes the store.
SCRIPT = """
import os, signal, sys
from penstock.components.push.version_bucket import VersionBucket
source, base, fatal = sys.argv[1], sys.argv[2], int(sys.argv[3])
place = base.partition("://")[2]
touched = 0
def watch(event, arguments):
    global touched
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
        if any(str(each).startswith(place) for each in arguments if isinstance(each, str)):
            touched += 1
            if touched == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
VersionBucket(base).publish(source)
print(touched)
"""


def run_push(source: str, base: str, fatal: int) -> subprocess.CompletedProcess[str]:
    """Pushes in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, source, base, str(fatal)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.kill
@pytest.mark.slow
def test_push_to_a_url_killed_anywhere_shows_old_or_new(tmp_path: Path) -> None:
    """Readers that go by the markers would load half a model."""
    # A store behind fsspec that outlives the process, without renames: `local://` is not
    # taken for a path, so files come to be one by one, as in a bucket.
    assert fsspec.get_filesystem_class("local")
    base = f"local://{tmp_path}/bucket"
    sources = [make_source(tmp_path / letter, letter) for letter in "ab"]
    whole = run_push(sources[0], base, 0)
    assert whole.returncode == 0, whole.stderr
    touches = int(whole.stdout)
    assert touches >= 12
    bucket = VersionBucket(base)
    points = range(1, touches, max(1, touches // 10))
    assert len(points) >= 10
    for fatal in points:
        before = bucket.versions()
        source = sources[letters(bucket.path(before[-1])) == {"a"}]
        killed = run_push(source, base, fatal)
        assert killed.returncode == -signal.SIGKILL, f"touch {fatal}: {killed.stderr}"
        after = bucket.versions()
        assert after[: len(before)] == before and len(after) - len(before) <= 1
        for version in after:
            assert len(letters(bucket.path(version))) == 1
            assert json.loads(Path(tmp_path, "bucket", ".penstock", f"{version}.json").read_text())
    # The next push finishes the work.
    assert letters(bucket.publish(source).path) == {os.path.basename(source)}


def test_pusher_pushes_to_a_url_and_knows_whether_it_still_stands(
    base: str, tmp_path: Path
) -> None:
    """A run would report as served what somebody deleted from the bucket."""
    make_source(tmp_path / "model" / "Format-Serving", "a")
    parameters = {"push_destination": {"filesystem": {"base_directory": base}}}

    def push() -> PushedModel:
        place = tmp_path / uuid.uuid4().hex
        place.mkdir()
        outputs = {"pushed_model": [PushedModel(str(place))]}
        model = Model(str(tmp_path / "model"), id=7)
        PusherExecutor().execute(Task({"model": [model]}, outputs, parameters))
        return outputs["pushed_model"][0]

    pushed = push()
    destination = str(pushed.custom_properties["pushed_destination"])
    assert letters(destination) == letters(pushed.uri) == {"a"}
    assert push().custom_properties["pushed_destination"] == destination
    assert is_still_pushed({"pushed_model": [pushed]}, parameters) is None
    storage.remove_tree(storage.join(destination, "saved_model.pb"))
    reason = is_still_pushed({"pushed_model": [pushed]}, parameters)
    assert reason is not None and "changed" in reason
    storage.remove_tree(destination)
    reason = is_still_pushed({"pushed_model": [pushed]}, parameters)
    assert reason is not None and "gone" in reason
