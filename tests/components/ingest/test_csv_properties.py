# SPDX-License-Identifier: Apache-2.0
"""The fast CSV path against a slow one that is plainly right: Python's `csv` module."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.components.ingest.examples_reader import examples_schema, read_table

pytest.importorskip("pyarrow")

SPLITS = {
    "split_config": {"splits": [{"name": "a", "hash_buckets": 3}, {"name": "b", "hash_buckets": 2}]}
}
MASK = 2**64 - 1

numbers = st.one_of(
    st.integers(-(2**66), 2**66).map(str),
    st.integers(-20, 20).map(str),
    st.floats().map(repr),
    st.from_regex(r"[+-]?0?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["nan", "NaN", "inf", "-Infinity", "1e999", "-0", "007", "0x1F", "1_0", " 7 "]),
)
texts = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\0\r"), st.sampled_from(',"\n \té\u2028')
    ),
    max_size=12,
)
cells = st.one_of(st.just(""), st.integers(-99, 99).map(str), numbers, texts)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """A header, and columns that each hold one kind of cell."""
    width = draw(st.integers(1, 4))
    header = [f"c{index}" for index in draw(st.permutations(range(width)))]
    kinds = draw(
        st.lists(
            st.sampled_from([cells, numbers, texts, st.integers().map(str)]),
            min_size=width,
            max_size=width,
        )
    )
    rows = draw(st.lists(st.tuples(*kinds).map(list), min_size=1, max_size=12))
    return header, rows


def bucket(row: dict[str, str], total: int) -> int:
    """The bucket of a record, straight from the definition in `record_hash`."""

    def step(h: int, w: int) -> int:
        x = ((h ^ w) * 0x9E3779B97F4A7C15) & MASK
        return x ^ (x >> 29)

    record = 0
    for name in sorted(row):
        text = row[name].encode()
        h = (len(text) * 0x9E3779B97F4A7C15) & MASK if text else 0xD1B54A32D192ED03
        for at in range(0, len(text), 8):
            h = step(h, int.from_bytes(text[at : at + 8], "little"))
        record = step(record, h)
    record ^= record >> 30
    record = (record * 0xBF58476D1CE4E5B9) & MASK
    record ^= record >> 27
    record = (record * 0x94D049BB133111EB) & MASK
    record ^= record >> 31
    return record % total


INT = re.compile(r"-?(0|[1-9][0-9]*)")
NUMBER = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
WORD = re.compile(r"-?(nan|inf|infinity)", re.IGNORECASE)


def expected_type(values: list[str]) -> str:
    """A column's type, straight from the definition in `column_types`."""
    found = [value.strip(" \t") for value in values if value != ""]
    if any(value == "-0" for value in found):
        return "string"
    if found and all(INT.fullmatch(v) and -(2**63) <= int(v) < 2**63 for v in found):
        return "int64"
    numeric = all(
        WORD.fullmatch(v) or (NUMBER.fullmatch(v) and not math.isinf(float(v))) for v in found
    )
    exact = not any(INT.fullmatch(v) and abs(int(v)) >= 2**53 for v in found)
    finite = any(NUMBER.fullmatch(v) for v in found)
    return "double" if found and numeric and exact and finite else "string"


def typed(value: str, kind: str) -> Any:
    """A cell as its column's type."""
    if value == "":
        return None
    return {"int64": int, "double": float, "string": str}[kind](value)


def same(got: Any, wanted: Any) -> bool:
    """Equal, with NaN equal to itself."""
    return got == wanted or (
        isinstance(got, float) and isinstance(wanted, float) and got != got and wanted != wanted
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    table=tables(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.sampled_from([200, 1000, 1 << 20]),
    zipped=st.booleans(),
)
def test_reads_what_python_reads(
    ingest: Any,
    table: tuple[list[str], list[list[str]]],
    line_end: str,
    quoting: Any,
    block: int,
    zipped: bool,
) -> None:
    """A cell is changed or lost, a type is wrong, or a record goes to another split."""
    from penstock.components.ingest import csv_scan

    header, rows = table
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=line_end, quoting=quoting)
    writer.writerow(header)
    writer.writerows(rows)
    text = buffer.getvalue()
    oracle = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    assert oracle == [header, *rows]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_scan, "BLOCK_SIZES", (block, 1 << 20))
        examples = ingest({"a.csv.gz" if zipped else "a.csv": text}, output_config=SPLITS)
    kinds = {name: expected_type([row[i] for row in rows]) for i, name in enumerate(header)}
    schema = examples_schema(examples)
    assert {field.name: str(field.type) for field in schema} == kinds
    records = [dict(zip(header, row, strict=True)) for row in rows]
    for split, buckets in {"a": {0, 1, 2}, "b": {3, 4}}.items():
        wanted = [record for record in records if bucket(record, 5) in buckets]
        got = read_table(examples, split).to_pylist()
        assert len(got) == len(wanted)
        for record, truth in zip(got, wanted, strict=True):
            for name, kind in kinds.items():
                assert same(record[name], typed(truth[name], kind)), (name, kind, record, truth)
    assert sum(json.loads(examples.custom_properties["row_counts"]).values()) == len(rows)
