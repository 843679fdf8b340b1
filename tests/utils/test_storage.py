# SPDX-License-Identifier: Apache-2.0
"""Files and folders, here and behind URLs."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from penstock.utils import storage
from penstock.utils.errors import StorageError


@pytest.fixture(params=["local", "file", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh folder of each kind."""
    return {
        "local": str(tmp_path / "new folder"),
        "file": f"file://{tmp_path}/new",
        "memory": f"memory://{uuid.uuid4().hex}/deep",
    }[request.param]


def test_life_of_files(root: str) -> None:
    """Every kind of storage must answer alike."""
    one, two = storage.join(root, "a", "one.txt"), storage.join(root, "two.bin")
    assert not storage.exists(root)
    storage.write_text_atomic(one, "grün")
    storage.write_bytes_atomic(two, b"123")
    storage.write_bytes_atomic(two, b"12345")
    assert storage.read_text(one) == "grün"
    assert storage.read_bytes(two) == b"12345"
    assert storage.file_size(two) == 5
    assert storage.is_dir(root)
    assert not storage.is_dir(two)
    assert storage.list_files(root) == [("a/one.txt", 5), ("two.bin", 5)]
    assert storage.list_files(root, recursive=False) == [("two.bin", 5)]
    assert [found.rsplit("/", 1)[1] for found in storage.glob(f"{root}/**/*.txt")] == ["one.txt"]
    assert [found.rsplit("/", 1)[1] for found in storage.glob(f"{root}/tw?.*")] == ["two.bin"]
    with storage.open_file(one, "r") as file:
        assert file.read() == "grün"
    copied = storage.join(root, "..", "copy") if "memory" not in root else f"{root}-copy"
    storage.copy_tree(root, copied)
    assert storage.list_files(copied) == storage.list_files(root)
    moved = f"{copied}-moved"
    storage.move(copied, moved)
    assert not storage.exists(copied)
    assert storage.list_files(moved) == storage.list_files(root)
    with pytest.raises(StorageError, match="the target exists"):
        storage.move(root, moved)
    storage.remove_tree(one)
    storage.remove_tree(moved)
    storage.remove_tree(moved)
    assert not storage.exists(moved)
    assert storage.list_files(root) == [("two.bin", 5)]


def test_what_is_not_there(root: str) -> None:
    """A missing file must be named, not raise a bare OSError."""
    for act in (storage.read_bytes, storage.read_text, storage.file_size, storage.list_files):
        with pytest.raises(StorageError, match="does not exist"):
            act(storage.join(root, "absent.txt"))  # type: ignore[operator]


def test_copies_between_kinds(tmp_path: Path) -> None:
    """Data moves between a bucket and the local disk."""
    remote = f"memory://{uuid.uuid4().hex}"
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "x").write_bytes(b"x" * 3_000_000)
    storage.copy_tree(str(tmp_path / "in"), remote)
    storage.copy_tree(remote, tmp_path / "out")
    assert (tmp_path / "out/sub/x").read_bytes() == b"x" * 3_000_000
    storage.move(tmp_path / "out", f"{remote}/back")
    assert not (tmp_path / "out").exists()
    assert storage.exists(f"{remote}/back/sub/x")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("/a", "b", "c"), "/a/b/c"),
        (("/a/", "/b/", ""), "/a/b"),
        (("s3://bucket", "b"), "s3://bucket/b"),
        (("memory://", "b"), "memory://b"),
        (("", "a"), "a"),
        (("a",), "a"),
        (("/", "a"), "/a"),
    ],
)
def test_join(parts: tuple[str, ...], expected: str) -> None:
    """Doubled slashes are other keys in an object store."""
    assert storage.join(*parts) == expected


def test_local_or_not() -> None:
    """A URL must not be taken for a path."""
    assert storage.is_local("/a/b")
    assert storage.is_local(Path("a"))
    assert storage.is_local("file:///a")
    assert not storage.is_local("s3://b/a")
    assert storage.local_path("file:///a%20b/c") == "/a b/c"
    with pytest.raises(StorageError, match="does not lie on this machine"):
        storage.local_path("s3://b/a")


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """A reader must see the old bytes or the new ones, never half."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "inside").write_text("kept")
    with pytest.raises(StorageError, match="cannot write"):
        storage.write_bytes_atomic(target, b"new")
    assert sorted(os.listdir(tmp_path)) == ["target"]
    assert (target / "inside").read_text() == "kept"


def test_links(tmp_path: Path) -> None:
    """Linked data counts as data; a link in a circle must not hang; deletion spares the target."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "f").write_text("1")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(data)
    (folder / "circle").symlink_to(folder)
    assert storage.list_files(folder) == [("link/f", 1)]
    storage.remove_tree(folder / "link")
    assert (data / "f").exists()
    (folder / "broken").symlink_to(tmp_path / "absent")
    with pytest.raises(StorageError, match="does not exist"):
        storage.list_files(folder)


def test_unknown_and_uninstalled_protocols() -> None:
    """A misspelt protocol and a missing driver need different remedies."""
    with pytest.raises(StorageError, match="no known kind of storage") as raised:
        storage.exists("memori://a")
    assert raised.value.suggestion == "memory://"
    with pytest.raises(StorageError, match=r"driver for \w+:// is not installed") as raised:
        storage.exists("oci://bucket/a")
    assert raised.value.fix is not None
    assert raised.value.fix.startswith("pip install")


def test_fsspec_is_not_imported_for_local_files(tmp_path: Path) -> None:
    """A light process must stay light."""
    script = (
        "import sys; from penstock.utils import storage, hashing, logs, user_code;"
        f"storage.write_bytes_atomic({str(tmp_path / 'a')!r}, b'1');"
        f"storage.list_files({str(tmp_path)!r});"
        "heavy = {'fsspec', 'pydantic', 'sqlite3', 'asyncio', 'numpy'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
