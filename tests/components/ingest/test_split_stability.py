# SPDX-License-Identifier: Apache-2.0
"""Same rows, same splits: whatever the chunks, files, order, formats, workers or engine."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.components.ingest import csv_executor, csv_scan, examples_writer, work_engine
from penstock.components.ingest.avro_example_gen import AvroExampleGen
from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.components.ingest.examples_reader import read_table
from penstock.components.ingest.function_example_gen import FunctionExampleGen
from penstock.components.ingest.import_example_gen import ImportExampleGen
from penstock.components.ingest.jsonl_example_gen import JsonlExampleGen
from penstock.components.ingest.parquet_example_gen import ParquetExampleGen
from penstock.components.ingest.sql_example_gen import SqlExampleGen

pa = pytest.importorskip("pyarrow")

NAMES = ("a", "b", "c")
SPLITS = {
    "split_config": {
        "splits": [{"name": n, "hash_buckets": k} for n, k in zip(NAMES, (3, 2, 2), strict=True)]
    }
}
Row = dict[str, Any]

rows_of_data = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.integers(-(2**40), 2**40),
            "word": st.text(st.sampled_from('abé,"\n '), min_size=1, max_size=20),
            "more": st.one_of(st.none(), st.text(st.sampled_from("xyz"), min_size=1, max_size=9)),
        }
    ),
    min_size=2,
    max_size=25,
)


def split_of(examples: Any) -> dict[str, list[str]]:
    """Which splits each record is in, once for each time it occurs."""
    found: dict[str, list[str]] = {}
    for split in examples.splits:
        for row in read_table(examples, split).to_pylist():
            key = json.dumps([row["n"], row["word"], row.get("more")])
            found.setdefault(key, []).append(split)
    return found


def csv_text(rows: list[Row], columns: list[str]) -> str:
    """Rows as the text of a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[row[c] if row[c] is not None else "" for c in columns] for row in rows])
    return text.getvalue()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=rows_of_data, data=st.data())
def test_csv_splits_depend_on_records_alone(
    tmp_path: Path, node_runner: Any, rows: list[Row], data: st.DataObject
) -> None:
    """Chunks, files, their order, columns' order or payload move a record between splits."""
    once = None
    for _ in range(3):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        mixed = data.draw(st.permutations(rows))
        cut = data.draw(st.integers(1, len(rows) - 1))
        for name, part in (("1.csv", mixed[:cut]), ("2.csv", mixed[cut:])):
            columns = data.draw(st.permutations(["n", "word", "more"]))
            (folder / name).write_text(csv_text(part, list(columns)), newline="")
        node = CsvExampleGen(
            input_base=str(folder),
            output_config=SPLITS,
            payload_format=data.draw(st.sampled_from(["parquet", "tfrecord", "tfrecord_gzip"])),
            row_faults=data.draw(st.sampled_from(["fail", "quarantine"])),
        )
        with pytest.MonkeyPatch.context() as patch:
            block = data.draw(st.sampled_from([120, 1 << 20]))
            patch.setattr(csv_scan, "BLOCK_SIZES", (block, 1 << 20))
            patch.setattr(csv_executor, "SHARD_BYTES", data.draw(st.sampled_from([10, 1 << 30])))
            found = {key: sorted(s) for key, s in split_of(node_runner(node).examples).items()}
        assert once in (None, found)
        once = found


