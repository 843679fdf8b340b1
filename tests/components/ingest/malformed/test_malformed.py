# SPDX-License-Identifier: Apache-2.0
"""Malformed inputs, each with its stated outcome.

`fail` is what the default policy says (None where the input is acceptable after all), with
the line where there is one. `kept` and `rejected` are numbers of records under quarantine;
where `kept` is None the whole file is at fault, and quarantine changes nothing.
"""

from __future__ import annotations

import gzip
import io
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.components.ingest.avro_example_gen import AvroExampleGen
from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.components.ingest.import_example_gen import ImportExampleGen
from penstock.components.ingest.jsonl_example_gen import JsonlExampleGen
from penstock.components.ingest.parquet_example_gen import ParquetExampleGen
from penstock.utils.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

GENERATORS: dict[str, Any] = {
    "csv": CsvExampleGen,
    "jsonl": JsonlExampleGen,
    "parquet": ParquetExampleGen,
    "avro": AvroExampleGen,
    "tfrecord": ImportExampleGen,
}
ONE = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}
ROWS = b"a,b\n" + b"".join(b"%d,x%d\n" % (n, n) for n in range(300))


@dataclass(frozen=True)
class Case:
    """One malformed input and its outcome."""

    name: str
    kind: str
    content: bytes | dict[str, bytes]
    fail: str | None
    line: int | None = None
    kept: int | None = None
    rejected: int = 0
    reason: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def parquet(table: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def avro(schema: Any, rows: list[Any]) -> bytes:
    """Rows as the bytes of an Avro file."""
    fastavro = pytest.importorskip("fastavro")
    sink = io.BytesIO()
    fastavro.writer(sink, fastavro.parse_schema(schema), rows)
    return sink.getvalue()


def tfrecord(*records: bytes) -> bytes:
    """The bytes of a TFRecord file."""
    from penstock.components.ingest.tfrecord_files import _head, _mask_one, google_crc32c

    return b"".join(
        _head(len(record)) + record + struct.pack("<I", _mask_one(google_crc32c.value(record)))
        for record in records
    )


def example(**values: Any) -> bytes:
    """A serialized `tf.Example`."""
    from penstock.components.ingest.example_encoding import encode_examples

    found: bytes = encode_examples(pa.RecordBatch.from_pylist([values]))[0].as_py()
    return found


INTS = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}]}
NESTED = {
    "type": "record",
    "name": "r",
    "fields": [{"name": "m", "type": {"type": "map", "values": "int"}}],
}
GOOD_AVRO = avro(INTS, [{"a": n} for n in range(2000)])
GOOD_PARQUET = parquet(pa.table({"a": list(range(2000))}))

