# SPDX-License-Identifier: Apache-2.0
"""What both sides of a comparison read: one CSV file, and module files that both can load.

The rows are the real ones that the package ships, labelled, as the consumer-complaints
pipeline labels them. A file of more rows repeats them, with numbers of complaints, ZIP codes
and dates that differ from one repetition to the next, by a seed.
"""

from __future__ import annotations

import os
import random
from importlib.resources import files

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from penstock.pipelines.consumer_complaints.columns import (
    DISPUTED,
    LABEL,
    RESPONSE,
    UNANSWERED,
    ZIP_CODE,
)

SEED = 2015
#: Of so many ZIP codes one is masked, as in later publications. TFX takes a column for
#: numbers where all of it is digits; both sides are to read texts.
MASKED = 50
ID, RECEIVED = "Complaint ID", "Date received"
MODULES = ("columns.py", "zip_codes.py", "features.py", "model.py")


def labelled_rows() -> pa.Table:
    """The shipped rows that were answered, with a label."""
    folder = files("penstock.pipelines.consumer_complaints") / "data"
    paths = sorted(str(path) for path in folder.iterdir() if path.name.endswith(".csv.gz"))
    text = {name: pa.string() for name in pyarrow.csv.read_csv(paths[0]).column_names}
    options = pyarrow.csv.ConvertOptions(column_types=text, strings_can_be_null=True)
    table = pa.concat_tables(
        [pyarrow.csv.read_csv(path, convert_options=options) for path in paths]
    )
    unanswered = pc.is_in(table[RESPONSE], value_set=pa.array(UNANSWERED))
    table = table.filter(pc.invert(unanswered))
    label = pc.fill_null(pc.equal(table[DISPUTED], "Yes"), False).cast(pa.int64())
    return table.drop([DISPUTED]).append_column(LABEL, label)


def _varied(table: pa.Table, repetition: int) -> pa.Table:
    """The rows as they are the first time, after that with other numbers, codes and dates."""
    chance = random.Random(SEED + repetition)
    codes = table[ZIP_CODE].to_pylist()
    if repetition:
        codes = [code and str(chance.randrange(501, 99951)) for code in codes]
        ids = pa.array([str(chance.randrange(10**6, 10**7)) for _ in codes])
        table = table.set_column(table.column_names.index(ID), ID, ids)
        dates = table[RECEIVED].to_pylist()
        chance.shuffle(dates)
        table = table.set_column(table.column_names.index(RECEIVED), RECEIVED, pa.array(dates))
    for row in range(0, len(codes), MASKED):
        codes[row] = f"{(codes[row] or '10001').zfill(5)[:3]}XX"
    codes_column = pa.array(codes, pa.string())
    return table.set_column(table.column_names.index(ZIP_CODE), ZIP_CODE, codes_column)


def write_csv(folder: str, rows: int | None = None) -> tuple[str, int]:
    """Writes the rows, or so many of them and their variations, as the folder's only file.

    Returns:
        The folder, which is what `CsvExampleGen` reads, and how many rows there are.
    """
    os.makedirs(folder, exist_ok=True)
    table = labelled_rows()
    wanted, written = rows or table.num_rows, 0
    # TFX takes quotes around a name for a part of it, and Arrow always writes them.
    options = pyarrow.csv.WriteOptions(include_header=False)
    path = os.path.join(folder, "complaints.csv")
    with (
        open(path, "wb") as file,
        pyarrow.csv.CSVWriter(file, table.schema, write_options=options) as writer,
    ):
        file.write(",".join(table.column_names).encode() + b"\n")
        repetition = 0
        while written < wanted:
            part = _varied(table, repetition).slice(0, wanted - written)
            writer.write_table(part)
            written += part.num_rows
            repetition += 1
    return folder, written


def write_modules(folder: str) -> str:
    """Copies the pipeline's modules so that TFX can load them too; the folder.

    TFX puts all files of a module's folder at the top level, where relative imports mean
    nothing, and its `fn_args` have no seed. Both sides get these copies.
    """
    os.makedirs(folder, exist_ok=True)
    package = files("penstock.pipelines.consumer_complaints")
    for name in MODULES:
        text = (package / name).read_text(encoding="utf-8")
        text = text.replace("\nfrom .", "\nfrom ").replace("fn_args.seed", str(SEED))
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder
