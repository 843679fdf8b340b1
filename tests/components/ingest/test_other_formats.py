# SPDX-License-Identifier: Apache-2.0
"""Parquet, Avro, JSON Lines and TFRecord files, and user functions, as examples."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.ingest.avro_example_gen import AvroExampleGen
from penstock.components.ingest.examples_reader import examples_schema, read_table
from penstock.components.ingest.function_example_gen import FunctionExampleGen
from penstock.components.ingest.import_example_gen import ImportExampleGen
from penstock.components.ingest.jsonl_example_gen import JsonlExampleGen
from penstock.components.ingest.parquet_example_gen import ParquetExampleGen
from penstock.utils.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ONE = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}


def types(found: Any) -> dict[str, str]:
    """Arrow types by column name."""
    return {field.name: str(field.type) for field in examples_schema(found.examples)}


def values(found: Any, name: str) -> list[Any]:
    """A column."""
    column: list[Any] = read_table(found.examples, "all")[name].to_pylist()
    return column


def jsonl(folder: Path, lines: list[str], name: str = "a.jsonl") -> Path:
    """Writes a file with these lines."""
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("cells", "kind", "wanted"),
    [
        (["1", "-2", "null"], "int64", [1, -2, None]),
        (["1", "2.5"], "double", [1.0, 2.5]),
        (["true", "false"], "bool", [True, False]),
        (["true", "1"], "string", ["true", "1"]),
        (['"x"', "1", "1.5"], "string", ["x", "1", "1.5"]),
        (["9223372036854775807"], "int64", [2**63 - 1]),
        (["9223372036854775808", "-1"], "string", ["9223372036854775808", "-1"]),
        (["0.5", "9007199254740993"], "string", ["0.5", "9007199254740993"]),
        (["[1, 2]", "3", "[]", "null"], "list<item: int64>", [[1, 2], [3], [], None]),
        (['{"a": [1]}'], "string", ['{"a":[1]}']),
        (["null"], "string", [None]),
    ],
)
def test_jsonl_types_follow_from_all_values(
    tmp_path: Path, node_runner: Any, cells: list[str], kind: str, wanted: list[Any]
) -> None:
    """A documented outcome of type inference changed."""
    path = jsonl(tmp_path, [f'{{"k": {n}, "x": {cell}}}' for n, cell in enumerate(cells)])
    found = node_runner(JsonlExampleGen(input_base=str(path), output_config=ONE))
    assert types(found) == {"k": "int64", "x": kind}
    assert values(found, "x") == wanted


def test_jsonl_faults(tmp_path: Path, node_runner: Any) -> None:
    """A faulty line is lost, or takes others with it."""
    lines = ['{"a": 1}', "{nope", "[2]", '{"a": 3, "a": 4}', '{"a": "x"}', "", '{"b": "\\ud800"}']
    lines += [f'{{"b": "{"y" * 40}"}}', '{"a": 9}']
    path = jsonl(tmp_path, lines)
    arguments = {"input_base": str(path), "output_config": ONE, "column_types": {"a": "int"}}
    found = node_runner(JsonlExampleGen(**arguments, row_faults="quarantine", max_field_bytes=30))
    assert values(found, "a") == [1, 9]
    assert [(row["line"], row["reason"]) for row in found.rejected] == [
        (2, "not_json"),
        (3, "not_an_object"),
        (4, "duplicate_key"),
        (5, "bad_value"),
        (7, "bad_encoding"),
        (8, "oversize_field"),
    ]
    assert found.properties["rows"] + found.properties["rows_rejected"] == 8
    with pytest.raises(DataError, match="not json") as raised:
        node_runner(JsonlExampleGen(**arguments))
    assert (raised.value.location or "").endswith("a.jsonl:2")


def test_jsonl_gzip_and_missing_keys(tmp_path: Path, node_runner: Any) -> None:
    """A compressed file, or a key that only some lines have, is not read."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"a": 1}\r\n{"b": "x"}'))
    found = node_runner(JsonlExampleGen(input_base=str(path), output_config=ONE))
    assert values(found, "a") == [1, None]
    assert values(found, "b") == [None, "x"]


