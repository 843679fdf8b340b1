# SPDX-License-Identifier: Apache-2.0
"""`CsvExampleGen` on small files: what comes out, and what is recorded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import Examples
from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.components.ingest.examples_reader import examples_schema, read_table, split_files
from penstock.utils.errors import DataError, ParameterError

pytest.importorskip("pyarrow")

ONE_SPLIT = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}
MANY = "id,word\n" + "".join(f"{n},word {n % 7}\n" for n in range(3000))


def column(examples: Examples, name: str) -> list[Any]:
    """Values of a column over all splits."""
    return [v for s in examples.splits for v in read_table(examples, s)[name].to_pylist()]


def tree(examples: Examples) -> dict[str, str]:
    """Digests of all files of an artifact."""
    return {
        str(path.relative_to(examples.uri)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(examples.uri).rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", ""], "int64", [1, -2, None]),
        ([" 1", "2 "], "int64", [1, 2]),
        (["9223372036854775807"], "int64", [9223372036854775807]),
        (["9223372036854775808"], "string", ["9223372036854775808"]),
        (["1", "2.5", ".5", "5.", "1e5"], "double", [1.0, 2.5, 0.5, 5.0, 100000.0]),
        (["1.5", "nan"], "double", None),
        (["nan"], "string", ["nan"]),
        (["1.5", "1e999"], "string", ["1.5", "1e999"]),
        (["0.5", "9007199254740993"], "string", ["0.5", "9007199254740993"]),
        (["02127", "76119"], "string", ["02127", "76119"]),
        (["0", "10", "-0.5"], "double", [0.0, 10.0, -0.5]),
        (["-0", "1"], "string", ["-0", "1"]),
        (["0x1F", "1"], "string", ["0x1F", "1"]),
        (["+1", "1"], "string", ["+1", "1"]),
        (["NA", "1"], "string", ["NA", "1"]),
        (["true", "false"], "string", ["true", "false"]),
        (["3/19/2015"], "string", ["3/19/2015"]),
        (["", ""], "string", [None, None]),
        (['"a\nb"', '"c,""d"""'], "string", ["a\nb", 'c,"d"']),
    ],
)
def test_column_type_follows_from_all_cells(
    ingest: Any, cells: list[str], kind: str, values: list[Any] | None
) -> None:
    """A documented outcome of type inference changed."""
    text = "key,x\n" + "".join(f"k{n},{cell}\n" for n, cell in enumerate(cells))
    examples = ingest({"a.csv": text}, output_config=ONE_SPLIT)
    assert str(examples_schema(examples).field("x").type) == kind
    if values is not None:
        assert column(examples, "x") == values


def test_type_is_judged_by_all_files_to_the_end(ingest: Any) -> None:
    """A value late in the data, or in another file, did not count."""
    numbers = "x\n" + "\n".join(str(n) for n in range(50_000)) + "\n"
    examples = ingest({"a.csv": numbers, "b.csv": "x\nlate\n"}, output_config=ONE_SPLIT)
    assert str(examples_schema(examples).field("x").type) == "string"
    assert column(examples, "x")[-1] == "late"


def test_types_and_nulls_can_be_set(ingest: Any) -> None:
    """`column_types` or `null_values` has no effect."""
    examples = ingest(
        {"a.csv": "zip,n,yes,score\n2127,NA,true,1\n76119,4,false,NA\n"},
        output_config=ONE_SPLIT,
        column_types={"zip": "string", "yes": "bool", "score": "float"},
        null_values=["NA"],
    )
    assert column(examples, "zip") == ["2127", "76119"]
    assert column(examples, "n") == [None, 4]
    assert column(examples, "yes") == [True, False]
    assert column(examples, "score") == [1.0, None]


def test_default_splits_are_two_to_one(ingest: Any) -> None:
    """TFX's default splits are not what comes out."""
    examples = ingest({"a.csv": MANY})
    rows = json.loads(examples.custom_properties["row_counts"])
    assert list(rows) == examples.splits == ["train", "eval"]
    assert sum(rows.values()) == 3000
    assert abs(rows["train"] - 2000) < 120


