# SPDX-License-Identifier: Apache-2.0
"""Faulty records put aside: where they are, why, and that none is lost."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.components.ingest import csv_scan
from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.components.ingest.examples_reader import read_table
from penstock.utils.errors import DataError

ONE = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}


@pytest.fixture
def quarantine(tmp_path: Path, node_runner: Callable[..., Any]) -> Callable[..., Any]:
    """Ingests one file with faulty records put aside."""
    files = iter(range(10_000))

    def run(content: str | bytes, **arguments: Any) -> Any:
        path = tmp_path / f"in{next(files)}" / "data.csv"
        path.parent.mkdir()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        settings = {"output_config": ONE, "row_faults": "quarantine", **arguments}
        return node_runner(CsvExampleGen(input_base=str(path), **settings))

    return run


def kept(found: Any) -> list[list[Any]]:
    """Records of the artifact, as lists of values."""
    table = read_table(found.examples, "all")
    return [list(row.values()) for row in table.to_pylist()]


def rejected(found: Any) -> list[tuple[int, str, str]]:
    """(line, reason, raw text) of each rejected record."""
    return [(row["line"], row["reason"], row["raw"]) for row in found.rejected]


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("a,b\n1,x\n2\n3,y\n", [[1, "x"], [3, "y"]], [(3, "too_few_cells", "2")]),
        ("a,b\n1,x\n2,y,z\n", [[1, "x"]], [(3, "too_many_cells", "2,y,z")]),
        ('a,b\n1,"x\n2,y\n3,z\n', [[2, "y"], [3, "z"]], [(2, "bad_quoting", '1,"x')]),
        (
            'a,b\n1,"x\n2,y\n3,"z\n4,w\n',
            [[2, "y"], [4, "w"]],
            [(2, "bad_quoting", '1,"x'), (4, "bad_quoting", '3,"z')],
        ),
        ('a,b\n1,"x"y\n2,"p\nq"\n', [[2, "p\nq"]], [(2, "bad_quoting", '1,"x"y')]),
        ('a,b\n1,5"\n2\n', [[1, '5"']], [(3, "too_few_cells", "2")]),
        ('a,b\n"p\nq",1,2\n\n7,8\n', [[7, 8]], [(2, "too_many_cells", '"p\nq",1,2')]),
        (
            b"a,b\r\n1,caf\xe9\r\n2,y",
            [[2, "y"]],
            [(2, "bad_encoding", "1,caf\\xe9")],
        ),
    ],
)
def test_faulty_records_are_put_aside(
    quarantine: Any, text: str | bytes, good: list[Any], bad: list[Any]
) -> None:
    """A record is lost, is put aside for nothing, or takes others with it."""
    found = quarantine(text)
    assert kept(found) == good
    assert rejected(found) == bad
    assert found.properties["rows"] == len(good)
    assert found.properties["rows_rejected"] == len(bad)


def test_values_that_do_not_parse(quarantine: Any) -> None:
    """A value that is not of the type asked for ends the run, or becomes missing."""
    rows = [f"{n},{'true' if n % 3 else 'maybe'},{n if n % 5 else 'x'}" for n in range(1, 30)]
    found = quarantine("n,yes,k\n" + "\n".join(rows), column_types={"yes": "bool", "k": "int"})
    bad = [n for n in range(1, 30) if n % 3 == 0 or n % 5 == 0]
    assert [row["line"] - 1 for row in found.rejected] == bad
    assert {row["reason"] for row in found.rejected} == {"bad_value"}
    assert "'maybe' in column 'yes' is not bool" in found.rejected[0]["detail"]
    assert [row[0] for row in kept(found)] == [n for n in range(1, 30) if n not in bad]


def test_oversize_fields(quarantine: Any) -> None:
    """A cell above the limit passes, or one at it does not."""
    text = f"a,b\n1,{'x' * 10}\n2,{'é' * 5}\n3,{'é' * 5}x\n4,y\n"
    found = quarantine(text, max_field_bytes=10)
    assert [row[0] for row in kept(found)] == [1, 2, 4]
    assert [(row["line"], row["reason"]) for row in found.rejected] == [(4, "oversize_field")]
    with pytest.raises(DataError, match="too large") as raised:
        quarantine(text, max_field_bytes=10, row_faults="fail")
    assert (raised.value.location or "").endswith(":4")


def test_record_longer_than_the_largest_block(
    quarantine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that cannot be read at all ends the run in an error without a line."""
    monkeypatch.setattr(csv_scan, "BLOCK_SIZES", (64, 256))
    text = "a,b\n" + "1,x\n" * 50 + f"2,{'y' * 2000}\n" + "3,z\n" * 50
    found = quarantine(text)
    assert len(kept(found)) == 100
    assert [(row["line"], row["reason"]) for row in found.rejected] == [(52, "oversize_record")]
    with pytest.raises(DataError, match="too long") as raised:
        quarantine(text, row_faults="fail")
    assert (raised.value.location or "").endswith(":52")


