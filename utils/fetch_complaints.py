# SPDX-License-Identifier: Apache-2.0
"""Fetches the bureau's complaint database and prepares it as monthly files.

    python -m penstock.utils.fetch_complaints --from 2015-07 --to 2015-12 --into data

The US Consumer Financial Protection Bureau publishes all complaints, since June 2015 with
the consumer's own words, at https://www.consumerfinance.gov/data-research/consumer-complaints/.
Whether a consumer disputed the response was recorded until April 2017.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import io
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from .errors import DataError, ParameterError, PenstockError, StorageError

PUBLICATION = "https://files.consumerfinance.gov/ccdb/complaints.csv.zip"

#: Columns kept, by their name in the publication, with their name in the prepared files.
COLUMNS = {
    "Complaint ID": "Complaint ID",
    "Product": "Product",
    "Sub-product": "Sub-product",
    "Issue": "Issue",
    "Sub-issue": "Sub-issue",
    "Consumer complaint narrative": "Consumer complaint narrative",
    "State": "State",
    "ZIP code": "ZIP code",
    "Date received": "Date received",
    "Date sent to company": "Date sent to company",
    "Company response to consumer": "Company response",
    "Timely response?": "Timely response?",
    "Consumer disputed?": "Consumer disputed?",
}
#: What the publication writes where nothing was recorded.
_NOTHING = ("N/A", "None")
#: Spans count months, and this is the first.
_FIRST_YEAR, _FIRST_MONTH = 2015, 1


def span_of(month: str) -> int:
    """The span of a month written `YYYY-MM`: January 2015 is 1.

    Raises:
        ParameterError: It is not such a month, or an earlier one.
    """
    year, _, number = month.partition("-")
    if year.isdigit() and number.isdigit() and len(year) == 4 and 1 <= int(number) <= 12:
        span = (int(year) - _FIRST_YEAR) * 12 + int(number) - _FIRST_MONTH + 1
        if span >= 1:
            return span
    raise ParameterError("not a month", expected="YYYY-MM, from 2015-01 on", got=month)


def prepare(archive: Path, first: int, last: int, folder: Path) -> dict[int, int]:
    """Writes the complaints of some months to `span-<n>.csv.gz`, each file whole or not at all.

    Args:
        archive: The publication, a zip file with one CSV file.
        first: The first span to prepare.
        last: The last.
        folder: Where to write.

    Returns:
        Number of complaints by span.

    Raises:
        DataError: The archive is not the publication.
        StorageError: The files cannot be written.
    """
    counts = dict.fromkeys(range(first, last + 1), 0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _divide(archive, Path(scratch), counts)
            for span in counts:
                os.replace(Path(scratch, _name(span)), folder / _name(span))
    except OSError as error:
        raise StorageError(
            "the prepared files cannot be written", got=str(error), location=str(folder)
        ) from error
    return counts


def _name(span: int) -> str:
    return f"span-{span}.csv.gz"


def _divide(archive: Path, folder: Path, counts: dict[int, int]) -> None:
    """Writes every complaint to the file of its month, and counts it."""
    with contextlib.ExitStack() as stack:
        writers = {
            span: csv.writer(stack.enter_context(_gzip_text(folder / _name(span))))
            for span in counts
        }
        for writer in writers.values():
            writer.writerow(COLUMNS.values())
        for span, row in _rows(archive):
            if span in writers:
                writers[span].writerow(row)
                counts[span] += 1


@contextlib.contextmanager
def _gzip_text(path: Path) -> Iterator[TextIO]:
    # Without name and time in the header, equal complaints give equal bytes.
    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield text


def _rows(archive: Path) -> Iterator[tuple[int, list[str]]]:
    """Complaints one by one: the span, and the columns that are kept."""
    try:
        with zipfile.ZipFile(archive) as opened:
            (name,) = [found for found in opened.namelist() if found.endswith(".csv")]
            with io.TextIOWrapper(opened.open(name), encoding="utf-8", newline="") as text:
                reader = csv.DictReader(text)
                missing = set(COLUMNS) - set(reader.fieldnames or ())
                if missing:
                    raise DataError(
                        "the publication has other columns than this script knows",
                        expected=", ".join(COLUMNS),
                        got=f"no {', '.join(sorted(missing))}",
                        fix="adapt COLUMNS",
                    )
                for row in reader:
                    yield (
                        _span_of_date(row["Date received"]),
                        ["" if row[column] in _NOTHING else row[column] for column in COLUMNS],
                    )
    except (zipfile.BadZipFile, ValueError, UnicodeDecodeError) as error:
        raise DataError(
            "the archive is not the bureau's publication",
            expected="a zip file with one CSV file",
            got=str(error),
            location=str(archive),
            fix="fetch it again",
        ) from error


def _span_of_date(date: str) -> int:
    """The span of a date written `YYYY-MM-DD` or `M/D/YYYY`; 0 or less before 2015."""
    year, month = date.split("-")[:2] if "-" in date else date.split("/")[2::-2]
    return (int(year) - _FIRST_YEAR) * 12 + int(month) - _FIRST_MONTH + 1


def fetch(address: str, path: Path) -> None:
    """Downloads the publication (a gigabyte or more), telling how far it is.

    Raises:
        StorageError: It cannot be reached or written.
    """
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, open(path, "wb") as file:
            size = answer.headers.get("Content-Length")
            print(f"fetching {address}" + (f" ({int(size) >> 20} MiB)" if size else ""))
            shutil.copyfileobj(answer, file, 1 << 20)
    except (urllib.error.URLError, OSError) as error:
        raise StorageError(
            "the publication cannot be fetched",
            got=str(error),
            location=address,
            fix="fetch it with a browser and pass the file: --archive complaints.csv.zip",
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--from", dest="first", required=True, metavar="YYYY-MM")
    parser.add_argument("--to", dest="last", required=True, metavar="YYYY-MM")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--archive", type=Path, help="the publication, if it is at hand")
    chosen = parser.parse_args(arguments)
    try:
        first, last = span_of(chosen.first), span_of(chosen.last)
        with tempfile.TemporaryDirectory() as scratch:
            archive = chosen.archive or Path(scratch, "complaints.csv.zip")
            if chosen.archive is None:
                fetch(PUBLICATION, archive)
            for span, count in prepare(archive, first, last, chosen.into).items():
                print(f"{chosen.into / _name(span)}: {count} complaints")
    except PenstockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