def test_split_depends_on_the_record_alone(ingest: Any) -> None:
    """Order of rows, files, columns or compression moves records between splits."""
    header, *lines = MANY.splitlines()
    once = ingest({"a.csv": MANY})
    other = ingest(
        {
            "a.csv.gz": "\n".join([header, *reversed(lines[1000:])]),
            "b.csv": "word,id\n"
            + "\n".join(f"{w},{i}" for i, w in (line.split(",") for line in lines[:1000])),
        }
    )
    for split in once.splits:
        assert sorted(read_table(once, split)["id"].to_pylist()) == sorted(
            read_table(other, split)["id"].to_pylist()
        )


def test_equal_input_gives_equal_bytes(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts of equal data differ, so that nothing downstream can be reused."""
    from penstock.components.ingest import csv_scan

    first = tree(ingest({"a.csv": MANY}))
    monkeypatch.setattr(csv_scan, "BLOCK_SIZES", (1000, 1 << 20))
    assert tree(ingest({"a.csv": MANY})) == first


def test_partition_feature_keeps_values_together(ingest: Any) -> None:
    """Records of one customer land in several splits."""
    examples = ingest(
        {"a.csv": MANY},
        output_config={
            "split_config": {
                "splits": [{"name": "a", "hash_buckets": 1}, {"name": "b", "hash_buckets": 1}],
                "partition_feature_name": "word",
            }
        },
    )
    words = [set(read_table(examples, split)["word"].to_pylist()) for split in "ab"]
    assert words[0] and words[1] and not words[0] & words[1]


def test_input_splits_are_kept(ingest: Any) -> None:
    """Splits that the input has already are mixed."""
    examples = ingest(
        {"train/1.csv": "x\n1\n2\n", "test/1.csv": "x\n3.5\n"},
        input_config={
            "splits": [
                {"name": "train", "pattern": "train/*.csv"},
                {"name": "test", "pattern": "test/*.csv"},
            ]
        },
    )
    assert examples.splits == ["train", "test"]
    assert read_table(examples, "train")["x"].to_pylist() == [1.0, 2.0]
    assert read_table(examples, "test")["x"].to_pylist() == [3.5]


def test_latest_span_and_version_are_read_and_recorded(ingest: Any) -> None:
    """An old month, or an old version of it, is ingested."""
    examples = ingest(
        {f"s{s}/v{v}/a.csv": f"x\n{s}{v}\n" for s, v in [(1, 1), (2, 1), (2, 10), (2, 9)]},
        input_config={"splits": [{"name": "all", "pattern": "s{SPAN}/v{VERSION}/*"}]},
    )
    assert column(examples, "x") == [210]
    assert (examples.span, examples.version) == (2, 10)


def test_properties_tell_where_data_came_from(ingest: Any) -> None:
    """Source files, their digests, or the schema are not recorded."""
    examples = ingest({"a.csv": "x,y\n1,a\n"}, output_config=ONE_SPLIT)
    properties = examples.custom_properties
    (file,) = json.loads(properties["source_files"])["files"]
    assert file["sha256"] == hashlib.sha256(b"x,y\n1,a\n").hexdigest()
    assert (file["rows"], file["bytes"]) == (1, 8)
    assert json.loads(properties["arrow_schema"]) == [
        {"name": "x", "type": "int64"},
        {"name": "y", "type": "string"},
    ]
    assert properties["payload_format"] == "parquet"
    size = Path(split_files(examples, "all")[0]).stat().st_size
    assert json.loads(properties["byte_counts"]) == {"all": size}


def test_many_files_become_several_shards(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large inputs end in one file, or lose records between shards."""
    from penstock.components.ingest import csv_executor

    monkeypatch.setattr(csv_executor, "SHARD_BYTES", 50)
    files = {f"{n}.csv": f"x\n{n}1\n{n}2\n{n}3\n{n}4\n" for n in range(1, 10)}
    examples = ingest(files, output_config=ONE_SPLIT)
    assert len(split_files(examples, "all")) == 3
    assert column(examples, "x") == [n * 10 + k for n in range(1, 10) for k in range(1, 5)]


def test_other_dialects(ingest: Any) -> None:
    """Delimiter, encoding or files without header cannot be read."""
    examples = ingest(
        {"a.csv": "Zürich;1\nGenève;2".encode("cp1252")},
        output_config=ONE_SPLIT,
        delimiter=";",
        encoding="cp1252",
        column_names=["city", "n"],
    )
    assert column(examples, "city") == ["Zürich", "Genève"]
    wide = ingest(
        {"a.csv": "a,b\nx,ß\n".encode("utf-16")}, output_config=ONE_SPLIT, encoding="utf-16"
    )
    assert column(wide, "b") == ["ß"]


def test_byte_order_mark_and_line_ends(ingest: Any) -> None:
    """A file from Windows has a strange first column name, or a missing last row."""
    examples = ingest({"a.csv": b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4"}, output_config=ONE_SPLIT)
    assert examples_schema(examples).names == ["a", "b"]
    assert column(examples, "b") == [2, 4]


def test_records_longer_than_a_block(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text makes a file unreadable."""
    from penstock.components.ingest import csv_scan

    monkeypatch.setattr(csv_scan, "BLOCK_SIZES", (64, 1 << 20))
    examples = ingest({"a.csv": f'a,b\n1,"{"x" * 500}"\n'}, output_config=ONE_SPLIT)
    assert column(examples, "b") == ["x" * 500]


def test_file_changed_between_passes(
    ingest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of a file that grows while it is read are lost or doubled silently."""
    from penstock.components.ingest import csv_executor

    original = csv_executor.check_headers

    def append(scans: Any) -> None:
        original(scans)
        with open(scans[0].path, "a", encoding="utf-8") as file:
            file.write("5\n")

    monkeypatch.setattr(csv_executor, "check_headers", append)
    with pytest.raises(DataError, match="changed while it was read"):
        ingest({"a.csv": "x\n1\n"}, output_config=ONE_SPLIT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"column_types": {"wrod": "string"}}, "did you mean: *word"),
        (
            {
                "output_config": {
                    "split_config": {
                        "splits": [
                            {"name": "a", "hash_buckets": 1},
                            {"name": "b", "hash_buckets": 1},
                        ],
                        "partition_feature_name": "wrod",
                    }
                }
            },
            "did you mean: *word",
        ),
    ],
)
def test_unknown_columns_are_named(ingest: Any, arguments: Any, message: str) -> None:
    """A misspelt column name is ignored."""
    with pytest.raises(DataError, match=message):
        ingest({"a.csv": MANY}, **arguments)


@pytest.mark.parametrize(
    "arguments", [{"delimiter": ",,"}, {"delimiter": '"'}, {"encoding": "utf-9"}]
)
def test_bad_dialects_are_named(ingest: Any, arguments: Any) -> None:
    """A delimiter or encoding that cannot work fails somewhere deep."""
    with pytest.raises(ParameterError, match=r"parameter '(delimiter|encoding)'"):
        ingest({"a.csv": MANY}, **arguments)


def test_declaration_checks_values() -> None:
    """A wrong payload format or column type shows only when the node runs."""
    with pytest.raises(ParameterError, match="payload_format"):
        CsvExampleGen(input_base="x", payload_format="avro")
    with pytest.raises(ParameterError, match="column_types"):
        CsvExampleGen(input_base="x", column_types={"a": "date"})
    with pytest.raises(ParameterError, match="hash_bucket"):
        CsvExampleGen(
            input_base="x",
            output_config={"split_config": {"splits": [{"name": "a", "hash_bucket": 1}]}},
        )