def written_as(kind: str, rows: list[Row], folder: Path) -> Any:
    """A node that reads rows from a file of a kind, which is written first."""
    folder.mkdir()
    path = folder / "data"
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([("n", pa.int64()), ("word", pa.string()), ("more", pa.string())])
    )
    arguments = {"input_base": str(path), "output_config": SPLITS}
    if kind == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path, row_group_size=7)
        return ParquetExampleGen(**arguments)
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return JsonlExampleGen(**arguments)
    if kind == "avro":
        import fastavro

        fields = [
            {"name": "n", "type": "long"},
            {"name": "word", "type": "string"},
            {"name": "more", "type": ["null", "string"]},
        ]
        with open(path, "wb") as file:
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, rows)
        return AvroExampleGen(**arguments)
    if kind == "tfrecord":
        writer = examples_writer.TFRecordShardWriter(str(path))
        for batch in table.to_batches(max_chunksize=5):
            writer.write(batch)
        writer.close()
        return ImportExampleGen(**arguments)
    if kind == "csv":
        path.write_text(csv_text(rows, ["word", "n", "more"]), newline="")
        return CsvExampleGen(**arguments)
    import sqlite3

    with sqlite3.connect(path) as database:
        database.execute("create table t (n integer, word text, more text)")
        database.executemany("insert into t values (:n, :word, :more)", rows)
    database.close()
    return SqlExampleGen(
        connection=f"sqlite:///{path}", query="select * from t", output_config=SPLITS
    )


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=rows_of_data)
def test_all_formats_agree(tmp_path: Path, node_runner: Any, rows: list[Row]) -> None:
    """The same record is in another split when it comes from another format."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    wanted, whole = None, {}
    for kind in ("csv", "parquet", "jsonl", "avro", "tfrecord", "sql"):
        found = split_of(node_runner(written_as(kind, rows, folder / kind)).examples)
        assert wanted in (None, found), kind
        if kind == "csv":
            # A missing cell counts there: a header tells which columns there are.
            whole = {key: splits for key, splits in found.items() if "null" not in key}
            continue
        wanted = found
    assert {key: splits for key, splits in (wanted or {}).items() if "null" not in key} == whole
    node = FunctionExampleGen(read_records="some.function", output_config=SPLITS)
    batches = [pa.RecordBatch.from_pylist([row]) for row in rows]
    assert split_of(node_runner(node, code={"read_records": lambda: batches}).examples) == wanted


@pytest.mark.parametrize("values", [[0.5, 1e300, -0.0, 3.0, float("nan"), None, 16777217.0]])
def test_numbers_agree_between_widths(values: list[Any]) -> None:
    """A number counts differently as a float of 32 or 64 bits, or in a list."""
    from penstock.components.ingest.value_hash import value_hashes

    def hashes(array: Any) -> list[int]:
        batch = pa.RecordBatch.from_arrays([array], ["x"])
        found: list[int] = value_hashes(batch, ["x"]).tolist()
        return found

    wide = pa.array(values, pa.float64())
    narrow = wide.cast(pa.float32(), safe=False)
    assert hashes(wide) == hashes(narrow)
    assert hashes(pa.array([[v] if v is not None else None for v in values])) == hashes(wide)
    assert hashes(pa.array([3, None])) == hashes(pa.array([3.0, None]))
    assert hashes(wide.slice(2)) == hashes(wide)[2:]
    batch = pa.RecordBatch.from_pydict({"x": ["a", None], "y": [None, 1]})
    assert value_hashes(batch, ["x", "y"]).tolist() == [
        value_hashes(batch, ["x"]).tolist()[0], value_hashes(batch, ["y"]).tolist()[1],
    ]  # fmt: skip
    assert len(set(hashes(pa.array([[1, 2], [2, 1], [1], [], [1, 2, 3]])))) == 5


def tree(examples: Any) -> dict[str, str]:
    """Digests of all files of an artifact."""
    return {
        str(path.relative_to(examples.uri)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(examples.uri).rglob("*"))
        if path.is_file()
    }


def many_files(folder: Path) -> Callable[..., Any]:
    """Nodes over four files with 3000 records in all, one of them faulty."""
    folder.mkdir()
    for number in range(4):
        rows = [f"{n},word {n % 7},{n / 3}" for n in range(number * 750, number * 750 + 750)]
        if number == 2:
            rows[9] = "nothing"
        (folder / f"{number}.csv").write_text("n,word,x\n" + "\n".join(rows) + "\n")
    return lambda **arguments: CsvExampleGen(
        input_base=str(folder), output_config=SPLITS, row_faults="quarantine", **arguments
    )


def test_a_pool_of_processes_gives_equal_bytes(
    tmp_path: Path, node_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large inputs, which are read by several processes, give other artifacts."""
    node = many_files(tmp_path / "in")()
    monkeypatch.setattr(csv_executor, "SHARD_BYTES", 12_000)
    alone = node_runner(node)
    monkeypatch.setattr(work_engine, "POOL_BYTES", 1)
    monkeypatch.setattr(work_engine, "processors", lambda: 2)
    together = node_runner(node)
    assert len(tree(alone.examples)) > 8
    assert tree(alone.examples) == tree(together.examples)
    assert alone.rejected == together.rejected
    assert len(alone.rejected) == 1


def test_errors_come_out_of_processes(
    tmp_path: Path, node_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in a process of the pool loses its words on the way."""
    many_files(tmp_path / "in")
    monkeypatch.setattr(work_engine, "POOL_BYTES", 1)
    monkeypatch.setattr(work_engine, "processors", lambda: 2)
    from penstock.utils.errors import DataError

    with pytest.raises(DataError, match="too few cells") as raised:
        node_runner(CsvExampleGen(input_base=str(tmp_path / "in")))
    assert (raised.value.location or "").endswith("2.csv:11")


@pytest.mark.heavy
@pytest.mark.beam
def test_beam_gives_equal_bytes(
    tmp_path: Path, node_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingesting on Beam gives other artifacts, or loses the words of errors."""
    from penstock.utils.errors import DataError

    make = many_files(tmp_path / "in")
    monkeypatch.setattr(csv_executor, "SHARD_BYTES", 12_000)
    local = node_runner(make())
    beam = node_runner(make(engine="beam"))
    assert tree(beam.examples) == tree(local.examples)
    assert beam.rejected == local.rejected
    assert beam.properties == local.properties
    with pytest.raises(DataError, match="too few cells"):
        node_runner(CsvExampleGen(input_base=str(tmp_path / "in"), engine="beam"))


@pytest.mark.parametrize(
    ("flags", "elsewhere"),
    [
        ([], False),
        (["--runner=DirectRunner"], False),
        (["--runner", "apache_beam.runners.DirectRunner"], False),
        (["--runner=DirectRunner", "--direct_running_mode=multi_processing"], True),
        (["--runner=FlinkRunner"], True),
        (["--temp_location=x"], False),
    ],
)
def test_which_flags_mean_beam(flags: list[str], elsewhere: bool) -> None:
    """A pipeline that names a Beam runner is ingested on one machine, or the reverse."""
    assert work_engine.runs_elsewhere(flags) is elsewhere
