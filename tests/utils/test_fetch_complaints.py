# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import gzip
import io
import zipfile
from pathlib import Path

import pytest

from penstock.utils.errors import DataError
from penstock.utils.fetch_complaints import COLUMNS, main, prepare, span_of


def _archive(path: Path, rows: list[dict[str, str]], columns: list[str]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("complaints.csv", text.getvalue())
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three complaints of two months, as the bureau publishes them."""
    columns = [*COLUMNS, "Company", "Tags"]
    rows = [
        {"Complaint ID": "1", "Date received": "2015-07-02", "Consumer disputed?": "Yes"},
        {"Complaint ID": "2", "Date received": "2015-08-31", "Consumer disputed?": "N/A"},
        {"Complaint ID": "3", "Date received": "07/30/2015", "State": "MA", "Company": "A, B"},
    ]
    return _archive(tmp_path / "complaints.csv.zip", rows, columns)


def _read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_complaints_go_to_the_file_of_their_month(archive: Path, tmp_path: Path) -> None:
    """Without it, a span would hold complaints of another month, or lose some."""
    assert prepare(archive, 7, 8, tmp_path / "data") == {7: 2, 8: 1}
    july, august = _read(tmp_path / "data/span-7.csv.gz"), _read(tmp_path / "data/span-8.csv.gz")
    assert [row["Complaint ID"] for row in july] == ["1", "3"]
    assert list(july[0]) == list(COLUMNS.values())
    assert august[0]["Consumer disputed?"] == ""
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "span-7.csv.gz",
        "span-8.csv.gz",
    ]


def test_equal_complaints_give_equal_bytes(archive: Path, tmp_path: Path) -> None:
    """Without it, fetching again would look like new data."""
    for name in ("one", "two"):
        prepare(archive, 7, 7, tmp_path / name)
    one, two = (tmp_path / name / "span-7.csv.gz" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_another_publication_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    """Without it, renamed columns would give files of blanks."""
    archive = _archive(tmp_path / "a.zip", [], ["Complaint ID", "Product"])
    with pytest.raises(DataError, match="other columns") as caught:
        prepare(archive, 7, 7, tmp_path / "data")
    assert "State" in str(caught.value.got)
    assert list((tmp_path / "data").iterdir()) == []


def test_what_is_no_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it, an error page saved by a browser would show a traceback."""
    (tmp_path / "a.zip").write_text("<html>", encoding="utf-8")
    where = ["--into", str(tmp_path / "data"), "--archive", str(tmp_path / "a.zip")]
    assert main(["--from", "2015-07", "--to", "2015-07", *where]) == 2
    assert "is not the bureau's publication" in capsys.readouterr().err


@pytest.mark.parametrize(("month", "span"), [("2015-01", 1), ("2015-12", 12), ("2017-04", 28)])
def test_spans_count_months(month: str, span: int) -> None:
    """Without it, new files would not continue the ones that are shipped."""
    assert span_of(month) == span


@pytest.mark.parametrize("month", ["2014-12", "2015-13", "July", "2015"])
def test_wrong_months_are_refused(month: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it, a misspelt month would give empty files."""
    assert main(["--from", month, "--to", "2015-07", "--into", "data"]) == 2
    assert month in capsys.readouterr().err
