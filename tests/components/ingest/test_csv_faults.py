# SPDX-License-Identifier: Apache-2.0
"""Files that are not what they should be: each is one clear error, at its line."""

from __future__ import annotations

import gzip
import json
import resource
from typing import Any

import pytest

from penstock.components.ingest import csv_scan
from penstock.utils.errors import DataError, StorageError

GOOD = "a,b,c\n" + "".join(f"{n},x,{n}.5\n" for n in range(2000))


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (GOOD + "1,2\n", "too few cells", 2002),
        (GOOD + "1,2,3,4\n", "too many cells", 2002),
        ('a,b\n"x\ny",1\n"p\nq\nr",1,2\n', "too many cells", 4),
        ('a,b\n1,"2\n3,4\n5,6\n', "never closed", 2),
        ('a,b\n1,2\n3,"4', "never closed", 3),
        ('a,b\n1,2\n"', "never closed", 3),
        ('a,b\n1,2\n"3,4\n5,6\n', "never closed", 3),
        (b"a,b\n1,2\ncaf\xe9,4\n", "not utf-8 text", 3),
        (b"a,caf\xe9\n1,2\n", "not utf-8 text", 1),
        ("a,b,a\n1,2,3\n", "missing or ambiguous", 1),
        ("a,,c\n1,2,3\n", "missing or ambiguous", 1),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "missing or ambiguous", 1),
        ("1,2\n3,4\n", "missing or ambiguous", 1),
        ("", "is empty", None),
        ("\n\n", "is empty", None),
        ("a,b\n", "no records", None),
        (b"PAR1....", "is a Parquet file", None),
        (b"PK\x03\x04....", "ZIP archive or an Excel", None),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16", None),
        (gzip.compress(GOOD.encode())[:-9], "cut off or damaged", None),
        (gzip.compress(GOOD.encode())[:-8], "cut off or damaged", None),
        (gzip.compress(GOOD.encode())[:-1], "cut off or damaged", None),
        (gzip.compress(GOOD.encode())[:300], "cut off or damaged", None),
        (gzip.compress(GOOD.encode())[:-8] + b"\0" * 8, "cut off or damaged", None),
    ],
)
def test_fault_is_explained(ingest: Any, content: str | bytes, what: str, line: int | None) -> None:
    """A malformed file gives a bare traceback, the wrong line, or loses rows silently."""
    with pytest.raises(DataError, match=what) as raised:
        ingest({"data.csv": content})
    assert "data.csv" in (raised.value.location or "")
    if line is not None:
        assert (raised.value.location or "").endswith(f"data.csv:{line}")


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz"])
def test_fault_far_from_the_end(ingest: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving up in the middle of a large file hangs: Arrow's threads are still reading it."""
    monkeypatch.setattr(csv_scan, "BLOCK_SIZES", (4096, 1 << 20))
    lines = [f"{n},{'x' * 50},{n}.5" for n in range(100_000)]
    lines[30_000] = "1,2"
    with pytest.raises(DataError, match="too few cells") as raised:
        ingest({name: "a,b,c\n" + "\n".join(lines)})
    assert (raised.value.location or "").endswith(f"{name}:30002")


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz"])
@pytest.mark.parametrize(
    "end",
    [
        '1,"p\nq"\n',
        '1,"p\nq"',
        '1,"p""q"""\r\n',
        "1,\n",
        '1,""\n',
        "1,NA",
        '1,"NA"\n\n\n',
        '1,5"',
        '1,",x"',
    ],
)
def test_last_cells_that_are_right(ingest: Any, name: str, end: str) -> None:
    """A file that ends in a proper way is taken for one with an unclosed quote."""
    examples = ingest({name: "a,b\n1,2\n" + end}, null_values=["NA"])
    assert sum(json.loads(examples.custom_properties["row_counts"]).values()) == 2


def test_unclosed_quote_in_compressed_file(ingest: Any) -> None:
    """Records behind an unclosed quote vanish where the end of a file cannot be looked at."""
    with pytest.raises(DataError, match="never closed"):
        ingest({"data.csv.gz": 'a,b\n1,2\n3,"4\n5,6\n'})


def test_full_disk(ingest: Any) -> None:
    """A full disk crashes the process, or its error says nothing."""
    rows = "".join(f"{n},{n * 7919 % 100_003}\n" for n in range(200_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for payload in ("parquet", "tfrecord"):
        with pytest.raises(StorageError, match="cannot write"):
            try:
                files = {"data.csv": "a,b\n" + rows}
                ingest(
                    files,
                    payload_format=payload,
                    before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1])),
                )
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_fault_in_compressed_file(ingest: Any) -> None:
    """Faults inside compressed files have no line."""
    with pytest.raises(DataError, match="too few cells") as raised:
        ingest({"data.csv.gz": GOOD + "1,2\n"})
    assert (raised.value.location or "").endswith("data.csv.gz:2002")


@pytest.mark.parametrize(
    ("other", "message"),
    [("a,b\n1,2\n", r"lacks 'c'"), ("a,b,c,d\n1,2,3,4\n", r"has 'd'"), ("a,b,cc\n1,2,3\n", "mean")],
)
def test_headers_that_differ(ingest: Any, other: str, message: str) -> None:
    """Files with other columns are read into the wrong ones."""
    with pytest.raises(DataError, match="different headers") as raised:
        ingest({"1.csv": GOOD, "2.csv": other})
    assert message in str(raised.value)


def test_value_that_does_not_parse(ingest: Any) -> None:
    """A value that is not of the asked type is not found."""
    with pytest.raises(DataError, match="column 'b' is not of the column's type") as raised:
        ingest({"data.csv": GOOD}, column_types={"b": "int"})
    assert (raised.value.location or "").endswith("data.csv:2")
    assert "'x'" in str(raised.value)


def test_file_that_is_not_there(ingest: Any) -> None:
    """A wrong folder gives a bare traceback."""
    with pytest.raises(DataError, match="no file fits"):
        ingest({"a.csv": GOOD}, input_base="/no/such/folder")