def test_parquet_keeps_types(tmp_path: Path, node_runner: Any) -> None:
    """A type is changed on the way, or columns in another order are mixed up."""
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "f": pa.array([1.5, 2.5], pa.float32()),
            "d": pa.array(["x", "y"]).dictionary_encode(),
            "l": pa.array([[1], [2, 3]]),
            "t": pa.array([datetime.date(2020, 1, 2)] * 2),
            "b": pa.array([True, False]),
        }
    )
    pq.write_table(table, tmp_path / "1.parquet")
    pq.write_table(table.select(["b", "t", "l", "d", "f", "i"]), tmp_path / "2.parquet")
    node = ParquetExampleGen(input_base=str(tmp_path / "*.parquet"), output_config=ONE)
    found = node_runner(node)
    assert found.rows == 4
    assert types(found)["i"] == "int32"
    assert values(found, "l") == [[1], [2, 3]] * 2
    assert values(found, "d") == ["x", "y"] * 2
    sources = json.loads(found.examples.custom_properties["source_files"])
    assert [entry["rows"] for entry in sources["files"]] == [2, 2]


def test_parquet_types_that_features_do_not_have(tmp_path: Path, node_runner: Any) -> None:
    """If it fails, a table as pandas writes it ends in an error of Arrow's, or in statistics."""
    moment, length = datetime.datetime(2020, 1, 1, 12), datetime.timedelta(seconds=2)
    table = pa.table(
        {
            "took": pa.array([length, None], pa.duration("s")),
            "at": pa.array([moment, None], pa.timestamp("us", "+02:00")),
            "key": pa.array([1, 2**63], pa.uint64()),
        }
    )
    pq.write_table(table.slice(0, 1), tmp_path / "a.parquet")
    pq.write_table(table, tmp_path / "b.parquet")
    found = node_runner(ParquetExampleGen(str(tmp_path), output_config=ONE))
    assert types(found) == {"took": "int64", "at": "timestamp[us, tz=UTC]", "key": "string"}
    rows = read_table(found.examples, "all").to_pylist()
    assert {row["key"] for row in rows} == {"1", str(2**63)}
    assert {row["took"] for row in rows} == {2, None}
    assert {row["at"] for row in rows} == {moment.replace(tzinfo=datetime.timezone.utc), None}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (lambda: pa.array([[[1]], [[2]]]), "a type that cannot become a feature"),
        (
            lambda: pa.array([[datetime.timedelta(1)]], pa.list_(pa.duration("s"))),
            "a type that cannot become a feature",
        ),
        (lambda: pa.array([[1], None], pa.list_(pa.int64(), 1)), "which Arrow cannot read"),
    ],
    ids=["lists in lists", "durations in lists", "missing lists of fixed size"],
)
def test_parquet_columns_that_cannot_be_features(
    tmp_path: Path, node_runner: Any, column: Callable[[], Any], message: str
) -> None:
    """If it fails, a column that cannot be kept is told by an error of Arrow's."""
    pq.write_table(pa.table({"a": column()}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        node_runner(ParquetExampleGen(str(tmp_path)))


def test_parquet_schemas_must_agree(tmp_path: Path, node_runner: Any) -> None:
    """Files of different schemas are read as one table."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(DataError, match="different schemas: column 'a'"):
        node_runner(ParquetExampleGen(input_base=str(tmp_path)))


def test_avro(tmp_path: Path, node_runner: Any) -> None:
    """A type of Avro is misread."""
    fastavro = pytest.importorskip("fastavro")
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "i", "type": ["null", "int"]},
            {"name": "s", "type": "string"},
            {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}},
            {"name": "l", "type": {"type": "array", "items": "double"}},
            {"name": "d", "type": {"type": "int", "logicalType": "date"}},
            {
                "name": "m",
                "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
            },
        ],
    }
    day = datetime.date(2024, 2, 29)
    rows = [
        {"i": n if n % 2 else None, "s": f"s{n}", "e": "AB"[n % 2], "l": [n / 2] * n, "d": day,
         "m": decimal.Decimal("1.25")}
        for n in range(5)
    ]  # fmt: skip
    with open(tmp_path / "a.avro", "wb") as file:
        fastavro.writer(file, schema, rows, codec="deflate")
    found = node_runner(AvroExampleGen(input_base=str(tmp_path / "a.avro"), output_config=ONE))
    assert read_table(found.examples, "all").to_pylist() == rows
    assert types(found)["i"] == "int32"


def write_tfrecords(path: Path, records: list[bytes]) -> None:
    """Writes a TFRecord file."""
    from penstock.components.ingest.tfrecord_files import TFRecordWriter

    writer = TFRecordWriter(str(path))
    writer.write(pa.array(records, pa.binary()))
    writer.close()


def encode(rows: list[dict[str, Any]], schema: Any = None) -> list[bytes]:
    """Rows as serialized `tf.Example`s."""
    from penstock.components.ingest.example_encoding import encode_examples

    examples: list[bytes] = encode_examples(
        pa.RecordBatch.from_pylist(rows, schema=schema)
    ).to_pylist()
    return examples


@pytest.mark.parametrize("name", ["data-00000-of-00001", "data.gz"])
def test_tfrecords(tmp_path: Path, node_runner: Any, name: str) -> None:
    """Features are lost, or lists are where values were."""
    rows = [{"i": n, "s": f"é{n}", "l": list(range(n)), "b": b"\xff"} for n in range(3)]
    write_tfrecords(tmp_path / name, encode(rows))
    found = node_runner(ImportExampleGen(input_base=str(tmp_path / name), output_config=ONE))
    assert types(found) == {
        "b": "binary", "i": "int64", "l": "large_list<item: int64>", "s": "string",
    }  # fmt: skip
    assert values(found, "s") == ["é0", "é1", "é2"]
    assert values(found, "l") == [[], [0], [0, 1]]


def test_tfrecord_faults(tmp_path: Path, node_runner: Any) -> None:
    """A record that is no example is lost, or not named."""
    good = encode([{"a": 1}, {"a": 2}])
    write_tfrecords(tmp_path / "x", [good[0], b"\xff\xff no example", good[1]])
    with pytest.raises(DataError, match=r"no tf\.Example") as raised:
        node_runner(ImportExampleGen(input_base=str(tmp_path / "x"), output_config=ONE))
    assert (raised.value.location or "").endswith("record 2")
    node = ImportExampleGen(
        input_base=str(tmp_path / "x"), output_config=ONE, row_faults="quarantine"
    )
    found = node_runner(node)
    assert values(found, "a") == [1, 2]
    assert [(row["line"], row["reason"]) for row in found.rejected] == [(2, "not_an_example")]


def run_function(node_runner: Callable[..., Any], function: Any, **arguments: Any) -> Any:
    """Runs a `FunctionExampleGen` with a function."""
    node = FunctionExampleGen(read_records="some.function", output_config=ONE, **arguments)
    return node_runner(node, code={"read_records": function})


def test_function(node_runner: Any) -> None:
    """Records of a user's function are lost, or its arguments are."""

    def read_records(count: int) -> Iterator[Any]:
        for start in range(0, count, 100):
            yield pa.RecordBatch.from_pydict({"n": list(range(start, start + 100))})
        yield pa.table({"n": [1000, 1001]})

    found = run_function(node_runner, read_records, arguments={"count": 300}, span=7)
    assert values(found, "n") == [*range(300), 1000, 1001]
    assert found.examples.span == 7


@pytest.mark.parametrize(
    ("yielded", "message"),
    [
        ([], "yields no records"),
        ([{"a": 1}], "something else than records"),
        (None, "something else than records"),
        ([{"a": [1]}, {"b": [1]}], "different columns"),
        ([{"a": [1]}, {"a": ["x"]}], "different types"),
        ([{"a": [{"b": 1}]}], "cannot become a feature"),
    ],
)
def test_function_faults(node_runner: Any, yielded: Any, message: str) -> None:
    """What a user's function does wrong ends in a traceback of Arrow's."""

    def batches() -> Any:
        if yielded is None:
            return None
        return [
            pa.RecordBatch.from_pydict(item) if isinstance(next(iter(item.values())), list)
            else item
            for item in yielded
        ]  # fmt: skip

    with pytest.raises(DataError, match=message):
        run_function(node_runner, batches)
