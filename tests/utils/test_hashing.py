# SPDX-License-Identifier: Apache-2.0
"""Digests: equal for equal content, different for different content, nothing else."""

from __future__ import annotations

import enum
import hashlib
import json
import math
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.utils import storage
from penstock.utils.errors import FingerprintError, StorageError
from penstock.utils.hashing import (
    digest_bytes,
    digest_entries,
    digest_file,
    digest_json,
    digest_tree,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def tagged(value: Any) -> Any:
    """A form in which values of different types never compare equal."""
    if isinstance(value, list):
        return ("list", [tagged(item) for item in value])
    if isinstance(value, dict):
        return ("dict", sorted((key, tagged(item)) for key, item in value.items()))
    return (type(value).__name__, repr(value))


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of equal types throughout."""
    return bool(tagged(one) == tagged(other))


@given(values, values)
def test_json_digests_collide_only_for_equal_values(one: Any, other: Any) -> None:
    """Two values with one digest would share one cache entry."""
    assert (digest_json(one) == digest_json(other)) == same(one, other)


@given(values)
def test_json_digest_survives_a_round_trip(value: Any) -> None:
    """A parameter must hash alike before compiling and after being read from the IR."""
    assert digest_json(json.loads(json.dumps(value))) == digest_json(value)


def test_values_that_look_alike() -> None:
    """Each of these was once the same as another in some framework's cache."""
    alike: list[Any] = [
        1, 1.0, True, "1", "True", None, "None", "null", [], {}, "", 0, 0.0, -0.0, False, [[]],
        [{}], {"": None}, [None], ["a", "b"], ["ab"], ["a,b"], [["a"], "b"], [["a", "b"]],
        {"a": "b"}, {"a": {"b": None}}, {"a": 1, "b": 2}, {"a": "1", "b": 2}, [1, 2], [12],
        [1, [2]], math.inf, -math.inf, "inf", "1.0", 10**5000, 10**5000 + 1, "\ud800",
    ]  # fmt: skip
    assert len({digest_json(value) for value in alike}) == len(alike)


def test_values_that_are_alike() -> None:
    """Order of keys, tuples, and enums of text make no difference to JSON, nor here."""

    class Color(str, enum.Enum):
        RED = "red"

    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json((1, (2,))) == digest_json([1, [2]])
    assert digest_json(Color.RED) == digest_json("red")


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {2}]}, r"value\.a\[1\]"),
        ({"a": b"x"}, r"value\.a"),
        ([math.nan], r"value\[0\].*"),
        ({1: "x"}, "value"),
        (object(), "value"),
        (len, "value"),
    ],
)
def test_what_is_no_json_is_refused(value: Any, where: str) -> None:
    """A silent repr() would be a wrong hit today and a miss tomorrow."""
    with pytest.raises(FingerprintError, match=f"^{where} cannot be hashed") as raised:
        digest_json(value)
    assert raised.value.fix is not None
    assert raised.value.fix.count(", or ") == 2, "there are three ways out"


def test_value_that_contains_itself() -> None:
    """A loop must be an error, not a crash."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(FingerprintError, match="contains itself"):
        digest_json(loop)


def test_digests_do_not_change() -> None:
    """Whatever changes these must raise the version of the algorithm."""
    assert digest_json({"a": [1, 1.5, True, None, "ä"], "b": {}}) == GOLDEN_JSON
    assert digest_entries([("b/c", 3, "00"), ("a", 1, "11")]) == GOLDEN_TREE
    assert digest_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest()


GOLDEN_JSON = "5b78e3633b7bca8401f17cd53d4504ae7d72557995c4b1125807caeb9d1e5c67"
GOLDEN_TREE = "29663b972224e1d8b466cf6e3e181761c4b704ef170ab5533f0457470dbb8781"


def test_file_digest_is_sha256(tmp_path: Path) -> None:
    """Anyone can check it with sha256sum."""
    data = os.urandom(3_000_001)
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()
    uri = f"memory://{uuid.uuid4().hex}/f"
    storage.write_bytes_atomic(uri, data)
    assert digest_file(uri) == hashlib.sha256(data).hexdigest()
    with pytest.raises(StorageError, match="does not exist"):
        digest_file(tmp_path / "absent")


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    """Writes files below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


FILES = {"a/b.txt": b"1", "a/c.txt": b"2", "d": b""}


def test_tree_digest_sees_content_only(tmp_path: Path) -> None:
    """Place, time, order of writing and empty folders must not count; storage neither."""
    one = write_tree(tmp_path / "one", FILES)
    other = write_tree(tmp_path / "x" / "other", dict(reversed(FILES.items())))
    (other / "empty" / "deeper").mkdir(parents=True)
    os.utime(other / "d", (1, 1))
    os.chmod(other / "d", 0o600)
    remote = f"memory://{uuid.uuid4().hex}"
    storage.copy_tree(one, remote)
    assert digest_tree(one) == digest_tree(other) == digest_tree(remote)


@pytest.mark.parametrize(
    "files",
    [
        {**FILES, "d": b"x"},
        {**FILES, "e": b""},
        {"a/b.txt": b"2", "a/c.txt": b"1", "d": b""},
        {"a/b.txt": b"1", "a/c.txt": b"2"},
        {"a/b.txt": b"1", "ac.txt": b"2", "d": b""},
        {"b.txt": b"1", "c.txt": b"2", "d": b""},
        {},
    ],
)
def test_tree_digest_sees_every_change(tmp_path: Path, files: dict[str, bytes]) -> None:
    """A change that is not seen stops the pipeline from running again."""
    one = digest_tree(write_tree(tmp_path / "one", FILES))
    assert digest_tree(write_tree(tmp_path / "other", files)) != one


def test_tree_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    """An empty folder has a digest; nothing at all has none."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"1")
    assert digest_tree(tmp_path / "empty") == digest_entries([])
    assert digest_tree(tmp_path / "file") == digest_entries([("", 1, digest_bytes(b"1"))])
    with pytest.raises(StorageError, match="does not exist"):
        digest_tree(tmp_path / "absent")


def test_large_trees_are_hashed_alike(tmp_path: Path) -> None:
    """Threads must not mix up the files."""
    files = {f"{n}": bytes([n]) * (3 << 20) for n in range(4)}
    expected = digest_entries((n, len(data), digest_bytes(data)) for n, data in files.items())
    assert digest_tree(write_tree(tmp_path / "big", files)) == expected