CASES = [
    # Whole files of CSV that are something else, or nothing.
    Case("empty", "csv", b"", "is empty"),
    Case("blank-lines", "csv", b"\n\r\n\n", "is empty"),
    Case("header-only", "csv", b"a,b\n", "no records"),
    Case("no-header", "csv", b"5.1,3.5,x\n4.9,3.0,y\n", "missing or ambiguous", 1),
    Case("duplicate-columns", "csv", b"a,b,a\n1,2,3\n", "missing or ambiguous", 1),
    Case("unnamed-column", "csv", b"a,,c\n1,2,3\n", "missing or ambiguous", 1),
    Case("semicolons", "csv", b'\xef\xbb\xbfa;b\n1;"2\n3"\n', "to be separated by ';'"),
    Case("tabs", "csv", b"a\tb\n1\t2\n3\t4\n", r"to be separated by '\\t'"),
    Case("header-encoding", "csv", b"a,caf\xe9\n1,2\n", "not utf-8", 1),
    Case("utf-16", "csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    Case("a-parquet-file", "csv", GOOD_PARQUET, "is a Parquet file"),
    Case("an-excel-file", "csv", b"PK\x03\x04rest", "Excel"),
    Case("cut-gzip", "csv", gzip.compress(ROWS)[:-30], "cut off or damaged"),
    Case("gzip-checksum", "csv", gzip.compress(ROWS)[:-8] + bytes(8), "cut off or damaged"),
    Case("gzip-garbage", "csv", b"\x1f\x8b\x08\x00garbage", "cut off or damaged"),
    Case("other-headers", "csv", {"1": ROWS, "2": b"a,c\n1,2\n"}, "different headers"),
    Case("missing-column", "csv", {"1": ROWS, "2": b"a\n1\n"}, "different headers"),
    # Records of CSV.
    Case("too-few", "csv", b"a,b\n1,2\n3\n5,6\n", "too few", 3, 2, 1, "too_few_cells"),
    Case("too-many", "csv", b"a,b\n1,2\n3,4,5\n", "too many", 3, 1, 1, "too_many_cells"),
    Case("trailing-comma", "csv", b"a,b\n1,2,\n3,4\n", "too many", 2, 1, 1, "too_many_cells"),
    Case("unclosed-quote", "csv", b'a,b\n1,"2\n3,4\n5,6\n', "never closed", 2, 2, 1,
         "bad_quoting"),
    Case("unclosed-at-end", "csv", b'a,b\n1,2\n3,"4', "never closed", 3, 1, 1, "bad_quoting"),
    Case("two-unclosed", "csv", b'a,b\n1,"2\n3,4\n5,"6\n7,8\n', "goes on after", 2, 2, 2,
         "bad_quoting"),
    Case("text-after-quote", "csv", b'a,b\n1,"x"y\n3,4\n', "goes on after", 2, 1, 1,
         "bad_quoting"),
    Case("lone-quote", "csv", b'a,b\n1,2\n"\n3,4\n', "never closed", 3, 2, 1, "bad_quoting"),
    Case("bad-bytes", "csv", ROWS + b"9,\xff\xfe\n", "not utf-8", 302, 300, 1, "bad_encoding"),
    Case("cut-character", "csv", ROWS + b"9,\xc3", "not utf-8", 302, 300, 1, "bad_encoding"),
    Case("bad-integer", "csv", ROWS + b"x,y\n", "not of the column's type", 302, 300, 1,
         "bad_value", {"column_types": {"a": "int"}}),
    Case("too-wide-integer", "csv", ROWS + b"9223372036854775808,y\n",
         "not of the column's type", 302, 300, 1, "bad_value", {"column_types": {"a": "int"}}),
    Case("oversize-cell", "csv", ROWS + b"7," + b"z" * 5000 + b"\n", "too large", 302, 300, 1,
         "oversize_field", {"max_field_bytes": 1000}),
    Case("nothing-left", "csv", b"a,b\n1\n2\n", "too few", 2),
    Case("bad-in-gzip", "csv", gzip.compress(ROWS + b"1\n"), "too few", 302, 300, 1,
         "too_few_cells"),
    # Odd, but sound: no row may get lost.
    Case("carriage-returns", "csv", b"a,b\r1,2\r3,4\r", None, None, 2),
    Case("a-semicolon-in-a-name", "csv", b"a;b\n1\n2\n", None, None, 2),
    Case("a-quoted-comma-in-a-name", "csv", b'"a, b"\n"1, x"\n"2, y"\n', None, None, 2),
    Case("nul-bytes", "csv", b"a,b\n1,x\x00y\n2,z\n", None, None, 2),
    # JSON Lines.
    Case("json-empty", "jsonl", b"", "no records"),
    Case("json-array", "jsonl", b'[{"a": 1}]', "is a JSON array"),
    Case("json-cut-gzip", "jsonl", gzip.compress(b'{"a": 1}\n' * 999)[:-20], "cut off"),
    Case("json-cut-line", "jsonl", b'{"a": 1}\n{"a": ', "not json", 2, 1, 1, "not_json"),
    Case("json-scalar", "jsonl", b'{"a": 1}\n7\n', "not an object", 2, 1, 1, "not_an_object"),
    Case("json-twice", "jsonl", b'{"a": 1, "a": 2}\n{"a": 3}', "duplicate key", 1, 1, 1,
         "duplicate_key"),
    Case("json-bytes", "jsonl", b'{"a": "\xff"}\n{"a": "x"}', "bad encoding", 1, 1, 1,
         "bad_encoding"),
    Case("json-deep", "jsonl", b'{"a": ' + b"[" * 200_000 + b'}\n{"a": 1}\n', "not json", 1, 1,
         1, "not_json"),
    Case("json-value", "jsonl", b'{"a": "x"}\n{"a": 1}', "bad value", 1, 1, 1, "bad_value",
         {"column_types": {"a": "int"}}),
    # Parquet and Avro, where faults are those of whole files.
    Case("parquet-empty", "parquet", b"", "no Parquet file, or is damaged"),
    Case("parquet-is-csv", "parquet", ROWS, "no Parquet file, or is damaged"),
    Case("parquet-cut", "parquet", GOOD_PARQUET[:-40], "no Parquet file, or is damaged"),
    Case("parquet-page", "parquet", GOOD_PARQUET[:100] + b"\xff" * 400 + GOOD_PARQUET[500:],
         "no Parquet file, or is damaged"),
    Case("parquet-struct", "parquet", parquet(pa.table({"s": [{"x": 1}]})),
         "cannot become a feature"),
    Case("parquet-no-rows", "parquet", parquet(pa.table({"a": pa.array([], pa.int64())})),
         "no records"),
    Case("avro-empty", "avro", b"", "no Avro file, or is damaged"),
    Case("avro-is-csv", "avro", ROWS, "no Avro file, or is damaged"),
    Case("avro-cut", "avro", GOOD_AVRO[:-50], "no Avro file, or is damaged"),
    Case("avro-map", "avro", avro(NESTED, [{"m": {"k": 1}}]), "cannot become a feature"),
    # TFRecord.
    Case("tfrecord-empty", "tfrecord", b"", "no records"),
    Case("tfrecord-is-csv", "tfrecord", ROWS, "cut off or damaged"),
    Case("tfrecord-cut", "tfrecord", tfrecord(b"x" * 50)[:-9], "cut off or damaged"),
    Case("tfrecord-checksum", "tfrecord", tfrecord(b"x" * 50)[:-1] + b"!", "cut off or damaged"),
    Case("tfrecord-junk", "tfrecord", tfrecord(example(a=1), b"\xff\xff", example(a=2)),
         r"no tf\.Example", None, 2, 1, "not_an_example"),
    Case("tfrecord-types", "tfrecord", tfrecord(example(a=1), example(a="x")),
         "different types"),
    Case("tfrecord-cut-gzip", "tfrecord", gzip.compress(tfrecord(example(a=1)) * 99)[:-12],
         "cut off or damaged"),
]  # fmt: skip


def test_the_corpus_is_large_enough() -> None:
    """Cases were dropped, or two have one name."""
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.fixture
def run(tmp_path: Path, node_runner: Any) -> Any:
    """Ingests a case under a policy; formats without faulty rows have none."""

    def ingest(case: Case, policy: str) -> Any:
        folder = tmp_path / policy
        folder.mkdir()
        files = case.content if isinstance(case.content, dict) else {"data": case.content}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        chosen = {} if case.kind in ("parquet", "avro") else {"row_faults": policy}
        node = GENERATORS[case.kind](
            input_base=str(folder), output_config=ONE, **case.arguments, **chosen
        )
        return node_runner(node)

    return ingest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fail(case: Case, run: Any) -> None:
    """The error is missing, is a bare traceback, or names the wrong file or line."""
    if case.fail is None:
        assert run(case, "fail").rows == case.kept
        return
    with pytest.raises(DataError, match=case.fail) as raised:
        run(case, "fail")
    assert "data" in (raised.value.location or "") or isinstance(case.content, dict)
    if case.line is not None:
        assert (raised.value.location or "").endswith(f"data:{case.line}")


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.kind not in ("parquet", "avro")], ids=lambda case: case.name
)
def test_quarantine(case: Case, run: Any) -> None:
    """A row is neither kept nor rejected, or a broken file passes as a few bad rows."""
    if case.kept is None:
        with pytest.raises(DataError):
            run(case, "quarantine")
        return
    found = run(case, "quarantine")
    assert (found.rows, len(found.rejected)) == (case.kept, case.rejected)
    assert {row["reason"] for row in found.rejected} == ({case.reason} if case.reason else set())
    for row in found.rejected:
        assert row["file"].endswith("data")
        assert row["raw"]
        assert row["detail"]