def test_a_missing_quote_joins_no_records(quarantine: Any) -> None:
    """Records between two quotes that do not match vanish inside a cell."""
    text = 'a,b\n1,"x\n2,y\n3,z"w\n'
    with pytest.raises(DataError, match="goes on after its closing quote"):
        quarantine(text, row_faults="fail")
    assert len(kept(quarantine(text))) + len(quarantine(text).rejected) == 3


def test_good_file_gives_equal_bytes(quarantine: Any, node_runner: Any, tmp_path: Path) -> None:
    """Records taken for good differ from those of a file without faults."""
    good = [f'{n},"w ""{n % 7}"" x",{n}.5' for n in range(500)]
    text = "a,b,c\n" + "\n".join(good) + "\n"
    mixed = (
        "a,b,c\n"
        + "\n".join(line + ("\n1,2" if n % 9 == 0 else "") for n, line in enumerate(good))
        + "\n"
    )
    splits = {"split_config": {"splits": [{"name": n, "hash_buckets": 1} for n in "ab"]}}
    digests = []
    for content in (text, mixed):
        found = quarantine(content, output_config=splits)
        files = sorted(Path(found.examples.uri).rglob("*.parquet"))
        digests.append([path.read_bytes() for path in files])
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"a,b\n1,2\n3\n" * 400)[:-20], "cut off or damaged"),
        ("", "is empty"),
        ("a,a\n1,2\n", "ambiguous"),
        (b"a,caf\xe9\n1,2\n", "not utf-8"),
        ("a,b\n1\n2\n", "every record was rejected"),
        ("a,b\n", "no records"),
    ],
)
def test_faults_of_whole_files_are_errors(
    quarantine: Any, content: str | bytes, message: str
) -> None:
    """Quarantine hides that a whole file is not what it should be."""
    with pytest.raises(DataError, match=message):
        quarantine(content)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8"])
def test_other_encodings(quarantine: Any, encoding: str) -> None:
    """Faults in files of other encodings are not put aside."""
    content = "a,b\nZürich,1\nGenève\nBâle,3\n".encode(encoding)
    found = quarantine(content, encoding=encoding)
    assert kept(found) == [["Zürich", 1], ["Bâle", 3]]
    assert rejected(found) == [(3, "too_few_cells", "Genève")]


def test_without_quarantine_there_is_no_such_output() -> None:
    """A pipeline that fails at faults records an empty artifact for each run."""
    assert list(CsvExampleGen(input_base="x").outputs) == ["examples"]
    both = CsvExampleGen(input_base="x", row_faults="quarantine")
    assert list(both.outputs) == ["examples", "rejected"]


lines = st.text(st.sampled_from('ab1,"\n\ré'), max_size=9)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.lists(st.one_of(st.sampled_from(["1,2", '"p\nq",3']), lines), max_size=8))
def test_every_line_is_somewhere(quarantine: Any, body: list[str]) -> None:
    """A line of a damaged file is neither in the records nor among the rejected."""
    text = "c1,c2\n" + "\n".join(body)
    try:
        found = quarantine(text, column_types={"c1": "string", "c2": "string"})
    except DataError as error:
        assert error.what in ("the files hold no records", "every record was rejected")
        return
    flat = "".join(cell or "" for row in kept(found) for cell in row)
    flat += "".join(row["raw"] for row in found.rejected)
    for letter in "ab1é":
        assert flat.count(letter) == "\n".join(body).count(letter)
    oracle = list(csv.reader(io.StringIO(text, newline=""), strict=False))
    if not found.rejected:
        assert len(kept(found)) == len([row for row in oracle[1:] if row])
